"""What a step costs with and without a teacher, and what the memory bank holds.

    python benchmarks/training_step.py

Synthetic nuclei, ResUNet-tiny, batch 4 x 128². The variants take turns, step
by step, so that a change of the machine's pace hits all of them alike.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import zarr

from napari_grd.config import DistillConfig, LossWeights
from napari_grd.data.dataset import Example, PatchSampler, TeacherLayout
from napari_grd.data.intensity import normalized
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation.memory_bank import MemoryBank
from napari_grd.distillation.objective import DistillationObjective, Objective
from napari_grd.distillation.optim import make_optimizer
from napari_grd.models.model import Model, ModelConfig
from reporting import hardware, table

NAIVE_MB = 32 * 16 * 544**2 * 4 / 1e6  # embeddings of 32 crops of 544², as the paper's code keeps them
LAYOUT = TeacherLayout(embedding=16, foreground=True)
INTRA = LossWeights(agd_inter=0, igd_inter=0)


def make_step(objective: Objective, sampler: PatchSampler) -> Callable[[int], None]:
    """A training step as the trainer does it, on a student of its own."""
    config = DistillConfig()
    model = Model.create(ModelConfig())
    model.network.train()
    optimizer = make_optimizer(model.network, config.optim)

    def step(number: int) -> None:
        batch = sampler.batch(number)
        embedding, logit = model.split(model.network(batch.image))
        loss = objective(embedding, logit, batch, number)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.network.parameters(), config.optim.clip)
        optimizer.step()
        optimizer.zero_grad()

    return step


def examples(folder: Path, count: int) -> tuple[list[Example], list[Example]]:
    """Synthetic images without and with a cached teacher (random embeddings cost what real ones do)."""
    plain, taught = [], []
    config = DistillConfig()
    for i in range(count):
        rng = np.random.default_rng(i)
        image, labels = nuclei_2d(rng, (512, 512))
        pixels = normalized(image[None], config.normalization)
        output = rng.standard_normal((17, 512, 512)).astype(np.float16)
        output[16] = labels > 0
        array = zarr.create_array(folder / f"{i}", data=output, chunks=(17, 128, 128), compressors=None)
        plain.append(Example(f"image {i}", pixels, labels))
        taught.append(Example(f"image {i}", pixels, labels, array))
    return plain, taught


def bank_bytes(bank: MemoryBank) -> int:
    """What the entries take in memory."""
    return sum(tensor.numel() * tensor.element_size() for tensor in bank.state_dict().values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    args = parser.parse_args()
    config = DistillConfig()
    offsets = ModelConfig().offsets

    def sampler(found: list[Example], layout: TeacherLayout | None = None) -> PatchSampler:
        return PatchSampler(found, batch=4, patch=128, augment=config.augment, seed=0, layout=layout)

    with tempfile.TemporaryDirectory() as folder:
        plain, taught = examples(Path(folder), 8)
        full = DistillationObjective(config, offsets, layout=LAYOUT)
        intra = DistillationObjective(config.replace(weights=INTRA.model_dump()), offsets, layout=LAYOUT)
        steps = {
            "supervised": make_step(Objective(config, offsets), sampler(plain)),
            "distillation, within images": make_step(intra, sampler(taught, LAYOUT)),
            "distillation, all terms": make_step(full, sampler(taught, LAYOUT)),
        }
        times: dict[str, list[float]] = {name: [] for name in steps}
        warmup = 10  # fills the bank
        for number in range(warmup + args.steps):
            for name, step in steps.items():
                start = time.perf_counter()
                step(number)
                if number >= warmup:
                    times[name].append(1000 * (time.perf_counter() - start))
    median = {name: statistics.median(found) for name, found in times.items()}
    base = median["supervised"]
    print(hardware(), "\n")
    rows = [[name, found, f"{found / base:.2f}"] for name, found in median.items()]
    print(table(["step", "median ms", "of supervised"], rows), "\n")
    inter = statistics.median(
        1 - a / b for a, b in zip(times["distillation, within images"], times["distillation, all terms"], strict=True)
    )
    kib = bank_bytes(full.bank) / 1024
    print(f"Inter-image terms: {100 * inter:.0f} % of a step (median of pairs).")
    print(f"Memory bank: {len(full.bank)} entries, {kib:.0f} KiB (as embeddings of 544²: {NAIVE_MB:.0f} MB).")


if __name__ == "__main__":
    main()
