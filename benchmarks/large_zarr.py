"""An image larger than memory, block by block: speed, memory, agreement with the whole image, kills, and overhead.

    python benchmarks/large_zarr.py speed --side 16384
    python benchmarks/large_zarr.py speed --side 16384 --workers 2
    GRD_DATA=... python benchmarks/large_zarr.py agree --side 4096
    python benchmarks/large_zarr.py kill --times 20 --workers 2
    python benchmarks/large_zarr.py overhead --blocks 100000
    python benchmarks/large_zarr.py measure --objects 1000000

The image is a simulated field of 1000 x 1000 pixels with nuclei, repeated; for ``agree`` a mosaic of images of
bbbc039_nuclei.
"""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zarr

import napari_grd as grd
from napari_grd.blockwise.grid import block_grid
from napari_grd.blockwise.scheduler import cluster, run_here, run_on_cluster
from napari_grd.blockwise.store import WORK
from napari_grd.data.simulate import nuclei_2d
from reporting import hardware

_FIELD = 1000
_CHUNK = 1024


def simulated(path: Path, side: int) -> Path:
    """An OME-Zarr of ``side`` pixels, unless it is there."""
    if not (path / "zarr.json").exists():
        field = np.asarray(nuclei_2d(np.random.default_rng(0), (_FIELD, _FIELD))[0], np.uint16)
        rows = np.tile(field, (-(-_CHUNK // _FIELD) + 1, -(-side // _FIELD)))[:, :side]
        _write(path, side, lambda top, height: np.roll(rows, -(top % _FIELD), axis=0)[:height])
    return path


def mosaic(path: Path, side: int) -> Path:
    """An OME-Zarr of images of bbbc039_nuclei side by side, unless it is there."""
    from common import load

    if not (path / "zarr.json").exists():
        data = load("bbbc039_nuclei")
        image = np.zeros((side, side), np.uint16)
        tiles = cycle(image for image, _ in (*data.validation, *data.train))
        for top in range(0, side, 520):
            for left in range(0, side, 696):
                tile = next(tiles)[: side - top, : side - left]
                image[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
        _write(path, side, lambda top, height: image[top : top + height])
    return path


def _write(path: Path, side: int, rows: Any) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=3)
    array = group.create_array("0", shape=(side, side), chunks=(_CHUNK, _CHUNK), dtype=np.uint16)
    for top in range(0, side, _CHUNK):
        height = min(_CHUNK, side - top)
        array[top : top + height] = rows(top, height)
    axes = [{"name": axis, "type": "space"} for axis in "yx"]
    transform = [{"type": "scale", "scale": [1.0, 1.0]}]
    datasets = [{"path": "0", "coordinateTransformations": transform}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}


def _segment(source: Path, target: Path, workers: int, results: Any) -> None:
    """In a process of its own: seconds of each stage, and peak memory in GiB."""
    stages: dict[str, list[float]] = {}

    def on_event(event: grd.Event) -> None:
        if isinstance(event, grd.Progress):
            now = time.perf_counter()
            stages.setdefault(event.stage, [now, now])[1] = now

    watched = _Children()
    start = time.perf_counter()
    grd.segment_zarr("nuclei", source, target, workers=workers, on_event=on_event)
    seconds = time.perf_counter() - start
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = sum(each.ru_utime + each.ru_stime for each in (own, others))
    memory = own.ru_maxrss / 2**20, others.ru_maxrss / 2**20, watched.most / 2**30
    results.put((seconds, spent, memory, {stage: last - first for stage, (first, last) in stages.items()}))


class _Children:
    """The largest memory of a child process that it shares with no other, sampled rarely: that stops the child."""

    def __init__(self) -> None:
        self.most = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            for child in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    self.most = max(self.most, child.memory_full_info().uss)
            time.sleep(5)


def speed(args: argparse.Namespace, folder: Path) -> None:
    """Throughput, memory, and the share of joining and relabeling."""
    for side in args.side:
        source, target = simulated(folder / f"image-{side}.zarr", side), folder / f"labels-{side}.zarr"
        shutil.rmtree(target, ignore_errors=True)
        context = multiprocessing.get_context("spawn")
        results = context.Queue()
        process = context.Process(target=_segment, args=(source, target, args.workers, results))
        process.start()
        seconds, spent, (peak, workers_peak, added), stages = results.get()
        process.join()
        finishing = sum(spent for stage, spent in stages.items() if stage in _FINISHING)
        print(
            f"{side} x {side}, {args.workers} further processes: {seconds:.0f} s, {side**2 / seconds / 1e6:.2f} Mpx/s,"
            f" {1e6 * spent / side**2:.2f} processor s a megapixel, peak {peak:.2f} GiB,"
            f" of a worker {workers_peak:.2f} GiB, {added:.2f} GiB not shared with others;"
            f" joining and relabeling {100 * finishing / seconds:.1f} %",
            flush=True,
        )


_FINISHING = ("Counting objects", "Joining objects", "Writing labels", "Writing the pyramid")


def agree(args: argparse.Namespace, folder: Path) -> None:
    """Blocks against the whole image."""
    for side in args.side:
        source, target = mosaic(folder / f"mosaic-{side}.zarr", side), folder / f"mosaic-labels-{side}.zarr"
        image = np.asarray(zarr.open_array(source / "0"))
        # The same scale and intensities: only the blocks differ.
        config = grd.SegmentConfig(object_diameter=None, invert=False)
        whole = whole_image(image, config)
        grd.segment_zarr("nuclei", source, target, config, overwrite=True)
        labels = np.asarray(zarr.open_array(target / "0"))
        scores = grd.evaluate(reference=whole, labels=labels)
        print(
            f"{side} x {side}: ARAND {scores.arand:.5f}, {labels.max()} objects, of the whole image {whole.max()},"
            f" cut at borders {cut(labels, whole)}"
        )


def whole_image(image: np.ndarray[Any, Any], config: grd.SegmentConfig) -> np.ndarray[Any, Any]:
    """Labels of an image that is not cut into blocks."""
    return grd.partition(grd.predict("nuclei", image, config))


def cut(labels: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> int:
    """Objects of the whole image that a border of blocks divides."""
    side = block_grid((), labels.shape, labels.shape, halo=(80, 80), stride=(16, 16)).sides[0]
    divided: set[int] = set()
    for one, other in ((labels, whole), (labels.T, whole.T)):
        for edge in range(side, one.shape[0], side):
            first, second = one[edge - 1 : edge + 1]
            same = (other[edge - 1] == other[edge]) & (other[edge] > 0)
            divided |= set(other[edge][same & (first != second)].tolist())
    return len(divided)


def kill(args: argparse.Namespace, folder: Path) -> None:
    """Kill the command, one of its workers or both at random times, and repeat it until it ends."""
    source = simulated(folder / f"image-kill-{args.side[0]}.zarr", args.side[0])
    wanted = folder / "labels-whole.zarr"
    program = "from napari_grd.cli.app import main; main()"
    command = [sys.executable, "-c", program, "segment", "--workers", str(args.workers), str(source)]
    start = time.perf_counter()
    subprocess.run([*command, str(wanted), "--force"], check=True, capture_output=True)
    usual = time.perf_counter() - start
    rng = random.Random(args.seed)
    for number in range(args.times):
        target, messages = folder / f"labels-kill-{number}.zarr", folder / f"messages-{number}.txt"
        kills = list[str]()
        shutil.rmtree(target, ignore_errors=True)
        process = None
        while process is None or process.poll() is not None:
            with messages.open("wb") as file:
                process = subprocess.Popen([*command, str(target)], stdout=file, stderr=file, start_new_session=True)
            begun = time.perf_counter()
            while process.poll() is None:
                try:
                    process.wait(rng.uniform(0.1, 1.0) * usual if len(kills) < 3 else None)
                except subprocess.TimeoutExpired:
                    kills.append(_kill(process, rng))
            if not kills:
                usual = time.perf_counter() - begun  # the machine is less busy than it was
            if (target / "zarr.json").exists() and not (target / WORK).exists():
                break  # finished, though it may have been killed on its way out
            if process.returncode > 0:
                break  # an error of its own
        same = (target / "0").exists() and np.array_equal(
            np.asarray(zarr.open_array(target / "0")), np.asarray(zarr.open_array(wanted / "0"))
        )
        left = [path.name for path in target.iterdir() if path.name.startswith(".")]
        time.sleep(5)  # workers notice within seconds that their client has ended
        left += [f"process {each.pid}" for each in psutil.process_iter() if _group(each.pid) == process.pid]
        killed = ", ".join(kills) or "nothing"
        print(f"{number}: killed {killed}; same labels: {same}, left over: {left or 'nothing'}", flush=True)
        if same:
            shutil.rmtree(target)
        else:  # kept to be looked at
            print(f"{target}, exit status {process.returncode}:\n{messages.read_text()[-2000:]}", flush=True)


def _kill(process: subprocess.Popen[bytes], rng: random.Random) -> str:
    """Kill a worker, the command, or all its processes; returns which."""
    victim = rng.choice(["a worker", "the client", "everything"])
    workers = [child for child in psutil.Process(process.pid).children(recursive=True) if _is_worker(child)]
    if victim == "a worker" and workers:
        rng.choice(workers).kill()  # the command goes on
        return victim
    if victim == "the client":
        process.kill()
    else:
        victim = "everything"
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return victim


def _is_worker(process: psutil.Process) -> bool:
    """Whether it is not one that only starts others, or counts what they share."""
    with suppress(psutil.Error):
        return not process.children() and not any("resource_tracker" in part for part in process.cmdline())
    return False


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def overhead(args: argparse.Namespace, folder: Path) -> None:
    """Time of the scheduler for blocks without work, and growth of the memory of the client."""
    for name in ("here", "cluster"):
        before, start, used = _resident(), time.perf_counter(), time.process_time()
        if name == "here":
            count = sum(outcome is not None for outcome in run_here(lambda number: (number, ""), range(args.blocks)))
        else:
            with cluster(2) as client:
                start = time.perf_counter()
                outcomes = run_on_cluster(lambda number: (number, ""), range(args.blocks), client)
                count = sum(outcome is not None for outcome in outcomes)
        spent, used = time.perf_counter() - start, time.process_time() - used
        print(
            f"{name}: {count} blocks, {1000 * spent / count:.2f} ms each, of this process {1000 * used / count:.2f}"
            f" processor ms, memory +{_resident() - before:.0f} MiB",
            flush=True,
        )


def measure(args: argparse.Namespace, folder: Path) -> None:
    """Time and peak memory of the table of many objects, squares in rows."""
    across = int(args.objects**0.5)
    side = 8 * across
    array = zarr.create_array(
        folder / "squares", shape=(side, side), chunks=(1024, 1024), dtype=np.uint32, overwrite=True
    )
    square = np.pad(np.ones((5, 5), np.uint32), ((1, 2), (1, 2)))
    for row in range(across):
        numbers = row * across + np.arange(1, across + 1, dtype=np.uint32)
        array[8 * row : 8 * (row + 1)] = np.kron(numbers[None], square)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, time.perf_counter()
    spent = time.process_time()
    table = grd.measure(array)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    spent = time.process_time() - spent
    same: bool | str = "not compared"
    if len(table) <= _COMPARED:
        whole = grd.measure(np.asarray(array))
        same = all(np.allclose(table.columns[key], whole.columns[key], equal_nan=True) for key in whole.columns)
    print(
        f"{len(table)} objects of {side} x {side}: {seconds:.0f} s, {spent:.0f} processor s, peak {peak:.2f} GiB"
        f" ({before:.2f} before), equal to the table in memory: {same}"
    )


_COMPARED = 200_000  # objects


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "agree", "kill", "overhead", "measure"))
    parser.add_argument("--side", type=int, nargs="+", default=[4096])
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=100_000)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where images and labels are kept; default: a temporary one")
    args = parser.parse_args()
    print(hardware(), "\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        {"speed": speed, "agree": agree, "kill": kill, "overhead": overhead, "measure": measure}[args.what](
            args, folder
        )


if __name__ == "__main__":
    main()
