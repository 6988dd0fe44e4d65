"""Train the teacher of the tables.

    GRD_DATA=... python benchmarks/teacher.py --out runs/teacher

The validation images take no part: there is no early stopping, the last
averaged weights count, and are scored once. Killed, it goes on where it stopped.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

import napari_grd as grd
from builtin import RECIPES
from common import FLUORESCENCE, ORIGIN, load, score
from napari_grd.config import AugmentConfig, NetworkConfig, OptimConfig, TrainConfig
from reporting import table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/teacher"))
    parser.add_argument(
        "--sets", nargs="+", default=list(FLUORESCENCE), choices=list(ORIGIN), help="all gray or all RGB"
    )
    parser.add_argument("--widths", type=int, nargs=5, default=(16, 32, 64, 128, 256))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--start", type=Path, help="a model of the same network, whose training goes on")
    parser.add_argument("--lr", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument(
        "--scales", type=float, nargs=2, default=(0.8, 1.25), help="smallest and largest random magnification"
    )
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--name", choices=[f"{name}-teacher" for name in RECIPES], help="write it in float16, too, to be built in"
    )
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    sets = [load(name) for name in args.sets]
    pairs = [pair for data in sets for pair in data.train]
    config = TrainConfig(
        network=NetworkConfig(widths=tuple(args.widths)),
        steps=args.steps,
        batch=args.batch,
        optim=OptimConfig(lr=args.lr),
        augment=AugmentConfig(scale=0.5, scale_range=tuple(args.scales)),
        device=args.device,
    )

    def on_event(event: Any) -> None:
        if isinstance(event, grd.StepMetrics) and event.step % 50 == 0:
            print(f"step {event.step}, loss {event.values['loss']:.3f}", flush=True)

    model = grd.train(
        [image for image, _ in pairs],
        [labels for _, labels in pairs],
        config,
        axes=sets[0].axes,
        validation=0.0,
        out_dir=args.out,
        start=args.start,
        on_event=on_event,
    )
    scores = score(model, sets)
    model = model.with_card(
        name=args.name or args.out.name,
        trained_on=tuple(ORIGIN[name] for name in args.sets),
        scores={f"{data}/{metric}": round(v, 4) for data, s in scores.items() for metric, v in s.items()},
    )
    print(grd.save_model(model, args.out / "teacher.grd.safetensors"))
    if args.name:
        about = RECIPES[args.name.removesuffix("-teacher")]
        model = model.with_card(summary=f"{about.summary}; large, made to teach", limits=about.limits)
        print(grd.save_model(model, args.out / args.name, half=True))
    rows = [[data, *found.values()] for data, found in scores.items()]
    print(table(["set", *(name.upper() for name in next(iter(scores.values())))], rows, digits=3))


if __name__ == "__main__":
    main()
