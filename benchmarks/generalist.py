"""Train the built-in model ``cells``: one channel, any kind of cell, at one object diameter.

    GRD_DATA=... python benchmarks/generalist.py --steps 3500
    GRD_DATA=... python benchmarks/generalist.py --score runs/cells/cells.grd.safetensors

Simulated cells of every kind and contrast, and nuclei whose license asks for nothing, rescaled to one diameter, some
inverted. It is a start for fine-tuning rather than a model for a kind of image. ``--score`` scores a model on
validation images of every set, with the diameter of their objects told: of the sets that are not named on its card it
has seen no image.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import napari_grd as grd
from common import FLUORESCENCE, ORIGIN, Dataset, load
from domains import COMMON_DIAMETER, blank, inverted, same_size, simulate
from napari_grd.config import AugmentConfig, OptimConfig, TrainConfig
from napari_grd.distillation.prepare import object_diameter
from reporting import table

_SIMULATED, _BLANK = 480, 10
_EVERY = {"dsb2018_fluo": 2, "bbbc039_nuclei": 3}  # of the training images of each set
_PATCH = 112
SCORED = (*FLUORESCENCE, "mnfinder_nuclei", "usiigaci_phase", "yeastvision_phase", "axondeepseg_sem_axons")


def images() -> tuple[list[Any], list[Any]]:
    """Images and labels."""
    pairs = [simulate(number) for number in range(_SIMULATED)]
    for name, step in _EVERY.items():
        for number, (image, labels) in enumerate(load(name).train[::step]):
            image, labels = same_size(image, labels)
            if min(labels.shape) >= _PATCH:
                pairs.append((inverted(image) if number % 3 == 2 else image, labels))
    rng = np.random.default_rng(1)
    pairs += [blank(rng, rgb=False) for _ in range(_BLANK)]
    return [image.astype(np.float32) for image, _ in pairs], [labels.astype(np.int64) for _, labels in pairs]


def scores(model: grd.Model) -> dict[str, float]:
    """AP50 of every set, with the median diameter of the objects of each image told."""
    return {name: _score(model, load(name)) for name in SCORED}


def _score(model: grd.Model, data: Dataset) -> float:
    found = []
    for image, labels in data.validation:
        diameter = object_diameter([labels.astype(np.int64)])
        config = grd.SegmentConfig(object_diameter=diameter, invert=False)
        found.append(grd.segment(model, image, config, axes=data.axes))
    reference = [labels for _, labels in data.validation]
    return grd.evaluate(reference=reference, labels=found, min_size=data.min_size).ap50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3500)
    parser.add_argument("--start", type=Path, help="a model whose training goes on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/cells"))
    parser.add_argument("--finish", type=Path, help="give this trained model its card, train nothing")
    parser.add_argument("--score", nargs="*", type=Path, help="score these models, train nothing")
    args = parser.parse_args()
    if args.score is not None:
        rows = [
            [path.stem, *(f"{value:.3f}" for value in scores(grd.load_model(path)).values())] for path in args.score
        ]
        print(table(["model", *SCORED], rows))
        return
    if args.finish is not None:
        print(finished(grd.load_model(args.finish), args.out))
        return
    config = TrainConfig(
        steps=args.steps,
        batch=6,
        patch=_PATCH,
        optim=OptimConfig(name="muon", lr=6e-3, ema=0.99),
        augment=AugmentConfig(scale=0.5, scale_range=(0.7, 1.45), intensity=0.7, noise=0.4, blur=0.3),
        seed=args.seed,
    )
    options = {"axes": "yx", "validation": 0.0, "out_dir": args.out, "start": args.start}
    print(finished(grd.train(*images(), config, **options), args.out))


def finished(model: grd.Model, out: Path) -> Path:
    """Write a trained model with its card."""
    # Its objects are bright, dark or neither: no kind of image is unlike its training images. Their median diameter is
    # smaller than the common one, because images of small objects have more of them.
    model = replace(model, config=model.config.replace(contrast=None, object_diameter=COMMON_DIAMETER))
    model = model.with_card(
        name="cells",
        kind="student",
        summary="Cells of any kind in one channel, at a given object diameter; a start for learning from corrections",
        trained_on=("simulated cells of napari-grd", *(ORIGIN[name] for name in _EVERY)),
        scores={f"{name}/ap50, diameter told": round(value, 4) for name, value in scores(model).items()},
        limits="A generalist: give the object diameter, and expect less than from a model of your own kind of image.",
    )
    return grd.save_model(model, out / "cells.grd.safetensors")


if __name__ == "__main__":
    main()
