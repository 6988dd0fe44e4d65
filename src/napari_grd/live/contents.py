"""Content keys of network outputs, per cell.

A cell's output depends on the pixels of the cell and of a halo around it. Its key is a hash of the hashes of all blocks
of pixels within the halo, together with the model, the intensity range and the scale: equal pixels have equal keys
anywhere, and pixels modified in place have another one.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.boxes import Box, origin_of, within
from napari_grd.inference.lattice import Lattice

DIGEST = np.dtype("S16")
Digests = NDArray[np.bytes_]


def block_digests(pixels: NDArray[Any], block: Sequence[int]) -> Digests:
    """Hash pixels block by block.

    Parameters
    ----------
    pixels : (C, *S) array
        They begin at the corner of a block.
    block : sequence of int
        Sides of a block. Partial blocks at the end are padded with zeros.

    Returns
    -------
    array of 16 bytes for each block, with as many axes as a block

    Examples
    --------
    >>> digests = block_digests(np.zeros((1, 4, 8)), (4, 4))
    >>> digests.shape, bool(digests[0, 0] == digests[0, 1])
    ((1, 2), True)
    """
    missing = [-size % side for size, side in zip(pixels.shape[1:], block, strict=True)]
    if any(missing):
        pixels = np.pad(pixels, [(0, 0), *((0, after) for after in missing)])
    shape = tuple(size // side for size, side in zip(pixels.shape[1:], block, strict=True))
    sides = [length for pair in zip(shape, block, strict=True) for length in pair]
    axes = range(1, 2 * len(shape), 2)
    tiled = pixels.reshape(len(pixels), *sides).transpose(*axes, 0, *(axis + 1 for axis in axes))
    rows = np.ascontiguousarray(tiled).reshape(*shape, -1).view(np.uint8)
    digests = [hashlib.blake2b(rows[index].data, digest_size=DIGEST.itemsize).digest() for index in np.ndindex(shape)]
    return np.frombuffer(b"".join(digests), DIGEST).reshape(shape)


def cell_keys(
    digests: Digests, known_cells: Box, lattice: Lattice, cells: Box, halo: Sequence[int], base: bytes
) -> NDArray[Any]:
    """The key of each cell's network output.

    Parameters
    ----------
    digests : (rows, columns) array of bytes
        Hashes of blocks of pixels as large as a cell; all boxes and arrays here have three axes for volumes.
    known : (slice, slice)
        Position of these blocks.
    lattice : Lattice
        Of the plane.
    cells : (slice, slice)
        Cells whose surroundings are among these blocks.
    halo : sequence of int
        Context of the network around a cell in grid pixels, along each axis.
    base : bytes
        Hash of everything else the output depends on.

    Returns
    -------
    (rows, columns) array of bytes objects
    """
    sights = [
        [_sight(lattice, cells, axis, cell_index, halo, known_cells) for cell_index in range(span.start, span.stop)]
        for axis, span in enumerate(cells)
    ]
    keys = np.empty([len(along) for along in sights], object)
    for index in np.ndindex(keys.shape):
        blocks, places = zip(*(along[position] for along, position in zip(sights, index, strict=True)), strict=True)
        digest = hashlib.blake2b(base + b"".join(places), digest_size=16)
        digest.update(digests[blocks].tobytes())
        keys[index] = digest.digest()
    return keys


def _sight(
    lattice: Lattice, cells: Box, axis: int, cell_index: int, halo: Sequence[int], known_cells: Box
) -> tuple[slice, bytes]:
    """Along one axis: the blocks that a cell depends on, and its position among them."""
    step = slice(cell_index, cell_index + 1)
    cell = cast(Box, (*cells[:axis], step, *cells[axis + 1 :]))
    blocks = within(lattice.blocks_seen(cell, halo), origin_of(known_cells))[axis]
    # The extent of its surroundings distinguishes a cell at the end of a plane from the same pixels elsewhere.
    place = [*lattice.surroundings(cell, halo)[axis]]
    if lattice.rescaled:  # the sampling phase depends on the position
        place.append(cell_index)
    return blocks, repr(place).encode()
