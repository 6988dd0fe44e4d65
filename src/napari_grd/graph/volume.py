"""Planes as volumes of one slice, so that each compiled loop is written once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_grd.graph.offsets import Offset

Triple = tuple[int, int, int]


def as_volume(array: npt.NDArray[Any], ndim: int, axis: int = 0) -> npt.NDArray[Any]:
    """A contiguous, read-only view (or copy) with three spatial axes.

    Parameters
    ----------
    array : array
        Has ``ndim`` spatial axes, the first of which is ``axis``.
    ndim : {2, 3}
        Number of spatial axes.
    axis : int, default 0
        Position at which a z axis of length 1 is inserted if there is none.

    Examples
    --------
    >>> as_volume(np.zeros((10, 4, 5)), 2, axis=1).shape
    (10, 1, 4, 5)
    """
    volume = np.ascontiguousarray(array if ndim == 3 else np.expand_dims(array, axis)).view()
    # Numba compiles separate code for read-only arrays, so all arrays are made read-only.
    volume.flags.writeable = False
    return volume


def as_triple(values: Sequence[int], fill: int) -> Triple:
    """``(z, y, x)`` from ``(y, x)`` or ``(z, y, x)``; a missing z is ``fill``."""
    z, y, x = (fill,) * (3 - len(values)) + tuple(values)
    return z, y, x


def as_vectors(offsets: Sequence[Offset]) -> npt.NDArray[np.int64]:
    """The offsets as an array of shape (K, 3)."""
    return np.array([as_triple(offset, 0) for offset in offsets], np.int64).reshape(-1, 3)
