import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.config import NormalizationConfig
from napari_grd.data.intensity import measure_intensity
from napari_grd.data.normalize import normalize

CONFIG = NormalizationConfig()


def test_percentiles_become_zero_and_one_in_each_channel():
    rng = np.random.default_rng(0)
    picture = np.kron(rng.random((10, 10)) > 0.5, np.ones((10, 10))) + 0.1 * rng.random((100, 100))
    image = np.stack([picture, picture * 3 - 500])
    result = normalize(image, measure_intensity(image, NormalizationConfig(low=5, high=95)).range)
    for channel in result:
        np.testing.assert_allclose(np.percentile(channel, [5, 95]), [0, 1], atol=1e-5)
    assert result.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
def test_any_real_type_is_accepted(dtype):
    image = (np.arange(400).reshape(1, 20, 20) % 100).astype(dtype)
    assert np.isfinite(normalize(image, measure_intensity(image.astype(float), CONFIG).range)).all()


def test_constant_image_becomes_zero():
    image = np.full((1, 8, 8), 7, np.uint16)
    assert not normalize(image, measure_intensity(image, CONFIG).range).any()


def test_a_range_from_high_to_low_inverts():
    inverted = normalize(np.arange(4.0).reshape(1, 2, 2), np.array([[3.0, 1.0]]))
    assert inverted.ravel().tolist() == [1.5, 1, 0.5, 0]


@pytest.mark.parametrize(
    ("dtype", "offset"), [(np.uint32, 4_000_000_000), (np.float64, 1e9), (np.int32, 2_000_000_000)]
)
def test_a_large_offset_costs_no_digits(dtype, offset):
    image = (np.random.default_rng(0).integers(0, 500, (1, 40, 40)) + offset).astype(dtype)
    plain = image.astype(np.float64) - offset
    np.testing.assert_allclose(
        normalize(image, measure_intensity(image, CONFIG).range),
        normalize(plain, measure_intensity(plain, CONFIG).range),
        atol=1e-5,
    )


def test_crop_normalized_with_the_range_of_its_plane_agrees_with_the_plane():
    image = np.random.default_rng(0).integers(0, 4000, (2, 60, 70)).astype(np.uint16)
    value_range = measure_intensity(image, CONFIG).range
    np.testing.assert_array_equal(
        normalize(image, value_range)[:, 10:40, 5:50], normalize(image[:, 10:40, 5:50], value_range)
    )


@settings(deadline=None, max_examples=15)
@given(gain=st.floats(0.01, 100), offset=st.floats(-1000, 1000))
def test_result_does_not_depend_on_gain_and_offset(gain, offset):
    image = np.random.default_rng(1).random((1, 30, 30))
    changed = gain * image + offset
    np.testing.assert_allclose(
        normalize(changed, measure_intensity(changed, CONFIG).range),
        normalize(image, measure_intensity(image, CONFIG).range),
        # a float32 range holds an offset of 1000 to 1e-4, which a small gain magnifies
        atol=1e-3 + 2e-4 / gain,
    )


@pytest.mark.parametrize("shape", [(1, 2048, 1536), (1, 1025, 2048), (1, 8, 1024, 512)])
def test_range_of_a_large_image_is_close_to_the_exact_one_and_repeatable(shape):
    # Columns differ, so a sample that kept to some columns would be far off.
    image = np.broadcast_to(np.arange(shape[-1], dtype=np.float32), shape)
    value_range = measure_intensity(image, CONFIG).range
    np.testing.assert_allclose(value_range[0], np.percentile(image, [CONFIG.low, CONFIG.high]), atol=3)
    np.testing.assert_array_equal(value_range, measure_intensity(image, CONFIG).range)
