"""Content keys of network outputs, per cell.

A cell's output depends on the pixels of the cell and of a halo around it. Its key is a hash of the hashes of all blocks
of pixels within the halo, together with the model, the intensity range and the scale: equal pixels have equal keys
anywhere, and pixels modified in place have another one.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.boxes import Box, origin_of, within
from napari_grd.inference.lattice import Lattice

DIGEST = np.dtype("S16")
Digests = NDArray[np.bytes_]


def block_digests(pixels: NDArray[Any], block: int) -> Digests:
    """Hash pixels block by block.

    Parameters
    ----------
    pixels : (C, h, w) array
        They begin at the corner of a block.
    block : int
        Side of a block. Partial blocks at the end are padded with zeros.

    Returns
    -------
    (rows, columns) array of 16 bytes each

    Examples
    --------
    >>> digests = block_digests(np.zeros((1, 4, 8)), 4)
    >>> digests.shape, bool(digests[0, 0] == digests[0, 1])
    ((1, 2), True)
    """
    missing = [-size % block for size in pixels.shape[1:]]
    if any(missing):
        pixels = np.pad(pixels, [(0, 0), *((0, after) for after in missing)])
    channels, height, width = pixels.shape
    shape = (height // block, width // block)
    apart = pixels.reshape(channels, shape[0], block, shape[1], block).transpose(1, 3, 0, 2, 4)
    rows = np.ascontiguousarray(apart).reshape(*shape, -1).view(np.uint8)
    found = [hashlib.blake2b(rows[index].data, digest_size=DIGEST.itemsize).digest() for index in np.ndindex(shape)]
    return np.frombuffer(b"".join(found), DIGEST).reshape(shape)


def cell_keys(digests: Digests, known: Box, lattice: Lattice, cells: Box, halo: int, base: bytes) -> NDArray[Any]:
    """The key of each cell's network output.

    Parameters
    ----------
    digests : (rows, columns) array of bytes
        Hashes of blocks of pixels as large as a cell.
    known : (slice, slice)
        Position of these blocks.
    lattice : Lattice
        Of the plane.
    cells : (slice, slice)
        Cells whose surroundings are among these blocks.
    halo : int
        Context of the network around a cell in grid pixels.
    base : bytes
        Hash of everything else the output depends on.

    Returns
    -------
    (rows, columns) array of bytes objects
    """
    rows, columns = (
        [_sight(lattice, cells, axis, at, halo, known) for at in range(cells[axis].start, cells[axis].stop)]
        for axis in (0, 1)
    )
    keys = np.empty((len(rows), len(columns)), object)
    for y, (above, high) in enumerate(rows):
        for x, (left, wide) in enumerate(columns):
            digest = hashlib.blake2b(base + high + wide, digest_size=16)
            digest.update(digests[above, left].tobytes())
            keys[y, x] = digest.digest()
    return keys


def _sight(lattice: Lattice, cells: Box, axis: int, at: int, halo: int, known: Box) -> tuple[slice, bytes]:
    """Along one axis: the blocks that a cell depends on, and its position among them."""
    one = slice(at, at + 1)
    cell = (one, cells[1]) if axis == 0 else (cells[0], one)
    blocks = within(lattice.blocks_seen(cell, halo), origin_of(known))[axis]
    # The extent of its surroundings distinguishes a cell at the end of a plane from the same pixels elsewhere.
    place = [*lattice.surroundings(cell, halo)[axis]]
    if lattice.rescaled:  # the sampling phase depends on the position
        place.append(at)
    return blocks, repr(place).encode()
