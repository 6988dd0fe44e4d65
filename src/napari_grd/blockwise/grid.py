"""The blocks of an image, numbered plane by plane and row by row."""

import math
from dataclasses import dataclass

import numpy as np

from napari_grd.inference.blocks import Block, block_around
from napari_grd.inference.boxes import Box
from napari_grd.io.ome_zarr_labels import CHUNK

_SIDE = 1536  # side of a block in pixels of the network's grid, without its surroundings
_LARGEST = 4096  # the same in pixels of the image: a block is read as a whole


@dataclass(frozen=True)
class BlockGrid:
    """The blocks of every plane.

    Attributes
    ----------
    plane_shape : tuple of int
        Length of every axis that indexes planes.
    shape, grid : (int, int)
        Height and width of a plane in pixels, and of the network's grid for it.
    side : int
        Side of a block in pixels: whole chunks of the label image, so that no two blocks write to one.
    halo, stride, spacing : int
        Context of the network, its stride, and the spacing of the long-range edges, in pixels of its grid.
    """

    plane_shape: tuple[int, ...]
    shape: tuple[int, int]
    grid: tuple[int, int]
    side: int
    halo: int
    stride: int
    spacing: int = 1

    @property
    def counts(self) -> tuple[int, int]:
        """Rows and columns of blocks in a plane."""
        return -(-self.shape[0] // self.side), -(-self.shape[1] // self.side)

    def __len__(self) -> int:
        return math.prod(self.plane_shape) * math.prod(self.counts)

    def place(self, number: int) -> tuple[tuple[int, ...], int, int]:
        """The plane, row and column of a block."""
        plane, within = divmod(number, math.prod(self.counts))
        index = tuple(int(at) for at in np.unravel_index(plane, self.plane_shape)) if self.plane_shape else ()
        return index, *divmod(within, self.counts[1])

    def core(self, number: int) -> Box:
        """The pixels of a block, without its surroundings."""
        _, *place = self.place(number)
        rows, columns = (
            slice(at * self.side, min((at + 1) * self.side, size)) for at, size in zip(place, self.shape, strict=True)
        )
        return rows, columns

    def block(self, number: int) -> Block:
        """A block with its surroundings."""
        core = self.core(number)
        return block_around(core, self.shape, self.grid, halo=self.halo, stride=self.stride, spacing=self.spacing)

    def neighbors(self, number: int) -> dict[str, int]:
        """The adjacent blocks in the plane: "above", "below", "left" and "right", as far as there are."""
        _, row, column = self.place(number)
        rows, columns = self.counts
        found = {
            "above": number - columns if row else None,
            "below": number + columns if row + 1 < rows else None,
            "left": number - 1 if column else None,
            "right": number + 1 if column + 1 < columns else None,
        }
        return {side: neighbor for side, neighbor in found.items() if neighbor is not None}

    def describe(self, number: int) -> str:
        """A block in words, for messages."""
        plane, _, _ = self.place(number)
        rows, columns = self.core(number)
        where = f"plane {', '.join(map(str, plane))}, " if plane else ""
        return f"block {number} ({where}rows {rows.start} to {rows.stop}, columns {columns.start} to {columns.stop})"


def block_grid(
    plane_shape: tuple[int, ...],
    shape: tuple[int, int],
    grid: tuple[int, int],
    *,
    halo: int,
    stride: int,
    spacing: int = 1,
) -> BlockGrid:
    """Choose the size of the blocks of an image.

    Parameters
    ----------
    plane_shape, shape, grid, halo, stride, spacing
        See :class:`BlockGrid`.

    Examples
    --------
    >>> grid = block_grid((3,), (5000, 4000), (5000, 4000), halo=80, stride=16)
    >>> len(grid), grid.place(13), grid.core(13)
    (36, ((1,), 0, 1), (slice(0, 1536, None), slice(1536, 3072, None)))
    """
    factor = max(a / b for a, b in zip(shape, grid, strict=True))
    side = min(max(round(_SIDE * factor / CHUNK), 1) * CHUNK, _LARGEST)
    return BlockGrid(plane_shape, shape, grid, side, halo, stride, spacing)
