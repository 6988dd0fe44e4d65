"""Is the time that is foretold for a distillation the time it takes?

    python benchmarks/planning.py

Estimates distillations of simulated nuclei as the window does before each of
them, with the threads that it leaves to a training, then runs and times them.
"""

import time
from typing import Annotated

import numpy as np
import torch
import typer

import napari_grd as grd
from napari_grd.config import DistillConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.planning.estimate import DatasetSize, estimate
from reporting import hardware, table

IMAGES, SIDE = 4, 256


def main(
    steps: Annotated[list[int] | None, typer.Option(help="steps of each run")] = None,
    threads: Annotated[int, typer.Option(help="threads of torch")] = 1,
) -> None:
    """Print the table."""
    print(hardware(), "\n", flush=True)
    torch.set_num_threads(threads)
    teacher = grd.load_model("nuclei")
    images = [nuclei_2d(np.random.default_rng(seed), (SIDE, SIDE))[0] for seed in range(IMAGES)]
    rows = []
    for network in ("resunet", "subpixel_unet"):
        for count in steps or [40, 120]:
            config = DistillConfig(steps=count, validate_every=max(1, count // 4), device="cpu")
            config = config.replace(**{"network.name": network})
            size = DatasetSize(pixels=IMAGES * SIDE**2, held=SIDE**2, largest=SIDE**2)
            foretold = estimate(config, size, teacher.config).seconds
            start = time.perf_counter()
            grd.distill(teacher, images, config=config, validation=1 / IMAGES)
            taken = time.perf_counter() - start
            rows.append([network, count, foretold, taken, foretold / taken])
    print(table(["network", "steps", "foretold s", "taken s", "ratio"], rows, digits=2))


if __name__ == "__main__":
    typer.run(main)
