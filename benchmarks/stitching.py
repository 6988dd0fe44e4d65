"""Stitching of blocks, beside other programs: seconds, memory, objects that are cut or merged, and their numbers.

    pip install --no-deps --target OTHERS bioimage-py==0.2.2 cellpose==4.0.8 dask-image
    PYTHONPATH=OTHERS python benchmarks/stitching.py --side 8192

All get the same results of the same blocks of 1536² pixels with 64 pixels around them: simulated nuclei, numbered anew
in each block, whose outlines are incomplete in another way in each block. Each runs in a process of its own, with one
thread, from the results of the blocks, which are files, to labels in a Zarr.

Of Cellpose's ``contrib/distributed_segmentation.py`` the functions that stitch are run as they are, without the
package, in the order in which it calls them. They need volumes, so that they get each plane twice.
"""

import argparse
import ast
import importlib.util
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from skimage.segmentation import find_boundaries

from napari_grd.blockwise.block_work import shared
from napari_grd.blockwise.grid import BlockGrid, block_grid
from napari_grd.blockwise.join import iter_offsets, iter_table
from napari_grd.blockwise.store import LabelStore
from napari_grd.data.simulate import nuclei_2d
from napari_grd.inference.boxes import origin_of, within
from napari_grd.jobs import drain
from reporting import hardware, table

_FIELD = 1000


def grid_of(side: int) -> BlockGrid:
    return block_grid((), (side, side), (side, side), halo=(80, 80), stride=(16, 16))


