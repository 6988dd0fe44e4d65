"""A plane cut into blocks that are segmented one at a time, so that memory does not grow with the plane.

Each block is segmented with its surroundings::

    read      |<- halo ->|<- context ->|<------ core ------>|<- context ->|<- halo ->|
    labels               |<---------------------------------------------->|
    written              whole objects that extend into the core

The halo is the network's context for the pixels at the edge of the labels; the context contains objects on the border
of the core as a whole. A plane that fits into one block has neither.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.boxes import Box, clipped, origin_of, pieces, size_of, within
from napari_grd.inference.lattice import Lattice, lattice_for
from napari_grd.inference.rescale import rescale_source

_WHOLE = 2048**2  # grid pixels of a plane that is not cut
_WHOLE_PIXELS = 4096**2  # image pixels of it; more than grid pixels if it is downscaled for the network
_SIDE = 2048  # side of a block with its surroundings, if a plane is cut
_CONTEXT = 64  # grid pixels


@dataclass(frozen=True, eq=False)
class Block:
    """A part of a plane.

    Attributes
    ----------
    core : (slice, slice)
        Pixels whose objects are written.
    pixels : (slice, slice)
        Pixels that are labeled: the core and its context.
    grid : (slice, slice)
        The same in pixels of the network's grid.
    seen : (slice, slice)
        Pixels of the grid that are input to the network.
    read : (slice, slice)
        Pixels of the image for those.
    places : tuple of arrays of int, or None
        For every row and column of ``pixels`` its row or column of ``grid``; None if they are identical.
    """

    core: Box
    pixels: Box
    grid: Box
    seen: Box
    read: Box
    places: tuple[NDArray[np.intp], ...] | None

    @property
    def inner(self) -> Box:
        """The core within ``pixels``."""
        return within(self.core, origin_of(self.pixels))


def plan_blocks(
    shape: tuple[int, int],
    grid: tuple[int, int],
    *,
    halo: int,
    stride: int,
    spacing: int = 1,
    region: Box | None = None,
) -> list[Block]:
    """Cut a plane into blocks.

    Parameters
    ----------
    shape, grid : (int, int)
        Shapes of a plane in pixels, and of the network's grid for it.
    halo : int
        Grid pixels of context for the network.
    stride : int
        The network's.
    spacing : int
        Spacing of the long-range edges of the partition in grid pixels. Blocks begin at multiples of it, so that they
        have the same edges as the whole plane.
    region : (slice, slice), optional
        Pixels to segment; default: all.

    Returns
    -------
    list of Block
        Their cores are disjoint and cover the region.

    Examples
    --------
    >>> [block.core for block in plan_blocks((2000, 2000), (2000, 2000), halo=80, stride=16)]
    [(slice(0, 2000, None), slice(0, 2000, None))]
    >>> len(plan_blocks((12000, 12000), (12000, 12000), halo=80, stride=16))
    49
    """
    lattice = lattice_for(shape, grid, stride)
    halo = -(-halo // stride) * stride
    if shape[0] * shape[1] <= _WHOLE_PIXELS and grid[0] * grid[1] <= _WHOLE:
        return [_block(lattice, lattice.whole, halo, spacing, whole=True)]
    cells = lattice.whole if region is None else lattice.cells_of(region)
    side = _SIDE - 2 * (halo + _CONTEXT)
    shrunk = max(1.0, shape[0] / grid[0], shape[1] / grid[1])
    side = max(2 * _CONTEXT, min(side, round(_SIDE * 2 / shrunk) - 2 * (halo + _CONTEXT)))
    return [_block(lattice, part, halo, spacing) for part in pieces(cells, max(1, (side // lattice.cell[0]) ** 2))]


def _block(lattice: Lattice, cells: Box, halo: int, spacing: int, *, whole: bool = False) -> Block:
    around = cells if whole else clipped(cells, lattice.cells, -(-_CONTEXT // lattice.cell[0]))
    step = spacing // math.gcd(spacing, lattice.cell[0])
    around = (
        slice(around[0].start // step * step, around[0].stop),
        slice(around[1].start // step * step, around[1].stop),
    )
    grid = lattice.grid_of(around)
    seen = clipped(grid, lattice.grid, halo)
    read = seen
    if lattice.rescaled:
        rows, columns = rescale_source(seen, lattice.shape, lattice.grid)
        read = rows, columns
    return Block(
        lattice.pixels_of(cells),
        lattice.pixels_of(around),
        grid,
        seen,
        read,
        lattice.nearest(around) if lattice.rescaled else None,
    )


def block_around(
    core: Box, shape: tuple[int, int], grid: tuple[int, int], *, halo: int, stride: int, spacing: int = 1
) -> Block:
    """The block of a given core, with its surroundings.

    Parameters
    ----------
    core : (slice, slice)
        Pixels of the plane.
    shape, grid, halo, stride, spacing
        As for :func:`plan_blocks`.

    Examples
    --------
    >>> block_around((slice(0, 512), slice(512, 1024)), (900, 2000), (900, 2000), halo=80, stride=16).pixels
    (slice(0, 576, None), slice(448, 1088, None))
    """
    lattice = lattice_for(shape, grid, stride)
    halo = -(-halo // stride) * stride
    return replace(_block(lattice, lattice.cells_of(core), halo, spacing), core=core)


def is_whole(block: Block, grid: tuple[int, ...]) -> bool:
    """Whether a block covers the whole plane."""
    return size_of(block.grid) == grid
