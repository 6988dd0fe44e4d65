"""Range, noise and padding of a field of view."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from napari_grd.config import NormalizationConfig
from napari_grd.data.intensity import measure_intensity, normalized
from napari_grd.data.padding import find_padding

CONFIG = NormalizationConfig()
DIAMETER = 27.0


def smooth(rng, sigma, shape=(512, 512)):
    found = ndimage.gaussian_filter(rng.normal(size=shape), sigma)
    return 100 * found / found.std()


def rows(shape=(512, 512)):
    return np.linspace(0, 300, shape[0])[:, None] * np.ones(shape)


EMPTY = {
    "photon noise": lambda rng: rng.poisson(100, (512, 512)).astype(np.uint16),
    "few photons": lambda rng: rng.poisson(2, (512, 512)).astype(np.uint8),
    "float": lambda rng: rng.normal(size=(512, 512)).astype(np.float32),
    "a gradient": lambda rng: rng.poisson(100 + rows()),
    "hot pixels": lambda rng: np.where(rng.random((512, 512)) < 1e-4, 65535, rng.poisson(100, (512, 512))),
    "correlated noise": lambda rng: 1000 + smooth(rng, 1),
    "coarse noise": lambda rng: 1000 + smooth(rng, 4),
    "fine and coarse noise": lambda rng: 1000 + smooth(rng, 4) + smooth(rng, 0.1),
    "out of focus": lambda rng: 1000 + smooth(rng, 12),
    "lines of a camera": lambda rng: rng.poisson(100, (512, 512)) + rng.normal(0, 6, 512),
}


@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("invert", [False, True])
def test_nothing_stands_out_of_an_empty_field_and_its_noise_is_not_stretched(kind, invert):
    image = EMPTY[kind](np.random.default_rng(0))[None]
    measured = measure_intensity(image, CONFIG, DIAMETER, invert=invert)
    assert not measured.stands_out
    assert measured.inverted == invert
    assert np.std(np.diff(measured.normalize(image)[0, :200, 50:60])) < 0.06


def test_noise_is_that_of_the_pixels():
    image = np.random.default_rng(0).normal(50, 7, (1, 400, 400))
    assert measure_intensity(image, CONFIG, DIAMETER).noise == pytest.approx([7], rel=0.05)


@pytest.mark.parametrize("count", [1, 3, 10])
def test_few_objects_set_the_range_however_small_their_share(count):
    rng = np.random.default_rng(count)
    image = rng.poisson(100, (1, 1024, 1024)).astype(np.float64)
    y, x = np.mgrid[:1024, :1024]
    for place in rng.integers(50, 970, (count, 2)):
        image[0] += 2000 * (np.hypot(y - place[0], x - place[1]) < 13)
    measured = measure_intensity(image, CONFIG, DIAMETER)
    assert measured.stands_out
    assert 1800 < measured.range[0, 1] < 2300


def test_a_crowded_field_keeps_its_percentiles_and_is_not_tested_against_noise():
    rng = np.random.default_rng(0)
    squares = np.kron(rng.random((40, 40)) > 0.5, np.full((12, 12), 300))
    image = squares[None] + rng.poisson(100, (1, 480, 480))
    measured = measure_intensity(image, CONFIG, 15)
    assert measured.noise is None
    np.testing.assert_allclose(measured.range[0], np.percentile(image, [CONFIG.low, CONFIG.high]))


def test_texture_that_fills_the_field_is_no_noise():
    rng = np.random.default_rng(0)
    cells = ndimage.gaussian_filter(rng.normal(size=(512, 512)), 6) > 0  # membranes and cells: edges everywhere
    measured = measure_intensity(100.0 + 100 * cells[None] + rng.normal(0, 5, (1, 512, 512)), CONFIG, DIAMETER)
    assert measured.noise is None


def scanned(rng):
    image = rng.poisson(100, (1, 300, 400)).astype(np.uint16)
    image[0, 100:140, 150:190] += 500
    return image


@pytest.mark.parametrize("value", [0, 65535, np.nan])
def test_what_was_not_scanned_is_left_out_and_becomes_zero(value):
    image = scanned(np.random.default_rng(0))
    mosaic = np.full((1, 600, 700), value, np.float32 if np.isnan(value) else np.uint16)
    mosaic[:, 130:430, 140:540] = image
    measured, alone = (measure_intensity(each, CONFIG, DIAMETER) for each in (mosaic, image))
    np.testing.assert_allclose(measured.range, alone.range, rtol=0.1)
    assert measured.noise == pytest.approx(alone.noise, rel=0.1)
    normal = measured.normalize(mosaic)[0]
    assert not normal[:130].any()
    assert not normal[:, 540:].any()
    np.testing.assert_array_equal(measured.is_padding(mosaic)[:, 200], [True] * 130 + [False] * 300 + [True] * 170)


def test_the_zeros_of_a_dark_camera_are_background():
    image = np.random.default_rng(0).poisson(0.05, (1, 400, 400)).astype(np.uint8)
    image[:, 50:150, 50:150] = 0
    assert find_padding([image]) is None


def test_an_image_without_a_number_has_nothing_in_it():
    measured = measure_intensity(np.full((1, 40, 40), np.nan), CONFIG)
    assert not measured.stands_out
    assert not measured.normalize(np.full((1, 40, 40), np.nan)).any()


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 40), (2, 3, 3), (1, 7, 5), (1, 17, 4000), (1, 2, 30, 30)])
def test_any_shape_is_measured(shape):
    measured = measure_intensity(np.arange(np.prod(shape)).reshape(shape), CONFIG, DIAMETER)
    assert measured.range.shape == (shape[0], 2)
    assert np.isfinite(measured.range).all()


def test_patches_stand_for_the_whole():
    image = EMPTY["photon noise"](np.random.default_rng(0))[None]
    whole = measure_intensity(image, CONFIG, DIAMETER)
    parts = measure_intensity([image[:, :200, :200], image[:, 300:, 300:]], CONFIG, DIAMETER)
    assert parts.noise == pytest.approx(whole.noise, rel=0.05)


@pytest.mark.parametrize("value", [1e8, 1e20, -1e20, 3e38, -3e38])
@pytest.mark.parametrize("beside", [0.0, np.nan, np.inf])
def test_a_broken_pixel_is_at_the_end_of_the_range(value: float, beside: float) -> None:
    image = np.random.default_rng(0).normal(100, 10, (1, 256, 256)).astype(np.float32)
    image[0, 0, 0] = beside
    whole = normalized(image, NormalizationConfig())
    image[0, 30, 30] = value
    found = normalized(image, NormalizationConfig())
    assert found[0, 30, 30] == (value > 0)
    found[0, 30, 30] = whole[0, 30, 30]
    np.testing.assert_allclose(found, whole, atol=0.02)


def test_bright_pixels_stay_bright() -> None:
    image = np.random.default_rng(0).normal(100, 10, (1, 64, 64)).astype(np.float32)
    image[0, 30, 30] = 65535
    assert 100 < normalized(image, NormalizationConfig()).max() < 1000


@pytest.mark.parametrize("quality", [30, 50, 70, 90])
@pytest.mark.parametrize("deviation", [1, 2.5, 5])
def test_what_compression_leaves_of_noise_is_noise(quality, deviation):
    field = np.random.default_rng(0).normal(200, deviation, (512, 512)) - np.linspace(0, 30, 512)
    buffer = io.BytesIO()
    Image.fromarray(field.astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    found = measure_intensity(np.asarray(Image.open(buffer))[None], NormalizationConfig(), 24)
    assert found.noise is not None
    assert found.noise[0] < 2 * deviation


def test_noise_that_was_smoothed_is_noise():
    field = ndimage.median_filter(np.random.default_rng(0).poisson(100, (512, 512)), 3)[None]
    found = measure_intensity(field, NormalizationConfig(), 27)
    assert found.noise is not None
    assert not found.stands_out