def truth_of(side: int) -> np.ndarray[Any, Any]:
    """Labels of the whole image: one field again and again, each with its own numbers."""
    field = nuclei_2d(np.random.default_rng(0), (_FIELD, _FIELD))[1].astype(np.uint32)
    across = -(-side // _FIELD)
    truth = np.zeros((across * _FIELD,) * 2, np.uint32)
    for number in range(across**2):
        row, column = (at * _FIELD for at in divmod(number, across))
        place = slice(row, row + _FIELD), slice(column, column + _FIELD)
        truth[place] = np.where(field, field + number * field.max(), 0)
    return truth[:side, :side]


def write_blocks(truth: np.ndarray[Any, Any], folder: Path) -> None:
    """The results of the blocks, with their surroundings."""
    grid = grid_of(len(truth))
    for number in range(len(grid)):
        rng = np.random.default_rng(number)
        labels = truth[grid.block(number).pixels].copy()
        labels[find_boundaries(labels, mode="inner") & (rng.random(labels.shape) < 0.5)] = 0
        known = np.unique(labels)
        numbers = np.concatenate([[0], 1 + rng.permutation(len(known) - 1)])
        np.save(folder / f"{number}.npy", numbers[np.searchsorted(known, labels)].astype(np.uint32))


def blocks(folder: Path, grid: BlockGrid) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
    for number in range(len(grid)):
        yield number, np.load(folder / f"{number}.npy")


def here(folder: Path, side: int, target: Path) -> None:
    """napari-grd."""
    grid = grid_of(side)
    store = LabelStore(folder / "store", (side, side), grid.sides)
    store.open({})
    for number, labels in blocks(folder, grid):
        block = grid.block(number)
        faces = {
            face: labels[within(shared(block.pixels, grid.block(other).pixels), origin_of(block.pixels))]
            for face, other in grid.neighbors(number).items()
        }
        store.write_block(number, (), block.core, labels[block.inner], faces)
    offsets = drain(iter_offsets(store, grid))
    numbers = drain(iter_table(store, grid, offsets, 0))
    result = _result(target, side, grid)
    for number in range(len(grid)):
        result[grid.core(number)] = store.relabeled(numbers, int(offsets[number]), (), grid.core(number))


def bioimage(folder: Path, side: int, target: Path) -> None:
    """bioimage-py, whose function for one block reads what that block had found."""
    from bioimage_py.segmentation import stitch_segmentation

    grid = grid_of(side)

    def read(tile: np.ndarray[Any, Any], number: int) -> np.ndarray[Any, Any]:
        pixels = grid.block(number).pixels
        places = [slice(max(0, span.start - 64), span.stop + 64) for span in grid.core(number)]
        labels = np.load(folder / f"{number}.npy")
        inner = tuple(
            slice(want.start - have.start, min(want.stop, side) - have.start)
            for want, have in zip(places, pixels, strict=True)
        )
        return labels[inner].astype(np.uint64)

    image = zarr.open_array(folder / "empty", mode="w", shape=(side, side), chunks=grid.sides, dtype=np.uint8)
    output = zarr.open_array(target, mode="w", shape=(side, side), chunks=grid.sides, dtype=np.uint64)
    stitch_segmentation(image, read, grid.sides, (64, 64), output)


def cellpose(folder: Path, side: int, target: Path) -> None:
    """Cellpose's contribution, on two equal planes."""
    import dask.array as da

    run, grid = _cellpose_functions(), grid_of(side)
    shape, size = (2, side, side), (2, *grid.sides)
    unstitched = zarr.open_array(folder / "cellpose", mode="w", shape=shape, chunks=size, dtype=np.uint32)
    indices, faces, boxes, ids = [], [], [], []
    for number, labels in blocks(folder, grid):
        block = grid.block(number)
        core = np.stack([labels[block.inner]] * 2)
        place = (slice(0, 2), *block.core)
        index = (0, *grid.place(number)[1])
        boxes += run["bounding_boxes_in_global_coordinates"](core, place)
        core, remap = run["global_segment_ids"](core, index, run["get_nblocks"](shape, size))
        unstitched[place] = core
        indices.append(index)
        faces.append(run["block_faces"](core))
        ids.append(remap[1:] if remap[0] == 0 else remap)
    all_ids = np.concatenate(ids).astype(int)
    numbers = run["determine_merge_relabeling"](indices, faces, all_ids)
    np.save(folder / "numbers.npy", numbers)
    relabeled = da.from_zarr(unstitched).map_blocks(
        lambda block: np.load(folder / "numbers.npy")[block], dtype=np.uint32
    )
    da.to_zarr(relabeled[0], str(target), compute=True)
    run["merge_all_boxes"](boxes, numbers[all_ids])


def _cellpose_functions() -> dict[str, Any]:
    import dask_image.ndmeasure._utils._label
    import scipy.ndimage
    import scipy.sparse.csgraph

    package = importlib.util.find_spec("cellpose")
    assert package is not None
    assert package.submodule_search_locations
    path = Path(package.submodule_search_locations[0], "contrib", "distributed_segmentation.py")
    tree = ast.parse(path.read_text())
    start = next(
        at for at, each in enumerate(tree.body) if getattr(each, "name", "") == "bounding_boxes_in_global_coordinates"
    )
    tree.body = [each for each in tree.body[start:] if isinstance(each, ast.FunctionDef) and not each.decorator_list]
    found: dict[str, Any] = {"np": np, "scipy": scipy, "dask_image": dask_image}
    exec(compile(tree, str(path), "exec"), found)
    return found


def _result(target: Path, side: int, grid: BlockGrid) -> Any:
    return zarr.open_array(target, mode="w", shape=(side, side), chunks=grid.sides, dtype=np.uint32)


PROGRAMS: dict[str, Callable[[Path, int, Path], None]] = {
    "napari-grd": here,
    "bioimage-py": bioimage,
    "Cellpose contrib": cellpose,
}


def _timed(name: str, folder: Path, side: int, target: Path, results: Any) -> None:
    """In a process of its own: seconds, processor seconds, and GiB at the peak beyond those before."""
    try:
        before = _memory("VmRSS")
        start, spent = time.perf_counter(), time.process_time()
        PROGRAMS[name](folder, side, target)
        seconds, spent = time.perf_counter() - start, time.process_time() - spent
        results.put((seconds, spent, (_memory("VmHWM") - before) / 2**20))
    except Exception as error:  # another program may raise anything: it is a result
        results.put(f"{type(error).__name__}: {error}")


def _memory(which: str) -> int:
    """KiB; not of ``resource``, which counts what the parent had."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(which)]
    return int(line.split()[1])


def judged(labels: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> list[object]:
    """Objects cut at borders of blocks, objects that share a number with another, objects, and the largest number."""
    cut: set[int] = set()
    for one, other in ((labels, truth), (labels.T, truth.T)):
        for edge in range(grid_of(len(truth)).sides[0], len(truth), grid_of(len(truth)).sides[0]):
            same = (other[edge - 1] == other[edge]) & (other[edge] > 0) & (one[edge - 1] > 0) & (one[edge] > 0)
            cut |= set(other[edge][same & (one[edge - 1] != one[edge])].tolist())
    known = (labels > 0) & (truth > 0)
    pairs = np.unique(np.stack([labels[known], truth[known]]), axis=1)
    of_each = np.unique(pairs[0], return_counts=True)[1]
    return [len(cut), int(of_each[of_each > 1].sum()), len(np.unique(labels)) - 1, int(labels.max())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=8192)
    side = parser.parse_args().side
    print(hardware(), "\n")
    truth = truth_of(side)
    print(f"{side} x {side}, {len(np.unique(truth)) - 1} objects, {len(grid_of(side))} blocks\n", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        write_blocks(truth, Path(temporary))
        for name in PROGRAMS:
            context = multiprocessing.get_context("spawn")
            results, target = context.Queue(), Path(temporary) / f"{name}.zarr"
            process = context.Process(target=_timed, args=(name, Path(temporary), side, target, results))
            process.start()
            found = results.get()
            process.join()
            if isinstance(found, str):
                rows.append([name, found, *[""] * 6])
                continue
            labels = np.asarray(zarr.open_array(target, mode="r"))
            rows.append([name, *(f"{value:.2f}" for value in found), *judged(labels, truth)])
    columns = ("program", "s", "processor s", "GiB more at the peak", "cut", "merged", "objects", "largest number")
    print(table(columns, rows))


if __name__ == "__main__":
    main()
