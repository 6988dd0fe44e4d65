"""Validation of input images and labels, and conversion to one layout.

User input is validated here once; all other code works on ``(C, *S)`` arrays without further checks.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import GrdError, ImageError, LabelError

AXES = "tczyx"
"""Letters that name axes: time, channel, and the three of space. They may come in any order with y before x."""

IGNORED = -1
"""Label of an unlabeled (ignored) pixel: in training it contributes to no term of the loss, neither against labels nor
against a teacher. Background, 0, is labeled.
"""


def as_image(array: Any, axes: str | None, *, ndim: int = 2, in_channels: int | None = None) -> NDArray[Any]:
    """Read an image into memory with its channels first, and check it.

    Parameters
    ----------
    array : numpy, dask or zarr array, or nested sequences
        The image.
    axes : str or None
        Letters out of :data:`AXES`, without t, and without z if ``ndim`` is 2. None: the image has
        ``ndim`` spatial axes, and an extra axis holds the channels if exactly
        one end of the array has length ``in_channels``.
    ndim : {2, 3}
        Spatial dimensions the model works in. For a stack and a 2D model see
        :func:`split_planes`.
    in_channels : int or None
        Number of input channels of the model; None accepts any number, but then ``axes`` must name the channel axis.

    Returns
    -------
    (C, *S) array
        C-contiguous, in the machine's byte order and the image's own type, but
        for bool (uint8) and float16 (float32). It may share memory with
        ``array``.

    Raises
    ------
    ImageError
        If the number of axes or channels is wrong, an axis is empty, or the
        values are not real numbers. NaN and infinite values are kept: they mark pixels that were not scanned.

    Examples
    --------
    >>> as_image(np.zeros((20, 30, 3), np.uint8), None, in_channels=3).shape
    (3, 20, 30)
    >>> as_image(np.zeros((20, 30)), "yx").shape
    (1, 20, 30)
    """
    array, axes = check_image(array, axes, ndim=ndim, in_channels=in_channels)
    # Last, because this may compute a dask graph or read a file.
    image = np.asarray(array)
    image = image.transpose([axes.index(axis) for axis in ("c" if "c" in axes else "") + "zyx"[-ndim:]])
    image = image if "c" in axes else image[None]
    image = np.ascontiguousarray(image, dtype=_working_dtype(image.dtype))
    return image


def check_image(array: Any, axes: str | None, *, ndim: int = 2, in_channels: int | None = None) -> tuple[Any, str]:
    """Check an image without reading a lazy one.

    Parameters
    ----------
    array, axes, ndim, in_channels
        As for :func:`as_image`.

    Returns
    -------
    (array, str)
        An array that can be indexed, lazy if it was, and its axes.

    Raises
    ------
    ImageError
        As :func:`as_image`.

    Examples
    --------
    >>> check_image(np.zeros((20, 30, 3)), None, in_channels=3)[1]
    'yxc'
    """
    array, shape = array_and_shape(array)
    if 0 in shape:
        raise ImageError(f"The image of shape {shape} is empty.", "Pass an image with at least one pixel.")
    axes = guess_axes(shape, ndim, in_channels) if axes is None else check_axes(axes, shape)
    _spatial(axes, ndim)
    channels = shape[axes.index("c")] if "c" in axes else 1
    if in_channels is not None and channels != in_channels:
        raise wrong_channels(shape, axes, channels, in_channels)
    return array, axes


def split_planes(array: Any, axes: str | None, *, ndim: int = 2) -> list[tuple[Any, str | None]]:
    """Split a stack or series into planes or volumes for a model.

    Parameters
    ----------
    array : numpy, dask or zarr array
        The image. A lazy array is indexed, not read whole.
    axes : str or None
        Letters out of :data:`AXES`, or None.
    ndim : {2, 3}
        Spatial dimensions the model works in.

    Returns
    -------
    list of (array, axes)
        The planes along t and z (volumes along t if ``ndim`` is 3) in the order of the axes, with the axes that
        each has left; the array and axes as they were if the axes name neither.

    Examples
    --------
    >>> [(plane.shape, axes) for plane, axes in split_planes(np.zeros((2, 20, 30)), "zyx")]
    [((20, 30), 'yx'), ((20, 30), 'yx')]
    """
    if axes is None:
        return [(array, axes)]
    array, shape = array_and_shape(array)
    along = plane_axes(check_axes(axes, shape), ndim)
    if not along:
        return [(array, axes)]
    left = "".join(axis for axis in axes if axis not in along)
    return [
        (array[plane_index(axes, dict(zip(along, plane, strict=True)))], left)
        for plane in np.ndindex(*(shape[axes.index(axis)] for axis in along))
    ]


def plane_axes(axes: str, ndim: int) -> str:
    """The axes along which an image is split for a model of ``ndim`` spatial dimensions, in their order.

    Examples
    --------
    >>> plane_axes("tzcyx", 2), plane_axes("tzcyx", 3)
    ('tz', 't')
    """
    return "".join(axis for axis in axes if axis not in ("cyx" if ndim == 2 else "czyx"))


def plane_index(axes: str, index: Mapping[str, Any]) -> tuple[Any, ...]:
    """An index of an array: whole axes, except those that are named.

    Examples
    --------
    >>> plane_index("tcyx", {"t": 3})
    (3, slice(None, None, None), slice(None, None, None), slice(None, None, None))
    """
    return tuple(index.get(axis, slice(None)) for axis in axes)


def as_labels(array: Any, shape: tuple[int, ...], *, ignored: bool = False) -> NDArray[np.int64]:
    """Read a label image into memory and check it.

    Parameters
    ----------
    array : numpy, dask or zarr array, or nested sequences, of integers
        One number per instance, 0 is background.
    shape : tuple of int
        Spatial shape of the image the labels belong to.
    ignored : bool
        Whether :data:`IGNORED` pixels are allowed.

    Returns
    -------
    (*S) int64
        C-contiguous.

    Raises
    ------
    LabelError
        If the type is not an integer one, the shape is not the image's, or a
        value is negative (but for ignored pixels).

    Examples
    --------
    >>> as_labels(np.array([[0, 7], [7, 7]], np.uint16), (2, 2))
    array([[0, 7],
           [7, 7]])
    """
    check_labels(array, shape)
    values = np.asarray(array)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if low < (IGNORED if ignored else 0):
        raise LabelError(f"The labels hold the negative number {low}.", "Use 0 for background and count from 1.")
    if high > np.iinfo(np.int64).max:
        raise LabelError(f"The labels hold {high}, which int64 cannot.", "Number the instances from 1.")
    return np.ascontiguousarray(values, dtype=np.int64)


def check_labels(array: Any, shape: tuple[int, ...]) -> None:
    """Check type and shape of a label image without reading a lazy one; see :func:`as_labels`.

    Raises
    ------
    LabelError
        If the type is not an integer one, or the shape is not the image's.
    """
    label_shape, dtype = _shape_and_dtype(array, LabelError)
    if dtype.kind == "b":
        raise LabelError(
            "The labels are a mask (bool), which does not distinguish instances.",
            "Number its connected parts with skimage.measure.label.",
        )
    if dtype.kind not in "ui":
        raise LabelError(
            f"The labels have values of type {dtype}.",
            "Pass integers, one number an instance; whole numbers stored as another type: labels.astype(int).",
        )
    if label_shape != tuple(shape):
        raise LabelError(
            f"The labels have shape {label_shape}, their image has {tuple(shape)}.",
            "Pass one label for each pixel, without a channel axis.",
        )


def array_and_shape(array: Any) -> tuple[Any, tuple[int, ...]]:
    """An image as an array that can be indexed, lazy if it was, and its shape.

    Raises
    ------
    ImageError
        If it is not an array of real numbers, or its shape is unknown.
    """
    if hasattr(array, "shape") and not _tells(array):
        array = np.asarray(array)
    shape, dtype = _shape_and_dtype(array, ImageError)
    if dtype.kind not in "buif":
        raise ImageError(f"The image has values of type {dtype}.", "Pass real numbers, e.g. uint8, uint16 or float32.")
    is_lazy = hasattr(array, "shape") and hasattr(array, "dtype") and not isinstance(array, np.ndarray)
    return (array if is_lazy else np.asarray(array)), shape  # a matrix would stay 2D when it is indexed


def wrong_channels(shape: tuple[int, ...], axes: str, channels: int, in_channels: int) -> ImageError:
    """The error for an image whose number of channels is not the model's."""
    return ImageError(
        f"The image of shape {shape}, axes {axes!r}, has {_channels(channels)}; the model takes {in_channels}.",
        "Select the channels the model was trained on, or pass the axes in the order they have.",
    )


