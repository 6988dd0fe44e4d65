"""Label images of any size of which parts are read."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.inputs import as_labels, check_labels
from napari_grd.data.missing import Missing
from napari_grd.data.plane_range import PlaneRange

Labels = NDArray[np.int64]
_SIDES = {2: (1024, 1024), 3: (64, 256, 256)}  # of a window


class LabelParts:
    """A label image ``(*S)`` that is sliced as an array, without one; a base class.

    Attributes
    ----------
    shape : tuple of int
        Spatial shape.
    ndim : int
    computes : bool
        Whether they may have to be computed when they are read.
    limit : int or None
        How many of the :meth:`windows` may be read to find an instance; None: all.
    """

    computes = False
    limit: int | None = None

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)
        self.ndim = len(self.shape)

    def __getitem__(self, index: Any) -> Labels:
        """The labels in a box: the last entries of the index are its slices.

        Raises
        ------
        Missing
            If they have to be computed before.
        """
        spans = index[-self.ndim :]
        return self._read(tuple(slice(*s.indices(n)) for s, n in zip(spans, self.shape, strict=True)))

    def read(self, box: tuple[slice, ...]) -> Labels:
        """The labels in a box, computed if they are missing."""
        while True:
            try:
                return self[box]
            except Missing as part:
                part.compute()

    def _read(self, box: tuple[slice, ...]) -> Labels:
        raise NotImplementedError

    def windows(self) -> Iterator[tuple[slice, ...]]:
        """Boxes that cover the image, in an order in which the first ones are far apart."""
        sides = self.window_sides
        counts = [-(-size // side) for size, side in zip(self.shape, sides, strict=True)]
        total = math.prod(counts)
        step = round(0.618 * total) or 1
        while math.gcd(step, total) > 1:
            step += 1
        for number in range(total):
            place = np.unravel_index(number * step % total, counts)
            yield tuple(
                slice(int(at) * side, min((int(at) + 1) * side, size))
                for at, side, size in zip(place, sides, self.shape, strict=True)
            )

    @property
    def window_sides(self) -> tuple[int, ...]:
        """Sides of these boxes."""
        return _SIDES[self.ndim]

    def tries(self, tried: Sequence[NDArray[np.int64]]) -> Sequence[NDArray[np.int64]]:
        """Where to look for an instance instead, if looking anywhere takes too long."""
        return tried

    def first_instance(self, tried: Sequence[NDArray[np.int64]]) -> list[int] | None:
        """The first of several pixels that belongs to an instance; read one by one, because each is elsewhere."""
        for pixel in zip(*self.tries(tried), strict=True):
            if self[tuple(slice(int(at), int(at) + 1) for at in pixel)].item() > 0:
                return [int(at) for at in pixel]
        return None


class StoredLabels(LabelParts):
    """A dask or zarr array of labels, checked part by part.

    Parameters
    ----------
    array : dask or zarr array of integers
    shape : tuple of int
        Spatial shape of its image.

    Raises
    ------
    LabelError
        As :func:`~napari_grd.data.inputs.as_labels`; for values, when they are read.

    Examples
    --------
    >>> import dask.array as da
    >>> labels = StoredLabels(da.ones((5000, 6000), dtype=np.uint16), (5000, 6000))
    >>> labels[0:1, 0:2]
    array([[1, 1]])
    """

    def __init__(self, array: Any, shape: tuple[int, ...]) -> None:
        check_labels(array, shape)
        super().__init__(shape)
        self._array = array

    def _read(self, box: tuple[slice, ...]) -> Labels:
        part = np.asarray(self._array[box])
        return as_labels(part, part.shape, ignored=True)

    def planes(self, start: int, stop: int) -> "StoredLabels":
        """Some of the planes of a volume, as a label image of its own."""
        return StoredLabels(PlaneRange(self._array, 0, start, stop), (stop - start, *self.shape[1:]))


class ChangedLabels(LabelParts):
    """Labels that are changed when they are read.

    Parameters
    ----------
    labels : LabelParts
    change : callable
        A function of labels whose result depends on ``reach`` pixels around each pixel of a plane.
    reach : int
    """

    def __init__(self, labels: LabelParts, change: Callable[[Labels], Labels], *, reach: int = 0) -> None:
        super().__init__(labels.shape)
        self._labels, self._change, self._reach = labels, change, reach
        self.computes = labels.computes

    def tries(self, tried: Sequence[NDArray[np.int64]]) -> Sequence[NDArray[np.int64]]:
        """As for the labels themselves."""
        return self._labels.tries(tried)

    def _read(self, box: tuple[slice, ...]) -> Labels:
        reaches = (0,) * (self.ndim - 2) + (self._reach,) * 2
        around = tuple(
            slice(max(0, s.start - more), min(s.stop + more, size))
            for s, more, size in zip(box, reaches, self.shape, strict=True)
        )
        inside = tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(box, around, strict=True))
        return self._change(self._labels[around])[inside]
