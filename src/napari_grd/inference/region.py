"""Restriction of objects to an outlined region of a plane."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ImageError
from napari_grd.inference.boxes import Box


def keep_inside(labels: NDArray[np.uint32], inside: NDArray[np.bool_]) -> None:
    """Remove, in place, objects with more than half of their pixels outside a region.

    Examples
    --------
    >>> labels = np.array([[1, 1, 2, 2, 2]], np.uint32)
    >>> keep_inside(labels, np.array([[True, True, True, False, False]]))
    >>> labels
    array([[1, 1, 0, 0, 0]], dtype=uint32)
    """
    ids, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    shared = np.bincount(index.ravel(), inside.ravel(), len(ids))
    kept = np.where(2 * shared >= sizes, ids, 0)
    labels[...] = kept[index].reshape(labels.shape)


def at_level(region: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A region of the finest level, resampled to the shape of another level."""
    indices: Iterator[NDArray[np.intp]] = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp) for new, old in zip(shape, region.shape, strict=True)
    )
    return region[np.ix_(*indices)]


def bounds(inside: NDArray[np.bool_]) -> Box:
    """The rows and columns that a region spans.

    Raises
    ------
    ImageError
        If it is empty.
    """
    if not inside.any():
        raise ImageError("The region contains no pixel of the image.", "Draw a shape over the image.")
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
