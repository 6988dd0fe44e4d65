"""Channels that a model takes, out of those that an image has."""

import dask.array as da
import numpy as np
import pytest

from napari_grd.errors import ImageError
from napari_grd.inference.fit import choose_channels, fit_channels
from napari_grd.models.model import Model, ModelConfig

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def gray() -> Model:
    return Model.create(ModelConfig())


@pytest.fixture(scope="module")
def color() -> Model:
    return Model.create(ModelConfig(in_channels=3))


@pytest.fixture
def three() -> np.ndarray:
    image = RNG.normal(100, 5, (3, 40, 50))
    image[2, 10:20, 10:20] += 900
    return image


def test_the_channel_with_the_largest_contrast_beside_its_noise(gray: Model, three: np.ndarray) -> None:
    three[0] *= 100  # bright, but nothing than noise
    assert choose_channels(gray, three) == (2,)
    fitted = fit_channels(gray, three, "cyx", names=["A", "B", "nuclei"])
    np.testing.assert_array_equal(fitted.pixels, three[2])
    assert "2 ('nuclei')" in fitted.note


@pytest.mark.parametrize("axes", ["tzcyx", "ctzyx", "tzyxc"])
@pytest.mark.parametrize("lazy", [False, True])
def test_channels_by_name_and_number_wherever_they_lie(gray: Model, three: np.ndarray, axes: str, lazy: bool) -> None:
    image = np.broadcast_to(three, (2, 4, *three.shape)).transpose(["tzcyx".index(axis) for axis in axes])
    given = da.from_array(image, chunks=-1) if lazy else image
    for wanted in (["nuclei"], ["NUCLEI"], ["2"]):
        fitted = fit_channels(gray, given, axes, names=["a", "b", "nuclei"], wanted=wanted)
        assert (fitted.axes, fitted.note) == ("tzyx", "")
        np.testing.assert_array_equal(np.asarray(fitted.pixels)[1, 3], three[2])


def test_colors_for_a_gray_model_are_their_luminance(gray: Model) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 1] = 200
    fitted = fit_channels(gray, image, "yxc", is_rgb=True)
    np.testing.assert_allclose(fitted.pixels, 0.587 * 200, rtol=1e-6)
    assert "luminance" in fitted.note


@pytest.mark.parametrize("lazy", [False, True])
def test_planes_are_no_colors_and_gray_is_given_three_times(color: Model, lazy: bool) -> None:
    stack = RNG.random((3, 20, 30))
    fitted = fit_channels(color, da.from_array(stack, chunks=-1) if lazy else stack, "zyx")
    assert (fitted.axes, fitted.pixels.shape) == ("czyx", (3, 3, 20, 30))
    assert "gray" in fitted.note
    for channel in np.asarray(fitted.pixels):
        np.testing.assert_array_equal(channel, stack)
    assert fit_channels(color, stack, "cyx").pixels is stack


def test_two_channels_for_a_model_of_three_say_which_stands_for_all(color: Model, three: np.ndarray) -> None:
    fitted = fit_channels(color, three[1:], "cyx")
    assert fitted.pixels.shape == (3, 40, 50)
    assert "is repeated" in fitted.note
    chosen = fit_channels(color, np.concatenate([three, three]), "cyx", wanted=["5", "0", "1"])
    np.testing.assert_array_equal(chosen.pixels, np.stack([three[2], three[0], three[1]]))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [(["7"], "no channel '7'"), (["x"], "0 .*, 1"), (["0", "1"], "model takes 1"), (["-1"], "-1")],
)
def test_channels_that_are_not_there_are_named(gray: Model, three: np.ndarray, wanted: list[str], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        fit_channels(gray, three, "cyx", names=["a", "b", "c"], wanted=wanted)
