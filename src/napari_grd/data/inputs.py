"""Images and label images as they come in, checked and brought to one layout.

What a user passes goes through here once; everything behind it works on
``(C, *S)`` arrays without asking again.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import GrdError, ImageError, LabelError

AXES = ("yx", "cyx", "yxc", "zyx", "czyx", "zyxc")
"""How the axes of an image may be ordered."""

IGNORED = -1
"""Label of a pixel that nobody vouches for: in training no term of the loss looks at it, neither against
labels nor against a teacher. Background, 0, is something that is known."""


def as_image(array: Any, axes: str | None, *, ndim: int = 2, in_channels: int | None = None) -> NDArray[Any]:
    """Read an image into memory with its channels first, and check it.

    Parameters
    ----------
    array : numpy, dask or zarr array, or nested sequences
        The image.
    axes : str or None
        One of :data:`AXES`. None: the image has ``ndim`` spatial axes, and an
        extra axis holds the channels if exactly one end of the array has length
        ``in_channels``.
    ndim : {2, 3}
        Spatial dimensions the model works in. For a stack and a 2D model see
        :func:`split_planes`.
    in_channels : int or None
        Channels the model takes; None takes any number, but then ``axes`` must
        name the channel axis.

    Returns
    -------
    (C, *S) array
        C-contiguous, in the machine's byte order and the image's own type, but
        for bool (uint8) and float16 (float32). It may share memory with
        ``array``.

    Raises
    ------
    ImageError
        If the number of axes or channels is wrong, an axis is empty, the
        values are not real numbers, or one is NaN or infinite.

    Examples
    --------
    >>> as_image(np.zeros((20, 30, 3), np.uint8), None, in_channels=3).shape
    (3, 20, 30)
    >>> as_image(np.zeros((20, 30)), "yx").shape
    (1, 20, 30)
    """
    shape, dtype = _shape_and_dtype(array, ImageError)
    if dtype.kind not in "buif":
        raise ImageError(f"The image has values of type {dtype}.", "Pass real numbers, e.g. uint8, uint16 or float32.")
    if 0 in shape:
        raise ImageError(f"The image of shape {shape} is empty.", "Pass an image with at least one pixel.")
    axes = _guess_axes(shape, ndim, in_channels) if axes is None else _checked_axes(axes, shape, ndim)
    channels = shape[axes.index("c")] if "c" in axes else 1
    if in_channels is not None and channels != in_channels:
        raise ImageError(
            f"The image of shape {shape}, axes {axes!r}, has {_channels(channels)}; the model takes {in_channels}.",
            "Select the channels the model was trained on, or pass the axes in the order they have.",
        )
    # Only now, as this may compute a dask graph or read a file.
    image = np.asarray(array)
    image = np.moveaxis(image, axes.index("c"), 0) if "c" in axes else image[None]
    image = np.ascontiguousarray(image, dtype=_working_dtype(dtype))
    _check_finite(image)
    return image


def split_planes(array: Any, axes: str | None, *, ndim: int = 2) -> list[tuple[Any, str | None]]:
    """Split a stack into its planes, for a model that works in 2D.

    Parameters
    ----------
    array : numpy, dask or zarr array
        The image. A lazy array is indexed, not read whole.
    axes : str or None
        One of :data:`AXES`, or None.
    ndim : {2, 3}
        Spatial dimensions the model works in.

    Returns
    -------
    list of (array, axes)
        The planes along z, with the axes each has left, if the model is 2D and
        the axes name z; else the array and axes as they were. Join the results
        with ``numpy.stack`` along their z axis.

    Examples
    --------
    >>> [(plane.shape, axes) for plane, axes in split_planes(np.zeros((2, 20, 30)), "zyx")]
    [((20, 30), 'yx'), ((20, 30), 'yx')]
    """
    if ndim != 2 or axes is None or "z" not in axes:
        return [(array, axes)]
    shape, _ = _shape_and_dtype(array, ImageError)
    _checked_axes(axes, shape, ndim=3)
    axis = axes.index("z")
    before = (slice(None),) * axis
    return [(array[(*before, index)], axes.replace("z", "")) for index in range(shape[axis])]


def as_labels(array: Any, shape: tuple[int, ...], *, ignored: bool = False) -> NDArray[np.int64]:
    """Read a label image into memory and check it.

    Parameters
    ----------
    array : numpy, dask or zarr array, or nested sequences, of integers
        One number an instance, 0 is background.
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
    found, dtype = _shape_and_dtype(array, LabelError)
    if dtype.kind == "b":
        raise LabelError(
            "The labels are a mask (bool), which does not tell instances apart.",
            "Number its connected parts with skimage.measure.label.",
        )
    if dtype.kind not in "ui":
        raise LabelError(
            f"The labels have values of type {dtype}.",
            "Pass integers, one number an instance; whole numbers stored as another type: labels.astype(int).",
        )
    if found != tuple(shape):
        raise LabelError(
            f"The labels have shape {found}, their image has {tuple(shape)}.",
            "Pass one label for each pixel, without a channel axis.",
        )
    values = np.asarray(array)
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if low < (IGNORED if ignored else 0):
        raise LabelError(f"The labels hold the negative number {low}.", "Use 0 for background and count from 1.")
    if high > np.iinfo(np.int64).max:
        raise LabelError(f"The labels hold {high}, which int64 cannot.", "Number the instances from 1.")
    return np.ascontiguousarray(values, dtype=np.int64)


