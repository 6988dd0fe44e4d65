"""Train the teacher of the tables.

    GRD_DATA=... python benchmarks/teacher.py --out runs/teacher

The validation images take no part: there is no early stopping, the last
averaged weights count. Killed, it goes on where it stopped.
"""

import argparse
from pathlib import Path
from typing import Any

import napari_grd.api as grd
from common import FLUORESCENCE, ORIGIN, load
from napari_grd.config import NetworkConfig, TrainConfig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/teacher"))
    parser.add_argument(
        "--sets", nargs="+", default=list(FLUORESCENCE), choices=list(ORIGIN), help="all grey or all RGB"
    )
    parser.add_argument("--widths", type=int, nargs=5, default=(16, 32, 64, 128, 256))
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    sets = [load(name) for name in args.sets]
    pairs = [pair for data in sets for pair in data.train]
    config = TrainConfig(
        network=NetworkConfig(widths=tuple(args.widths)), steps=args.steps, batch=args.batch, device=args.device
    )

    def on_event(event: Any) -> None:
        if isinstance(event, grd.Metrics) and event.step % 50 == 0:
            print(f"step {event.step}, loss {event.values['loss']:.3f}", flush=True)

    model = grd.train(
        [image for image, _ in pairs],
        [labels for _, labels in pairs],
        config,
        axes=sets[0].axes,
        validation=0.0,
        out_dir=args.out,
        on_event=on_event,
    )
    model = model.with_card(name=args.out.name, trained_on=tuple(ORIGIN[name] for name in args.sets))
    print(grd.save_model(model, args.out / "teacher.grd.safetensors"))


if __name__ == "__main__":
    main()
