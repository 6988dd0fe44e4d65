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
        Of every slice, if the model is for volumes.
        Numbered block by block: an object of two blocks has two numbers.
    spacing : int
        Pixels between two of these.
    """

    def __init__(self, store: LabelStore, grid: BlockGrid) -> None:
        self._store, self._grid = store, grid
        *slices, height, width = (*grid.plane_shape, *grid.shape)
        self.spacing = max(
            1,
            math.ceil(max(height, width) / _SIDE),
            math.ceil(math.sqrt(math.prod(slices) * height * width / _LARGEST)),
        )
        self.labels: NDArray[np.uint32] = np.zeros(
            (*slices, *(math.ceil(size / self.spacing) for size in (height, width))), np.uint32
        )

    def add(self, number: int) -> PreviewImages:
        """Add a finished block; returns the event that shows it."""
        plane, _ = self._grid.place(number)
        box = self._grid.core(number)
        slices, core = box[:-2], box[-2:]  # slices of a volume are all shown
        first = [math.ceil(part.start / self.spacing) for part in core]
        thinned = tuple(
            slice(start * self.spacing, part.stop, self.spacing) for start, part in zip(first, core, strict=True)
        )
        labels = np.asarray(self._store.raw[(*plane, *slices, *thinned)])
        rows, columns = (slice(start, start + size) for start, size in zip(first, labels.shape[-2:], strict=True))
        place: Any = (*plane, *slices, rows, columns)
        self.labels[place] = np.where(labels, labels + np.uint32(_APART * number), 0)
        return PreviewImages(number, {"labels": self.labels, "spacing": self.spacing})