def check_axes(axes: str, shape: tuple[int, ...]) -> str:
    """Check that axes name the dimensions of an image of this shape.

    Raises
    ------
    ImageError
        If there is another letter than those of :data:`AXES`, one twice, y or x is missing or x comes before y, or
        there are more or fewer axes than dimensions.
    """
    named = isinstance(axes, str) and set(axes) <= set(AXES) and len(set(axes)) == len(axes)
    if not named or not {"y", "x"} <= set(axes) or axes.index("y") > axes.index("x"):
        raise ImageError(
            f"The axes {axes!r} are unknown.",
            "Name each axis of the image once by a letter: t (time), c (channel), z, y, x, y before x, as 'tzcyx'.",
        )
    if len(axes) != len(shape):
        raise ImageError(
            f"The axes {axes!r} name {len(axes)} dimensions, the image of shape {shape} has {len(shape)}.",
            "Name every axis once.",
        )
    return axes


def guess_axes(shape: tuple[int, ...], ndim: int, in_channels: int | None) -> str:
    """The axes of an image without a name: spatial ones and, if exactly one end has the model's channels, those.

    Raises
    ------
    ImageError
        If they are ambiguous.
    """
    spatial = "zyx"[-ndim:]
    if len(shape) == ndim:
        return spatial
    fitting = [place for place in (0, -1) if len(shape) == ndim + 1 and shape[place] == in_channels]
    if len(fitting) == 1:
        return f"c{spatial}" if fitting[0] == 0 else f"{spatial}c"
    raise ImageError(
        f"It is not clear what the {len(shape)} axes of the image of shape {shape} are"
        f" (expected {ndim} spatial axes and {'any channels' if in_channels is None else _channels(in_channels)}).",
        "Name them with axes=, a letter each: t (time), c (channel), z, y, x, as 'zyx' or 'tzcyx'.",
    )


