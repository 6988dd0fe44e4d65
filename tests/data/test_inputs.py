"""What enters is an image, or is refused with what to do."""

from itertools import permutations

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.data.inputs import as_image, as_labels, plane_axes, split_planes
from napari_grd.errors import ImageError, LabelError

ORDERS = ("yx", "cyx", "yxc", "zyx", "czyx", "zyxc")
SIZES = {"t": 2, "c": 3, "z": 5, "y": 7, "x": 11}


def image_with(axes):
    """A channels-first image and the same in the order of ``axes``."""
    spatial = axes.replace("c", "")
    first = np.arange(np.prod([SIZES[axis] for axis in "c" + spatial]), dtype=np.uint16)
    first = first.reshape([SIZES[axis] for axis in "c" + spatial])
    if "c" not in axes:
        return first[:1], first[0]
    return first, np.moveaxis(first, 0, axes.index("c"))


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("axes", ORDERS)
def test_channels_come_first(axes, named):
    expected, array = image_with(axes)
    ndim = len(axes.replace("c", ""))
    image = as_image(array, axes if named else None, ndim=ndim, in_channels=len(expected))
    np.testing.assert_array_equal(image, expected)
    assert image.dtype == np.uint16
    assert image.flags.c_contiguous


@pytest.mark.parametrize("library", ["dask", "zarr"])
def test_lazy_arrays_are_read(library):
    values = np.arange(24, dtype=np.uint8).reshape(4, 6)
    array = da.from_array(values, chunks=2) if library == "dask" else zarr.array(values, chunks=(2, 2))
    np.testing.assert_array_equal(as_image(array, None)[0], values)
    np.testing.assert_array_equal(as_labels(array, (4, 6)), values)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(bool, np.uint8), (np.float16, np.float32), (">u2", np.uint16), (np.float64, np.float64), (np.int32, np.int32)],
)
def test_types_that_the_rest_cannot_use_are_converted(dtype, expected):
    image = as_image(np.ones((3, 4), dtype), "yx")
    assert image.dtype == expected
    assert image.dtype.isnative
    assert (image == 1).all()


@settings(deadline=None, max_examples=40)
@given(first=st.integers(1, 4), last=st.integers(1, 4), channels=st.integers(1, 4))
def test_an_extra_axis_is_the_channel_only_if_one_end_fits(first, last, channels):
    array = np.zeros((first, 9, last))
    if (first == channels) != (last == channels):
        assert as_image(array, None, in_channels=channels).shape[0] == channels
    else:
        with pytest.raises(ImageError, match="axes="):
            as_image(array, None, in_channels=channels)


@pytest.mark.parametrize(
    ("array", "axes", "options", "message"),
    [
        (np.zeros(5), None, {}, "not clear"),
        (np.zeros((2, 3, 4, 5)), None, {}, "not clear"),
        (np.zeros((3, 8, 8)), None, {}, "any channels"),
        (np.zeros((8, 8)), None, {"ndim": 3}, "not clear"),
        (np.zeros((8, 8)), "xy", {}, "unknown"),
        (np.zeros((8, 8, 8)), "yyx", {}, "unknown"),
        (np.zeros((8, 8, 8)), "zcx", {}, "unknown"),
        (np.zeros((8, 8, 8)), "qyx", {}, "unknown"),
        (np.zeros((8, 8, 3)), "yx", {}, "name 2 dimensions"),
        (np.zeros((4, 8, 8)), "zyx", {}, "one plane at a time"),
        (np.zeros((8, 8)), "yx", {"ndim": 3}, "z-stack"),
        (np.zeros((4, 8, 8)), "tyx", {"ndim": 3}, "without 't'"),
        (np.zeros((8, 8)), "yx", {"in_channels": 3}, "has 1 channel; the model takes 3"),
        (np.zeros((4, 8, 8)), "cyx", {"in_channels": 3}, "has 4 channels; the model takes 3"),
        (np.zeros((0, 8)), "yx", {}, "empty"),
        (np.zeros((8, 8), complex), "yx", {}, "complex128"),
        (np.zeros((8, 8), object), "yx", {}, "object"),
        (np.full((8, 8), "a"), "yx", {}, "<U1"),
        ([[1, 2], [3]], "yx", {}, "rectangular"),
    ],
)
def test_images_that_cannot_be_used_are_refused(array, axes, options, message):
    with pytest.raises(ImageError, match=message):
        as_image(array, axes, **options)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_values_that_are_not_finite_are_kept_as_what_was_not_scanned(value):
    image = np.zeros((4, 6, 3))
    image[2, 5, 1] = value
    np.testing.assert_array_equal(as_image(image, "yxc")[1, 2, 5], value)


