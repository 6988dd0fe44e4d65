"""Valid values of label images, and the smallest type that fits."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import LabelError

Region = tuple[slice, ...]
Stored = NDArray[np.uint16] | NDArray[np.uint32]


def stored_type(labels: Any) -> type[np.uint16] | type[np.uint32]:
    """The stored type of labels: uint16 if they fit, else uint32.

    Parameters
    ----------
    labels : array (*S)
        Integers >= 0: numpy, or dask or zarr, which are read piece by piece.

    Raises
    ------
    LabelError
        If the labels are empty, not integers, negative, or above 2**32 - 1.

    Examples
    --------
    >>> stored_type(np.array([0, 70_000])).__name__
    'uint32'
    """
    if not np.issubdtype(labels.dtype, np.integer) and labels.dtype != np.bool_:
        raise LabelError(f"The labels are of type {labels.dtype}.", "Pass an array of integers.")
    if 0 in labels.shape:
        raise LabelError(f"The labels are empty (shape {labels.shape}).", "Pass an array with pixels.")
    blocks = (np.asarray(labels[region]) for region in regions(labels.shape))
    lows, highs = zip(*((int(block.min()), int(block.max())) for block in blocks), strict=True)
    low, high = min(lows), max(highs)
    if low < 0 or high >= 2**32:
        raise LabelError(f"The labels range from {low} to {high}.", "Pass labels from 0 to 2**32 - 1.")
    return np.uint16 if high < 2**16 else np.uint32


def regions(shape: tuple[int, ...], side: int = 2048) -> Iterator[Region]:
    """Slices that cover an array: single planes, cut into squares of at most ``side`` along the last two axes.

    Examples
    --------
    >>> list(regions((3,), side=2))
    [(slice(0, 2, None),), (slice(2, 3, None),)]
    """
    steps = [side if axis >= len(shape) - 2 else 1 for axis in range(len(shape))]
    starts = [range(0, size, step) for size, step in zip(shape, steps, strict=True)]
    for corner in product(*starts):
        yield tuple(
            slice(start, min(start + step, size)) for start, step, size in zip(corner, steps, shape, strict=True)
        )
