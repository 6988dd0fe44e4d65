"""A plane, or volume, divided into small cells, the unit of caching network outputs.

Three coordinate systems meet here::

    pixels   of the image's level             shape
    grid     pixels the network sees          grid  = shape x scale
    cells    boxes of ``cell`` grid pixels    cells = grid / cell, rounded up

Cells begin at multiples of the network's stride, so a pixel has the same phase in every piece in which it is computed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, permutations
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.boxes import Box, clipped, size_of
from napari_grd.inference.rescale import rescale_source

_CELL = 32  # grid pixels; small, so that panning computes little outside the view
_CELL_Z = 4  # the same along z, if the network's stride is not larger


@dataclass(frozen=True)
class Lattice:
    """The cells of a plane, or of a volume.

    Attributes
    ----------
    shape : tuple of int
        Height and width of the plane in pixels of its level; of a volume, its depth before them.
    grid : tuple of int
        The same of the network's grid for it.
    cell : tuple of int
        Sides of a cell in grid pixels, multiples of the network's strides.
    strides : tuple of int
        The network's strides.
    """

    shape: tuple[int, int]
    grid: tuple[int, int]
    cell: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def cells(self) -> tuple[int, int]:
        """Rows and columns of cells; the last ones may be smaller."""
        counts = tuple(-(-size // side) for size, side in zip(self.grid, self.cell, strict=True))
        return cast(tuple[int, int], counts)

    @property
    def rescaled(self) -> bool:
        """Whether the image is rescaled for the network."""
        return self.shape != self.grid

    @property
    def whole(self) -> Box:
        """All cells."""
        return cast(Box, tuple(slice(0, count) for count in self.cells))

    def cells_of(self, pixels: Box) -> Box:
        """The smallest box of cells that covers a region of pixels."""
        spans = []
        for span, size, grid, side, count in zip(pixels, self.shape, self.grid, self.cell, self.cells, strict=True):
            start = math.floor(span.start * grid / size / side)
            stop = math.ceil(span.stop * grid / size / side)
            spans.append(slice(min(start, count - 1), min(max(stop, start + 1), count)))
        return cast(Box, tuple(spans))

    def grid_of(self, cells: Box) -> Box:
        """The grid pixels of a box of cells."""
        return clipped(cells, self.grid, unit=self.cell)

    def pixels_of(self, cells: Box) -> Box:
        """The pixels with their centers in a box of cells: every pixel is in exactly one cell."""
        spans = []
        for span, size, grid in zip(self.grid_of(cells), self.shape, self.grid, strict=True):
            edges = (math.ceil(edge * size / grid - 0.5) for edge in (span.start, span.stop))
            spans.append(slice(*edges))
        return cast(Box, tuple(spans))

    def seen(self, cells: Box, halo: Sequence[int]) -> Box:
        """The grid pixels that the network sees for a box of cells: at least those of a halo around it."""
        around = zip(clipped(self.grid_of(cells), self.grid, halo), self.grid, self.strides, strict=True)
        spans = (
            slice(span.start // step * step, min(-(-span.stop // step) * step, size)) for span, size, step in around
        )
        return cast(Box, tuple(spans))

    def pixels_seen(self, cells: Box, halo: Sequence[int]) -> Box:
        """The input pixels of the network for a box of cells."""
        seen = self.seen(cells, halo)
        return cast(Box, rescale_source(seen, self.shape, self.grid)) if self.rescaled else seen

    def blocks_seen(self, cells: Box, halo: Sequence[int]) -> Box:
        """The blocks of pixels, as large as a cell, that cover :meth:`pixels_seen`."""
        spans = zip(self.pixels_seen(cells, halo), self.cell, strict=True)
        return cast(Box, tuple(slice(span.start // side, -(-span.stop // side)) for span, side in spans))

    def surroundings(self, cells: Box, halo: Sequence[int]) -> list[tuple[int, int, int]]:
        """For each axis, grid pixels before, in and after a box of cells, clipped to the plane."""
        inside = self.grid_of(cells)
        seen = self.seen(cells, halo)
        return [(a.start - b.start, a.stop - a.start, b.stop - a.stop) for a, b in zip(inside, seen, strict=True)]

    def cells_in(self, cells: Box) -> list[list[slice]]:
        """The rows and columns of :meth:`grid_of` that each row and column of cells has, counted from its corner."""
        return [
            [
                slice(start, min(start + side, span.stop - span.start))
                for start in range(0, span.stop - span.start, side)
            ]
            for span, side in zip(self.grid_of(cells), self.cell, strict=True)
        ]

    def nearest(self, cells: Box) -> tuple[NDArray[np.intp], ...]:
        """For the rows and columns of :meth:`pixels_of`, the corresponding row or column of :meth:`grid_of`."""
        indices = []
        both = zip(self.pixels_of(cells), self.grid_of(cells), self.shape, self.grid, strict=True)
        for pixels, inside, size, grid in both:
            centers = (np.arange(pixels.start, pixels.stop) + 0.5) * grid / size
            indices.append(np.clip(centers.astype(np.intp) - inside.start, 0, inside.stop - inside.start - 1))
        return tuple(indices)


def lattice_for(shape: tuple[int, int], grid: tuple[int, int], stride: int | Sequence[int]) -> Lattice:
    """A lattice whose cells fit a network's stride, or its strides along each axis.

    Examples
    --------
    >>> lattice_for((100, 70), (100, 70), stride=16).cells
    (4, 3)
    >>> lattice_for((30, 100, 70), (30, 100, 70), stride=(2, 8, 8)).cell
    (4, 32, 32)
    """
    strides = (stride,) * len(shape) if isinstance(stride, int) else tuple(stride)
    sides = (_CELL_Z, _CELL, _CELL)[-len(shape) :]
    cell = tuple(-(-side // step) * step for side, step in zip(sides, strides, strict=True))
    return Lattice(shape, grid, cell, strides)


def cover(missing: NDArray[np.bool_], overhead: int | Sequence[int]) -> list[Box]:
    """Rectangles (of a volume, boxes) that cover all missing cells at approximately the lowest cost.

    Parameters
    ----------
    missing : (rows, columns) or (sections, rows, columns) bool
        Which cells are missing.
    overhead : int or sequence of int
        Context of the network in cells, both sides together; along all axes, or along each.

    Returns
    -------
    list of (slice, slice)
        Disjoint. One box around everything, or bands of missing cells along one axis or another, whichever has the
        fewest cells to compute.

    Examples
    --------
    >>> missing = np.ones((16, 16), bool)
    >>> missing[2:, 3:] = False  # panned up and left: an L is missing
    >>> cover(missing, 6)
    [(slice(0, 16, None), slice(0, 3, None)), (slice(0, 2, None), slice(3, 16, None))]
    """
    if not missing.any():
        return []
    more = (overhead,) * missing.ndim if isinstance(overhead, int) else overhead
    around = tuple(slice(int(indices.min()), int(indices.max()) + 1) for indices in missing.nonzero())
    candidates = [[around]]
    for order in permutations(range(missing.ndim)):
        back = np.argsort(order)
        candidates.append([tuple(box[axis] for axis in back) for box in _bands(missing.transpose(order))])

    def cost(boxes: list[tuple[slice, ...]]) -> int:
        sizes = (size_of(cast(Box, box)) for box in boxes)
        return sum(math.prod(side + extra for side, extra in zip(size, more, strict=True)) for size in sizes)

    return cast(list[Box], min(candidates, key=cost))


def by_distance(boxes: list[Box], center: Box) -> list[Box]:
    """Sort boxes by distance from the center of another one."""

    def distance(box: Box) -> float:
        return math.hypot(
            *((span.start + span.stop - other.start - other.stop) / 2 for span, other in zip(box, center, strict=True))
        )

    return sorted(boxes, key=distance)


def _bands(missing: NDArray[np.bool_]) -> list[tuple[slice, ...]]:
    """Maximal groups of equal rows (of a volume, of equal sections first), cut where columns are not missing."""
    if missing.ndim == 1:
        edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0))
        return [(slice(start, stop),) for start, stop in edges.reshape(-1, 2).tolist()]
    boxes: list[tuple[slice, ...]] = []
    row = 0
    for _, group in groupby(missing, key=np.ndarray.tobytes):
        band = list(group)
        boxes += [(slice(row, row + len(band)), *box) for box in _bands(band[0])]
        row += len(band)
    return boxes