@pytest.mark.parametrize("axes", ["".join(order) for n in (3, 4, 5) for order in permutations("tczyx", n)])
def test_planes_of_every_order_of_axes(axes):
    if not {"y", "x"} <= set(axes) or axes.index("y") > axes.index("x"):
        return
    sizes = [SIZES[axis] for axis in axes]
    array = np.arange(np.prod(sizes)).reshape(sizes)
    along = plane_axes(axes, 2)
    named = {axis: np.arange(size) for axis, size in zip(axes, sizes, strict=True)}
    parts = split_planes(array, axes)
    assert len(parts) == np.prod([SIZES[axis] for axis in along])
    for index, (plane, rest) in zip(np.ndindex(*(SIZES[axis] for axis in along)), parts, strict=True):
        at = dict(zip(along, index, strict=True))
        expected = array[np.ix_(*([at[axis]] if axis in at else named[axis] for axis in axes))]
        channels = SIZES["c"] if "c" in axes else 1
        order = [axes.index(axis) for axis in (*at, *(["c"] if "c" in axes else []), "y", "x")]
        expected = expected.transpose(order).reshape(channels, SIZES["y"], SIZES["x"])
        np.testing.assert_array_equal(as_image(plane, rest), expected)


@pytest.mark.parametrize(("axes", "ndim"), [("cyx", 2), ("yxc", 2), (None, 2), ("zyx", 3)])
def test_what_the_model_takes_whole_is_not_split(axes, ndim):
    array = np.zeros((4, 5, 6))
    [(same, same_axes)] = split_planes(array, axes, ndim=ndim)
    assert same is array
    assert same_axes == axes


def test_other_libraries_arrays_are_read():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    unknown = da.from_array(values, chunks=2)
    unknown = unknown[unknown[:, 0] >= 0]  # dask does not know how many rows are left
    for array in (torch.from_numpy(values), np.ma.masked_array(values), values.tolist(), unknown):
        np.testing.assert_array_equal(as_image(array, None)[0], values)


def test_labels_become_int64():
    labels = as_labels(np.array([[0, 300], [2, 2]], ">u2"), (2, 2))
    assert labels.dtype == np.int64
    assert labels.tolist() == [[0, 300], [2, 2]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones((4, 4), bool), "skimage.measure.label"),
        (np.ones((4, 4)), "float64"),
        (np.ones((4, 4), object), "object"),
        (np.ones((4, 5), int), r"\(4, 5\).*\(4, 4\)"),
        (np.ones((1, 4, 4), int), "channel axis"),
        (np.full((4, 4), -3), "-3"),
        (np.full((4, 4), 2**63, np.uint64), "9223372036854775808"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(labels, message):
    with pytest.raises(LabelError, match=message):
        as_labels(labels, (4, 4))


def test_ignored_pixels_are_allowed_where_they_are_asked_for():
    labels = np.array([[-1, 3]])
    np.testing.assert_array_equal(as_labels(labels, (1, 2), ignored=True), labels)
    with pytest.raises(LabelError, match="negative number -1"):
        as_labels(labels, (1, 2))
    with pytest.raises(LabelError, match="negative number -2"):
        as_labels(labels - 1, (1, 2), ignored=True)
