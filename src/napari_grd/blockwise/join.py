"""The final numbers of objects: those that continue in the next block are joined, and numbers are consecutive."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_grd.blockwise.grid import FACES, BlockGrid
from napari_grd.blockwise.seams import Ids, Joined, same_objects
from napari_grd.blockwise.store import LabelStore
from napari_grd.jobs import Job, Stopwatch

JOIN = "Joining objects"


def iter_offsets(store: LabelStore, grid: BlockGrid) -> Job[Ids]:
    """The number of objects before each block, and of all; ``(blocks + 1,)``.

    The objects of block ``b`` have the provisional ids ``offsets[b]`` and following, from 0.
    """
    watch = Stopwatch("Counting objects", len(grid))
    offsets = np.zeros(len(grid) + 1, np.int64)
    for number in range(len(grid)):
        offsets[number + 1] = offsets[number] + len(store.sizes(number)) - 1
        yield watch.progress(number + 1)
    return offsets


def iter_table(store: LabelStore, grid: BlockGrid, offsets: Ids, smallest: float) -> Job[NDArray[np.uint32]]:
    """The final number of each provisional id.

    Parameters
    ----------
    store, grid
        The finished blocks.
    offsets : (blocks + 1,) int64
        See :func:`iter_offsets`.
    smallest : float
        Objects with fewer pixels get 0: remainders at borders of blocks.

    Returns
    -------
    (N,) uint32, memory-mapped
        Consecutive from 1, in the order of the blocks.
    """
    watch = Stopwatch(JOIN, 2 * len(grid))
    pairs: list[Ids] = []
    for number in range(len(grid)):
        pairs += _pairs(store, grid, offsets, number)
        yield watch.progress(number + 1)
    joined = Joined(pairs)
    totals = np.zeros(len(joined.ids), np.int64)  # pixels of each object that is in several blocks, at its root
    for number in range(len(grid)):
        ids, sizes = _objects(store, offsets, number)
        shared = np.isin(ids, joined.ids)
        np.add.at(totals, np.searchsorted(joined.ids, joined.roots(ids[shared])), sizes[shared])
    table = _memory_mapped(store.work / "numbers", int(offsets[-1]))
    count = 0
    for number in range(len(grid)):
        ids, sizes = _objects(store, offsets, number)
        roots = joined.roots(ids)
        shared = np.isin(ids, joined.ids)
        sizes[shared] = totals[np.searchsorted(joined.ids, roots[shared])]
        first = (roots == ids) & (sizes >= max(1.0, smallest))
        table[ids[first]] = count + 1 + np.arange(int(first.sum()))
        count += int(first.sum())
        # Roots are the smallest ids of their object, so they have their number already.
        table[ids[~first]] = np.where(roots[~first] == ids[~first], 0, table[roots[~first]])
        yield watch.progress(len(grid) + number + 1)
    return table


def _pairs(store: LabelStore, grid: BlockGrid, offsets: Ids, number: int) -> Iterator[Ids]:
    """Provisional ids of a block and of the next ones that are the same object."""
    neighbors = grid.neighbors(number)
    for other, own in FACES:
        neighbor = neighbors.get(own)
        if neighbor is not None:
            matches = same_objects(store.face(number, own), store.face(neighbor, other))
            yield matches - 1 + np.array([offsets[number], offsets[neighbor]])


def _objects(store: LabelStore, offsets: Ids, number: int) -> tuple[Ids, NDArray[np.int64]]:
    """Provisional ids of the objects of a block, and their pixels in it."""
    return np.arange(offsets[number], offsets[number + 1]), store.sizes(number)[1:]


def _memory_mapped(path: Path, count: int) -> NDArray[np.uint32]:
    if not count:
        return np.zeros(0, np.uint32)
    return np.memmap(path, np.uint32, "w+", shape=(count,))
