"""The labels of finished blocks in a size that can be shown while others are segmented."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.blockwise.grid import BlockGrid
from napari_grd.blockwise.store import LabelStore
from napari_grd.jobs import PreviewImages

_SIDE = 2048  # pixels
_LARGEST = 1 << 24  # pixels of all planes, 64 MiB
_APART = 1009  # between the numbers of objects in blocks that follow each other, so that their colors differ


class Overview:
    """Labels at every n-th pixel of each plane.

    Parameters
    ----------
    store : LabelStore
        The labels of the blocks.
    grid : BlockGrid
        Their places.

    Attributes
    ----------
    labels : (*planes, h, w) uint32
        Numbered block by block: an object of two blocks has two numbers.
    spacing : int
        Pixels between two of these.
    """

    def __init__(self, store: LabelStore, grid: BlockGrid) -> None:
        self._store, self._grid = store, grid
        planes = math.prod(grid.plane_shape)
        self.spacing = max(
            1, math.ceil(max(grid.shape) / _SIDE), math.ceil(math.sqrt(planes * math.prod(grid.shape) / _LARGEST))
        )
        self.labels: NDArray[np.uint32] = np.zeros(
            (*grid.plane_shape, *(math.ceil(size / self.spacing) for size in grid.shape)), np.uint32
        )

    def add(self, number: int) -> PreviewImages:
        """Add a finished block; returns the event that shows it."""
        plane, _, _ = self._grid.place(number)
        core = self._grid.core(number)
        first = [math.ceil(part.start / self.spacing) for part in core]
        thinned = tuple(slice(at * self.spacing, part.stop, self.spacing) for at, part in zip(first, core, strict=True))
        labels = np.asarray(self._store.raw[(*plane, *thinned)])
        rows, columns = (slice(at, at + size) for at, size in zip(first, labels.shape[-2:], strict=True))
        place: Any = (*plane, rows, columns)
        self.labels[place] = np.where(labels, labels + np.uint32(_APART * number), 0)
        return PreviewImages(number, {"labels": self.labels, "spacing": self.spacing})
