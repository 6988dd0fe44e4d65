"""A range of planes of a stored volume, as an array of its own."""

from collections.abc import Sequence
from typing import Any


class PlaneRange:
    """A part of an array along one axis, which is not read: slicing a zarr array reads it.

    Parameters
    ----------
    array : dask or zarr array
    axis : int
        Along which there is less of it.
    start, stop : int
        What there is.

    Examples
    --------
    >>> import numpy as np
    >>> part = PlaneRange(np.arange(5)[:, None], 0, 2, 5)
    >>> part.shape, part[1:, :].tolist()
    ((3, 1), [[3], [4]])
    """

    def __init__(self, array: Any, axis: int, start: int, stop: int) -> None:
        self._array, self._axis, self._start = array, axis, start
        self.shape = (*array.shape[:axis], stop - start, *array.shape[axis + 1 :])
        self.dtype = array.dtype

    def __getitem__(self, index: Sequence[Any]) -> Any:
        moved = list(index)
        first, last, _ = moved[self._axis].indices(self.shape[self._axis])
        moved[self._axis] = slice(self._start + first, self._start + last)
        return self._array[tuple(moved)]