def _shape_and_dtype(array: Any, error: type[GrdError]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type, of a lazy array without reading it."""
    if not (hasattr(array, "shape") and hasattr(array, "dtype")):
        try:
            array = np.asarray(array)
        except ValueError as cause:
            raise error(f"A {type(array).__name__} is not an array ({cause}).", "Pass a rectangular array.") from None
    return tuple(int(size) for size in array.shape), np.dtype(array.dtype)


def _checked_axes(axes: str, shape: tuple[int, ...], ndim: int) -> str:
    if axes not in AXES:
        raise ImageError(f"The axes {axes!r} are unknown.", f"Use one of {', '.join(map(repr, AXES))}.")
    if len(axes) != len(shape):
        raise ImageError(
            f"The axes {axes!r} name {len(axes)} dimensions, the image of shape {shape} has {len(shape)}.",
            "Name every axis once.",
        )
    spatial = len(axes.replace("c", ""))
    if spatial != ndim:
        remedy = "Pass one plane at a time." if ndim == 2 else "Pass a z-stack, with 'z' in the axes."
        raise ImageError(f"The axes {axes!r} name {spatial} spatial axes, the model works in {ndim}D.", remedy)
    return axes


def _guess_axes(shape: tuple[int, ...], ndim: int, in_channels: int | None) -> str:
    spatial = "zyx"[-ndim:]
    if len(shape) == ndim:
        return spatial
    fitting = [place for place in (0, -1) if len(shape) == ndim + 1 and shape[place] == in_channels]
    if len(fitting) == 1:
        return f"c{spatial}" if fitting[0] == 0 else f"{spatial}c"
    raise ImageError(
        f"It is not clear what the {len(shape)} axes of the image of shape {shape} are"
        f" (expected {ndim} spatial axes and {'any channels' if in_channels is None else _channels(in_channels)}).",
        f"Name them with axes=, one of {', '.join(map(repr, AXES))}.",
    )


def _channels(count: int) -> str:
    return f"{count} channel" if count == 1 else f"{count} channels"


def _working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype == np.float16:  # percentiles and differences would lose digits
        return np.dtype(np.float32)
    return dtype.newbyteorder("=")  # big-endian files are common, and torch refuses them


def _check_finite(image: NDArray[Any]) -> None:
    if image.dtype.kind != "f":
        return
    # Comparing with float32's largest also catches NaN, and float64 values that would become infinite.
    bad = ~(np.abs(image) <= np.finfo(np.float32).max)
    if bad.any():
        place = tuple(int(index) for index in np.unravel_index(int(bad.argmax()), image.shape))
        raise ImageError(
            f"The image has {int(bad.sum())} values that are NaN or infinite, the first, {image[place]},"
            f" at {place} (channel first).",
            "Replace them, e.g. with numpy.nan_to_num.",
        )
