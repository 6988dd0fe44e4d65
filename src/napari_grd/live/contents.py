"""Keys that say what a cell's network output was computed from.

A cell's output depends on the pixels of the cell and on those up to a halo
around it. So its key is a hash of the hashes of all cells that far around,
together with the model, the intensity range and the scale: the same pixels
have the same key wherever and whenever they are met again, and pixels that
were changed in place have another one.
"""

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.fingerprint import image_key
from napari_grd.live.lattice import Lattice, clipped, origin_of, size_of, within
from napari_grd.live.source import Patch
from napari_grd.live.viewport import Box

Digests = NDArray[np.bytes_]


def cell_digests(patch: Patch, lattice: Lattice, cells: Box) -> Digests:
    """The hash of the pixels of each cell.

    Parameters
    ----------
    patch : Patch
        Covers the cells.
    lattice : Lattice
        Of the plane.
    cells : (slice, slice)
        Which cells.

    Returns
    -------
    (rows, columns) array of 32 bytes each
    """
    digests: Digests = np.empty(size_of(cells), "S32")
    for (row, column), _ in np.ndenumerate(digests):
        y, x = cells[0].start + row, cells[1].start + column
        box = within(lattice.pixels_of((slice(y, y + 1), slice(x, x + 1))), origin_of(patch.box))
        digests[row, column] = image_key(patch.pixels[(slice(None), *box)]).encode()
    return digests


def cell_keys(digests: Digests, known: Box, wanted: Box, reach: int, base: bytes, *, anchored: bool) -> NDArray[Any]:
    """The key of each cell's network output.

    Parameters
    ----------
    digests : (rows, columns) array of bytes
        Of the cells in ``known``.
    known, wanted : (slice, slice)
        Cells; ``known`` holds all neighbours of ``wanted`` that the plane has.
    reach : int
        Cells that the network can see beyond a cell, on every side.
    base : bytes
        Stands for everything else the output depends on.
    anchored : bool
        Whether the place matters too: a plane that is rescaled is sampled in
        another phase at every place.

    Returns
    -------
    (rows, columns) array of bytes objects
    """
    keys = np.empty(size_of(wanted), object)
    for (row, column), _ in np.ndenumerate(keys):
        y, x = wanted[0].start + row - known[0].start, wanted[1].start + column - known[1].start
        around = clipped((slice(y, y + 1), slice(x, x + 1)), digests.shape, reach)
        # How far the plane goes on tells a cell at one end of it from the same pixels at another.
        place: tuple[int, ...] = (y - around[0].start, around[0].stop - y, x - around[1].start, around[1].stop - x)
        if anchored:
            place += (wanted[0].start + row, wanted[1].start + column)
        digest = hashlib.blake2b(base, digest_size=16)
        digest.update(repr(place).encode())
        digest.update(digests[around].tobytes())
        keys[row, column] = digest.digest()
    return keys
