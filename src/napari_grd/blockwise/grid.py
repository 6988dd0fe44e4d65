"""The blocks of an image, numbered plane by plane (or volume by volume) and row by row."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from napari_grd.inference.blocks import Block, block_around
from napari_grd.inference.boxes import Box, size_of
from napari_grd.inference.rescale import rescale_source
from napari_grd.io.ome_zarr_labels import CHUNK

FACES = (("front", "back"), ("above", "below"), ("left", "right"))
"""Names of the two faces of a block along z, y and x."""

_SIDE = 1536  # side of a block in pixels of the network's grid, without its surroundings
_LARGEST = 4096  # the same in pixels of the image: a block is read as a whole
_SIDES_3D = (64, 256, 256)  # of a block of a volume, in voxels of the network's grid
_STEP_3D = 16  # sides of blocks of rescaled volumes are multiples of so many voxels
_CONTEXT_3D = 24  # voxels around it in which its objects are labeled, too


@dataclass(frozen=True)
class BlockGrid:
    """The blocks of every plane, or volume.

    Attributes
    ----------
    plane_shape : tuple of int
        Length of every axis that indexes planes.
    shape, grid : tuple of int
        Height and width of a plane, or depth, height and width of a volume, in pixels, and of the network's grid.
    sides : tuple of int
        Sides of a block in pixels: whole chunks of the provisional labels, so that no two blocks write to one.
    halo, stride : tuple of int
        Context of the network and its stride along each axis, in pixels of its grid.
    spacing : int
        Of the long-range edges, in pixels of the grid.
    """

    plane_shape: tuple[int, ...]
    shape: tuple[int, ...]
    grid: tuple[int, ...]
    sides: tuple[int, ...]
    halo: tuple[int, ...]
    stride: tuple[int, ...]
    spacing: int = 1

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of blocks of a plane along each axis."""
        return tuple(-(-size // side) for size, side in zip(self.shape, self.sides, strict=True))

    def __len__(self) -> int:
        return math.prod(self.plane_shape) * math.prod(self.counts)

    def place(self, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The plane of a block, and its place in it along each axis."""
        index = tuple(int(position) for position in np.unravel_index(number, (*self.plane_shape, *self.counts)))
        return index[: len(self.plane_shape)], index[len(self.plane_shape) :]

    def core(self, number: int) -> Box:
        """The pixels of a block, without its surroundings."""
        _, place = self.place(number)
        axes = zip(place, self.sides, self.shape, strict=True)
        return cast(
            Box, tuple(slice(position * side, min((position + 1) * side, size)) for position, side, size in axes)
        )

    def block(self, number: int) -> Block:
        """A block with its surroundings."""
        core = self.core(number)
        if len(self.shape) == 3:
            return self._volume_block(core)
        return block_around(
            core,
            cast(tuple[int, int], self.shape),
            cast(tuple[int, int], self.grid),
            halo=max(self.halo),
            stride=math.lcm(*self.stride),
            spacing=self.spacing,
        )

    def _volume_block(self, core: Box) -> Block:
        """The block of a volume."""
        pixels, labeled, seen, places = [], [], [], []
        axes = zip(core, self.shape, self.grid, self.halo, self.stride, strict=True)
        for span, size, count, halo, stride in axes:
            # From a multiple of the spacing, so that it has the same long-range edges as the whole.
            step = math.lcm(stride, self.spacing)
            start = max(math.floor(span.start * count / size) - _CONTEXT_3D, 0) // step * step
            stop = min(math.ceil(span.stop * count / size) + _CONTEXT_3D, count)
            context = -(-halo // stride) * stride
            own = slice(*(math.ceil(edge * size / count - 0.5) for edge in (start, stop)))
            pixels.append(own)
            labeled.append(slice(start, stop))
            seen.append(slice(max(start - context, 0), min(stop + context, count)))
            places.append(((np.arange(own.start, own.stop) + 0.5) * count / size).astype(np.intp) - start)
        inside, grid, around = (cast(Box, tuple(box)) for box in (pixels, labeled, seen))
        if self.shape == self.grid:
            return Block(core, inside, grid, around, around, None)
        read = cast(Box, rescale_source(around, self.shape, self.grid))
        return Block(core, inside, grid, around, read, tuple(places))

    def along(self, axis: int) -> list[Block]:
        """The first row of blocks along an axis; others have the same spans along it."""
        step = math.prod(self.counts[axis + 1 :])  # from a block to the next one
        return [self.block(index * step) for index in range(self.counts[axis])]

    def by_size(self, numbers: Sequence[int]) -> list[int]:
        """Blocks of equal sizes one after the other: a network may be prepared for a size."""
        places = np.unravel_index(np.asarray(numbers, np.int64), (*self.plane_shape, *self.counts))
        sizes = []
        for axis, place in enumerate(places[len(self.plane_shape) :]):
            along = [size_of(block.seen)[axis] for block in self.along(axis)]
            sizes.append(-np.array(along)[place])
        return [numbers[order] for order in np.lexsort(sizes)]

    def neighbors(self, number: int) -> dict[str, int]:
        """The adjacent blocks in the plane or volume, as far as there are, by the names of the shared :data:`FACES`."""
        _, place = self.place(number)
        neighbors = {}
        step = 1
        for axis in reversed(range(len(place))):
            before, after = FACES[axis - len(place)]
            if place[axis]:
                neighbors[before] = number - step
            if place[axis] + 1 < self.counts[axis]:
                neighbors[after] = number + step
            step *= self.counts[axis]
        return neighbors

    def describe(self, number: int) -> str:
        """A block in words, for messages."""
        plane, _ = self.place(number)
        names = ("slices", "rows", "columns")[-len(self.shape) :]
        parts = [f"{name} {span.start} to {span.stop}" for name, span in zip(names, self.core(number), strict=True)]
        if plane:
            parts.insert(0, f"{'plane' if len(names) == 2 else 'volume'} {', '.join(map(str, plane))}")
        return f"block {number} ({', '.join(parts)})"


def block_grid(
    plane_shape: tuple[int, ...],
    shape: tuple[int, ...],
    grid: tuple[int, ...],
    *,
    halo: Sequence[int],
    stride: Sequence[int],
    spacing: int = 1,
) -> BlockGrid:
    """Choose the size of the blocks of an image.

    Parameters
    ----------
    plane_shape, shape, grid, halo, stride, spacing
        See :class:`BlockGrid`.

    Examples
    --------
    >>> grid = block_grid((3,), (5000, 4000), (5000, 4000), halo=(80, 80), stride=(16, 16))
    >>> len(grid), grid.place(13), grid.core(13)
    (36, ((1,), (0, 1)), (slice(0, 1536, None), slice(1536, 3072, None)))
    """
    if len(shape) == 3:
        factors = (pixels / count for pixels, count in zip(shape, grid, strict=True))
        sides: tuple[int, ...] = tuple(
            side if factor == 1 else max(1, round(side * factor / _STEP_3D)) * _STEP_3D
            for side, factor in zip(_SIDES_3D, factors, strict=True)
        )
    else:
        factor = max(a / b for a, b in zip(shape, grid, strict=True))
        sides = (min(max(round(_SIDE * factor / CHUNK), 1) * CHUNK, _LARGEST),) * 2
    return BlockGrid(plane_shape, shape, grid, sides, tuple(halo), tuple(stride), spacing)
