"""How long does Live take on a slab of a volume, without a window?

    GRD_DATA=... python benchmarks/live_slab.py --model neurites --repeats 5

The view has 512 x 512 pixels and 9 planes of fib25_em3d, mirrored to 128 x 1400 x 1400. Beside the seconds it gives
the processor seconds of the process, because other work on the machine adds to the former, but much less to the latter.
With two processors, the network and most of the partition take half of their processor seconds, the rest all of them.
"""

import argparse
import statistics
import time
from collections.abc import Iterator

import numpy as np

import napari_grd as grd
from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.inference.array_source import ArraySource
from napari_grd.live.cache import CellCache
from napari_grd.live.slab import SlabSegmenter
from napari_grd.live.viewport import Viewport
from reporting import hardware, table
from segment_volume import volume

SHAPE = (128, 1400, 1400)
VIEW = 512
PLANES = 9
JUMP, PAN, WITHIN, NEXT, BEYOND, SLIDER = (
    "jump to another place",
    "pan by up to 90 px",
    "next plane, within the slab",
    "next plane, a new slab",
    "a plane beyond the slab",
    "slider (split/merge)",
)


def looks(rng: np.random.Generator) -> Iterator[tuple[str, Viewport, float]]:
    """One change of each kind, each with its bias."""
    z = int(rng.integers(20, 90))
    y, x = rng.uniform(100, SHAPE[1] - VIEW - 100, 2)
    yield JUMP, look(z, y, x), 0.0
    y, x = np.array([y, x]) + rng.uniform(-90, 90, 2)
    yield PAN, look(z, y, x), 0.0
    yield WITHIN, look(z + 1, y, x), 0.0
    yield NEXT, look(z + 3, y, x), 0.0
    last = look(z + 21, y, x)
    yield BEYOND, last, 0.0
    yield SLIDER, last, 0.05


def look(z: int, y: float, x: float) -> Viewport:
    """A view of a plane."""
    return Viewport((), (z, y, x), (z, y + VIEW - 1, x + VIEW - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="neurites", help="name or file of a model for volumes")
    parser.add_argument("--repeats", type=int, default=5, help="times that each change is made, after once to warm up")
    args = parser.parse_args()
    print(hardware(), "\n", flush=True)
    model = grd.load_model(args.model)
    source = ArraySource(volume(SHAPE), "zyx", ndim=2, in_channels=1)
    live = SlabSegmenter(source, model, SegmentConfig(), CellCache(2**30), planes=PLANES)
    partition = model.config.partition
    rng = np.random.default_rng(0)
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(args.repeats + 1):
        for name, seen, bias in looks(rng):
            settings: PartitionConfig = partition.replace(bias=partition.bias + bias)
            start, processor = time.perf_counter(), time.process_time()
            for _ in live.view(seen, settings):
                pass
            if number:
                elapsed = time.perf_counter() - start, time.process_time() - processor
                found.setdefault(name, []).append(elapsed)
    rows = [
        [name, len(times), *(statistics.median(each) for each in zip(*times, strict=True))]
        for name, times in found.items()
    ]
    print(table(["change", "times", "s, median", "processor s, median"], rows, digits=2))


if __name__ == "__main__":
    main()
