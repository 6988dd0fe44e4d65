"""A plane divided into small cells, the unit of caching network outputs.

Three coordinate systems meet here::

    pixels   of the image's level             shape
    grid     pixels the network sees          grid  = shape x scale
    cells    squares of ``cell`` grid pixels  cells = grid / cell, rounded up

Cells begin at multiples of the network's stride, so a pixel has the same phase in every piece in which it is computed.
"""

import math
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.boxes import Box, clipped, size_of
from napari_grd.inference.rescale import rescale_source

_CELL = 32  # grid pixels; small, so that panning computes little outside the view


@dataclass(frozen=True)
class Lattice:
    """The cells of a plane.

    Attributes
    ----------
    shape : (int, int)
        Height and width of the plane in pixels of its level.
    grid : (int, int)
        Height and width of the network's grid for it.
    cell : int
        Side of a cell in grid pixels, a multiple of the network's stride.
    """

    shape: tuple[int, int]
    grid: tuple[int, int]
    cell: int

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells; the last ones may be smaller."""
        rows, columns = (-(-size // self.cell) for size in self.grid)
        return rows, columns

    @property
    def rescaled(self) -> bool:
        """Whether the image is rescaled for the network."""
        return self.shape != self.grid

    @property
    def whole(self) -> Box:
        """All cells."""
        rows, columns = self.cells
        return slice(0, rows), slice(0, columns)

    def cells_of(self, pixels: Box) -> Box:
        """The smallest box of cells that covers a region of pixels."""
        spans = []
        for span, size, grid, count in zip(pixels, self.shape, self.grid, self.cells, strict=True):
            start = math.floor(span.start * grid / size / self.cell)
            stop = math.ceil(span.stop * grid / size / self.cell)
            spans.append(slice(min(start, count - 1), min(max(stop, start + 1), count)))
        return spans[0], spans[1]

    def grid_of(self, cells: Box) -> Box:
        """The grid pixels of a box of cells."""
        return clipped(cells, self.grid, unit=self.cell)

    def pixels_of(self, cells: Box) -> Box:
        """The pixels with their centers in a box of cells: every pixel is in exactly one cell."""
        spans = []
        for span, size, grid in zip(self.grid_of(cells), self.shape, self.grid, strict=True):
            edges = (math.ceil(edge * size / grid - 0.5) for edge in (span.start, span.stop))
            spans.append(slice(*edges))
        return spans[0], spans[1]

    def pixels_seen(self, cells: Box, halo: int) -> Box:
        """The input pixels of the network for a box of cells."""
        seen = clipped(self.grid_of(cells), self.grid, halo)
        if not self.rescaled:
            return seen
        rows, columns = rescale_source(seen, self.shape, self.grid)
        return rows, columns

    def blocks_seen(self, cells: Box, halo: int) -> Box:
        """The blocks of pixels, as large as a cell, that cover :meth:`pixels_seen`."""
        rows, columns = (
            slice(span.start // self.cell, -(-span.stop // self.cell)) for span in self.pixels_seen(cells, halo)
        )
        return rows, columns

    def surroundings(self, cells: Box, halo: int) -> list[tuple[int, int, int]]:
        """For each axis, grid pixels before, in and after a box of cells, clipped to the plane."""
        inside = self.grid_of(cells)
        seen = clipped(inside, self.grid, halo)
        return [(a.start - b.start, a.stop - a.start, b.stop - a.stop) for a, b in zip(inside, seen, strict=True)]

    def cells_in(self, cells: Box) -> tuple[list[slice], list[slice]]:
        """The rows and columns of :meth:`grid_of` that each row and column of cells has, counted from its corner."""
        rows, columns = (
            [
                slice(at, min(at + self.cell, span.stop - span.start))
                for at in range(0, span.stop - span.start, self.cell)
            ]
            for span in self.grid_of(cells)
        )
        return rows, columns

    def nearest(self, cells: Box) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """For the rows and columns of :meth:`pixels_of`, the corresponding row or column of :meth:`grid_of`."""
        indices = []
        both = zip(self.pixels_of(cells), self.grid_of(cells), self.shape, self.grid, strict=True)
        for pixels, inside, size, grid in both:
            centers = (np.arange(pixels.start, pixels.stop) + 0.5) * grid / size
            indices.append(np.clip(centers.astype(np.intp) - inside.start, 0, inside.stop - inside.start - 1))
        return indices[0], indices[1]


def lattice_for(shape: tuple[int, int], grid: tuple[int, int], stride: int) -> Lattice:
    """A lattice whose cells fit a network's stride.

    Examples
    --------
    >>> lattice_for((100, 70), (100, 70), stride=16).cells
    (4, 3)
    """
    return Lattice(shape, grid, math.lcm(stride, _CELL) if stride < _CELL else stride)


def cover(missing: NDArray[np.bool_], overhead: int) -> list[Box]:
    """Rectangles that cover all missing cells at approximately the lowest cost.

    Parameters
    ----------
    missing : (rows, columns) bool
        Which cells are missing.
    overhead : int
        Context of the network in cells, both sides together.

    Returns
    -------
    list of (slice, slice)
        Disjoint. One box around everything, or the horizontal or vertical
        bands of missing cells, whichever has fewer cells to compute.

    Examples
    --------
    >>> missing = np.ones((16, 16), bool)
    >>> missing[2:, 3:] = False  # panned up and left: an L is missing
    >>> cover(missing, 6)
    [(slice(0, 16, None), slice(0, 3, None)), (slice(0, 2, None), slice(3, 16, None))]
    """
    if not missing.any():
        return []
    rows, columns = (np.flatnonzero(missing.any(axis)) for axis in (1, 0))
    around = [(slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))]
    upright = [(box[1], box[0]) for box in _bands(missing.T)]

    def cost(boxes: list[Box]) -> int:
        return sum((height + overhead) * (width + overhead) for height, width in map(size_of, boxes))

    return min((around, _bands(missing), upright), key=cost)


def by_distance(boxes: list[Box], center: Box) -> list[Box]:
    """Sort boxes by distance from the center of another one."""

    def distance(box: Box) -> float:
        return math.hypot(
            *((span.start + span.stop - at.start - at.stop) / 2 for span, at in zip(box, center, strict=True))
        )

    return sorted(boxes, key=distance)


def _bands(missing: NDArray[np.bool_]) -> list[Box]:
    """Maximal groups of equal rows, cut where columns are not missing."""
    boxes, row = [], 0
    for _, group in groupby(missing, key=bytes):
        band = list(group)
        edges = np.flatnonzero(np.diff(band[0].astype(np.int8), prepend=0, append=0))
        for start, stop in edges.reshape(-1, 2).tolist():
            boxes.append((slice(row, row + len(band)), slice(start, stop)))
        row += len(band)
    return boxes
