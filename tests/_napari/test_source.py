"""Planes of image layers as models read them."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_grd._napari.best_channel import default_channels
from napari_grd._napari.source import Channel, ImageSource, channel_choices
from napari_grd.errors import ImageError

RNG = np.random.default_rng(0)


def test_a_plane_of_a_stack_and_a_region_of_it() -> None:
    data = RNG.integers(0, 255, (4, 5, 30, 40), np.uint8)
    source = ImageSource(Image(data))
    assert source.shape() == (30, 40)
    assert len(list(source.planes())) == 20
    assert np.array_equal(source.read(0, (2, 3)), data[None, 2, 3])
    region = (slice(5, 9), slice(10, 30))
    assert np.array_equal(source.read(0, (2, 3), region), data[None, 2, 3, 5:9, 10:30])
    assert np.array_equal(data[source.index((2, 3), region)], data[2, 3, 5:9, 10:30])


@pytest.mark.parametrize("displayed", [(0, 2), (2, 0)])
def test_the_view_decides_which_axes_are_a_plane(displayed: tuple[int, int]) -> None:
    data = RNG.random((6, 30, 40))
    source = ImageSource(Image(data), displayed=displayed)
    expected = data[:, 7] if displayed == (0, 2) else data[:, 7].T
    assert source.shape() == expected.shape
    assert np.array_equal(source.read(0, (7,))[0], expected)


def test_rgb_gives_gray_or_a_component() -> None:
    data = RNG.integers(0, 255, (20, 30, 3), np.uint8)
    layer = Image(data, rgb=True)
    choices = channel_choices(None, layer)
    assert [choice.label for choice in choices] == ["gray", "red", "green", "blue"]
    color = ImageSource(layer, tuple(choices[1:])).read(0, ())
    assert np.array_equal(np.moveaxis(color, 0, -1), data)
    gray = ImageSource(layer).read(0, ())
    assert gray.shape == (1, 20, 30)
    assert np.allclose(gray[0], data @ [0.2125, 0.7154, 0.0721], atol=1e-3)


def test_an_axis_named_channel_is_no_plane_axis() -> None:
    data = RNG.random((3, 2, 20, 30))
    layer = Image(data, axis_labels=("t", "c", "y", "x"))
    source = ImageSource(layer, tuple(channel_choices(None, layer)))
    assert list(source.planes()) == [(0,), (1,), (2,)]
    assert np.array_equal(source.read(0, (2,)), data[2])
    assert source.index((2,)) == (2, slice(None), slice(None))


def test_layers_of_one_shape_are_channels_of_each_other(viewer: Any) -> None:
    first = viewer.add_image(RNG.random((20, 30)), name="dna")
    viewer.add_image(RNG.random((20, 30)), name="actin")
    viewer.add_image(RNG.random((10, 30)), name="other")
    choices = channel_choices(viewer, first)
    assert [choice.label for choice in choices] == ["dna", "actin"]
    assert ImageSource(first, tuple(choices)).read(0, ()).shape == (2, 20, 30)
    assert [c.label for c in default_channels(viewer, first, 1) or ()] == ["dna"]
    assert default_channels(viewer, first, 3) is None


def test_pyramids_and_dask_are_read_by_level_and_region() -> None:
    fine = da.from_array(RNG.random((2, 64, 80)), chunks=(1, 32, 32))
    layer = Image([fine, fine[:, ::2, ::2]], multiscale=True)
    source = ImageSource(layer)
    assert (source.levels, source.shape(1), source.downsample(1)) == (2, (32, 40), 2.0)
    region = (slice(3, 9), slice(4, 20))
    found = source.read(1, (1,), region)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found[0], fine[1, ::2, ::2][region].compute())


def test_the_current_plane_follows_the_sliders_in_world_coordinates(viewer: Any) -> None:
    layer = viewer.add_image(RNG.random((5, 20, 30)), scale=(3, 1, 1), translate=(6, 0, 0))
    viewer.dims.set_point(0, 12)
    assert ImageSource(layer).current_plane(viewer) == (2,)


def test_replaced_data_and_other_channels_change_the_key() -> None:
    layer = Image(RNG.random((20, 30, 3)), rgb=True)
    red, gray = ImageSource(layer, (Channel(layer, 0, "red"),)), ImageSource(layer)
    assert red.key != gray.key
    before = gray.key
    layer.data = RNG.random((20, 30, 3))
    assert ImageSource(layer).key != before


def test_channels_of_different_shape_and_a_line_are_refused() -> None:
    layer, other = Image(np.zeros((20, 30))), Image(np.zeros((20, 31)), name="wide")
    with pytest.raises(ImageError, match="'wide' differ in shape"):
        ImageSource(layer, (Channel(layer, None, "a"), Channel(other, None, "b")))
    labeled = Image(np.zeros((3, 20, 30)), axis_labels=("c", "y", "x"))
    with pytest.raises(ImageError, match="channel axis"):
        ImageSource(labeled, tuple(channel_choices(None, labeled)), displayed=(0, 2))


def test_a_stack_of_files_of_different_sizes_is_named(viewer: Any, tmp_path: Path) -> None:
    for name, shape in (("a", (20, 30)), ("b", (18, 30)), ("c", (40, 30))):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.ones(shape, np.uint8))
    (layer,) = viewer.open(str(tmp_path), plugin="napari")
    source = ImageSource(layer)
    assert source.read(0, (0,)).shape == (1, 20, 30)
    for plane in (1, 2):
        with pytest.raises(ImageError, match=f"Plane {plane + 1} of .* is not of 20 x 30 pixels.*one by one"):
            source.read(0, (plane,))
    with pytest.raises(ImageError, match="Plane 2"):
        source.read(0, (1,), (slice(4, 25), slice(0, 9)))
    assert source.read(0, (0,), (slice(4, 25), slice(-9, None))).shape == (1, 16, 9), "beyond the end there is nothing"


def test_z_is_known_by_its_name_and_its_spacing_by_the_calibration() -> None:
    stack = np.zeros((2, 5, 8, 9))
    layer = Image(stack, axis_labels=("t", "z", "y", "x"), scale=(1, 2, 0.5, 0.5), units=("s", "um", "um", "um"))
    assert (ImageSource(layer).z_axis, ImageSource(layer).anisotropy) == (1, 4.0)
    assert ImageSource(layer, displayed=(1, 3)).z_axis is None
    unnamed = Image(stack, scale=(1, 2, 0.5, 0.5))
    assert (ImageSource(unnamed).z_axis, ImageSource(unnamed).anisotropy) == (None, None)
    in_pixels = Image(stack, axis_labels=("t", "z", "y", "x"))
    assert (ImageSource(in_pixels).z_axis, ImageSource(in_pixels).anisotropy) == (1, None)
