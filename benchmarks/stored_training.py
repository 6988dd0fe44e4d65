"""Training and distilling on an image that is not read as a whole: memory and seconds of a step, beside the same in
memory.

    python benchmarks/stored_training.py train --side 8192
    python benchmarks/stored_training.py train --side 8192 --in-memory
    python benchmarks/stored_training.py distill --side 8192
    python benchmarks/stored_training.py distill --side 4096 --in-memory

The image is a zarr array, uint16 in chunks of 1024², of a simulated field of 1000² pixels with nuclei, repeated; its
labels the same, uint32. The process trains on a small image first, so that what is measured is not the loading of
libraries.
"""

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zarr

import napari_grd as grd
from napari_grd.data.simulate import nuclei_2d
from reporting import hardware

_FIELD, _CHUNK = 1000, 1024


class _Peak:
    """The largest resident memory of this process, sampled a hundred times a second."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self.before = self.most = self._process.memory_info().rss
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self.most = max(self.most, self._process.memory_info().rss)
            time.sleep(0.01)


def write(path: Path, side: int, field: np.ndarray[Any, Any], *, is_labels: bool) -> Path:
    """A field, repeated, row of chunks by row of chunks; each copy of an object has a number of its own."""
    array = zarr.create_array(path, shape=(side, side), chunks=(_CHUNK, _CHUNK), dtype=field.dtype)
    count, copies = int(field.max()), -(-side // _FIELD)
    for top in range(0, side, _CHUNK):
        rows = np.arange(top, min(top + _CHUNK, side))
        part = np.tile(field[rows % _FIELD], (1, copies))[:, :side]
        if is_labels:
            numbers = (rows // _FIELD)[:, None] * copies + np.arange(side) // _FIELD
            part = np.where(part > 0, part + count * numbers, 0).astype(field.dtype)
        array[rows[0] : rows[-1] + 1] = part
    return path


def run(verb: str, image: Any, labels: Any, steps: int, on_event: Any = None) -> grd.Model:
    """Settings are the default ones."""
    if verb == "train":
        return grd.train(image, labels, grd.TrainConfig(steps=steps), on_event=on_event)
    return grd.distill("nuclei", image, config=grd.DistillConfig(steps=steps), on_event=on_event)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["train", "distill"])
    parser.add_argument("--side", type=int, default=8192)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--in-memory", action="store_true")
    args = parser.parse_args()
    field, numbers = nuclei_2d(np.random.default_rng(0), (_FIELD, _FIELD))
    run(args.verb, field[:400, :400], numbers[:400, :400], 2)
    at: dict[int, float] = {}
    stage = {"train": "Training", "distill": "Distilling"}[args.verb]

    def note(event: grd.Event) -> None:
        if isinstance(event, grd.Progress) and event.stage == stage:
            at[event.done] = time.perf_counter()

    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write(Path(folder) / "image", args.side, field.astype(np.uint16), is_labels=False),
            write(Path(folder) / "labels", args.side, numbers.astype(np.uint32), is_labels=True),
        ]
        image, labels = (zarr.open_array(path, mode="r") for path in paths)
        peak, start = _Peak(), time.perf_counter()
        arrays = [np.asarray(image[:]), np.asarray(labels[:])] if args.in_memory else [image, labels]
        run(args.verb, *arrays, args.steps, note)
        seconds = time.perf_counter() - start
    taken = [at[step] - at[step - 1] for step in range(2, args.steps + 1)]
    print(
        f"{args.verb}, {args.side} x {args.side}, {'in memory' if args.in_memory else 'stored'}, {args.steps} steps:"
        f" {seconds:.0f} s, median step {statistics.median(taken):.3f} s,"
        f" peak memory {(peak.most - peak.before) / 2**20:+.0f} MiB over {peak.before / 2**20:.0f} MiB"
    )
    print(hardware())


if __name__ == "__main__":
    main()
