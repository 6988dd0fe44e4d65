"""Steps a second with patches drawn ahead by processes, and without.

    python benchmarks/drawing.py --workers 2

Simulated nuclei; a step is replaced by 20 ms of sleep, as on a GPU, so the time is that of drawing.
"""

import argparse
import time

import numpy as np

from napari_grd.config import AugmentConfig
from napari_grd.data.dataset import Example, PatchSampler
from napari_grd.data.drawing import draw
from napari_grd.data.simulate import nuclei_2d
from reporting import hardware, table

_WARM_UP = 16  # batches that wait for the processes to start and the queues to fill


def rate(sampler: PatchSampler, steps: int, workers: int, seconds: float) -> float:
    """Steps a second."""
    batches = draw(sampler, 0, steps + _WARM_UP, workers=workers)
    for _ in range(_WARM_UP):
        next(batches)
    start = time.perf_counter()
    for _ in batches:
        time.sleep(seconds)
    return steps / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=192)
    parser.add_argument("--step", type=float, default=0.02, help="seconds of a step")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    drawn = [nuclei_2d(rng, (512, 512)) for _ in range(8)]
    examples = [Example(str(i), image[None] / image.max(), labels) for i, (image, labels) in enumerate(drawn)]
    sampler = PatchSampler(examples, batch=args.batch, patch=args.patch, augment=AugmentConfig(), seed=0)
    rates: dict[int, list[float]] = {workers: [] for workers in (0, *args.workers)}
    for _ in range(args.repeats):
        for workers, found in rates.items():
            found.append(rate(sampler, args.steps, workers, args.step))
    alone = float(np.median(rates[0]))
    rows = [[workers, f"{np.median(found):.1f}", f"{np.median(found) / alone:.2f}"] for workers, found in rates.items()]
    print(hardware(), "\n")
    print(table(["processes", "steps/s", "ratio"], rows))


if __name__ == "__main__":
    main()
