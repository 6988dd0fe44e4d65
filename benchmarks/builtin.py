"""Distil the built-in student `nuclei` and score it against its teacher.

    GRD_DATA=... python benchmarks/builtin.py --teacher runs/teacher/teacher.grd.safetensors

All training images of the two fluorescence sets, with their labels; the
validation images only score the result. Killed, it goes on where it stopped.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

import napari_grd.api as grd
from common import FLUORESCENCE, ORIGIN, load, score
from napari_grd.config import LossWeights
from reporting import hardware, table

# A fifth of the paper's weights for the relation terms: in a training this short they drown the class-weighted borders
# at full weight. Settled by `distillation.py --rehearsal`, on training images alone.
WEIGHTS = LossWeights(agd=2, node=0.02, edge=0.1, agd_inter=0.8, igd_inter=0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/builtin"))
    parser.add_argument("--cache", type=Path, default=Path("runs/teacher-cache"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    sets = [load(name) for name in FLUORESCENCE]
    pairs = [pair for data in sets for pair in data.train]
    teacher = grd.load_model(args.teacher)

    def on_event(event: Any) -> None:
        if isinstance(event, grd.Metrics) and event.step % 50 == 0:
            print(f"step {event.step}, loss {event.values['loss']:.3f}", flush=True)

    student = grd.distill(
        teacher,
        [image for image, _ in pairs],
        [labels for _, labels in pairs],
        grd.DistillConfig(steps=args.steps, device=args.device, weights=WEIGHTS),
        validation=0.0,
        out_dir=args.out,
        cache_dir=args.cache,
        on_event=on_event,
    )
    scores = {"teacher": score(teacher, sets), "student": score(student, sets)}
    student = student.with_card(
        name="nuclei",
        summary="Nuclei in 2D fluorescence images (DAPI, Hoechst), one channel, bright on dark",
        trained_on=tuple(ORIGIN[name] for name in FLUORESCENCE),
        scores={f"{data}/{metric}": round(v, 4) for data, s in scores["student"].items() for metric, v in s.items()},
        limits="Overlapping nuclei; bright field or stains; diameters far from 15 to 40 pixels without rescaling.",
    )
    print(grd.save_model(student, args.out / "nuclei.grd.safetensors"))
    print(hardware(), "\n")
    rows = []
    for data in scores["teacher"]:
        for metric in ("ap50", "aji", "sbd", "pq"):
            top, own = scores["teacher"][data][metric], scores["student"][data][metric]
            rows.append([data, metric.upper(), top, own, f"{100 * own / top:.1f} %"])
    print(table(["set", "metric", "teacher", "student", "student / teacher"], rows, digits=3))


if __name__ == "__main__":
    main()