def _spatial(axes: str, ndim: int) -> None:
    """Check the number of spatial axes."""
    spatial = "".join(axis for axis in "tzyx" if axis in axes)
    if spatial != "zyx"[-ndim:]:
        remedy = "Pass one plane at a time." if ndim == 2 else "Pass a z-stack, with 'z' in the axes and without 't'."
        raise ImageError(
            f"The axes {axes!r} name {len(spatial)} axes beside channels, the model works in {ndim}D.", remedy
        )


def _tells(array: Any) -> bool:
    """Whether an array has a shape and a numpy dtype: tensors and some lazy arrays do not."""
    try:
        np.dtype(array.dtype)
        return all(int(size) >= 0 for size in array.shape)
    except (TypeError, ValueError):
        return False


def _shape_and_dtype(array: Any, error: type[GrdError]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype, without reading a lazy array."""
    if not (hasattr(array, "shape") and hasattr(array, "dtype")):
        try:
            array = np.asarray(array)
        except ValueError as cause:
            raise error(f"A {type(array).__name__} is not an array ({cause}).", "Pass a rectangular array.") from None
    try:
        return tuple(int(size) for size in array.shape), np.dtype(array.dtype)
    except (TypeError, ValueError) as cause:
        raise error(
            f"A {type(array).__name__} of shape {array.shape} and type {array.dtype} cannot be used ({cause}).",
            "Pass a numpy array.",
        ) from None


def _channels(count: int) -> str:
    return f"{count} channel" if count == 1 else f"{count} channels"


def _working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype == np.float16:  # percentiles and differences would lose precision
        return np.dtype(np.float32)
    return dtype.newbyteorder("=")  # big-endian files are common, and torch refuses them
