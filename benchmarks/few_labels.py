"""Students of few labels: what the unlabeled images add, and what the confidence filter does.

    GRD_DATA=... python benchmarks/few_labels.py --sets dsb2018_fluo
    GRD_DATA=... python benchmarks/few_labels.py --sets dsb2018_fluo --teacher other.grd.safetensors

A few training images have labels. The student without a teacher learns from
these alone; the others also learn from all other images, labeled by the
teacher, with or without those of its instances that are found again when
the image is turned. Without ``--teacher`` the teacher is trained on the same few
labels, as in guided distillation (Berrada et al., arXiv 2308.02668), and there
is no row of none. Do not pass a teacher that has seen the labels of the set:
it would hand them on.

Resumable, see series.py; ``--print`` shows what is there.
"""

import argparse
import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import napari_grd as grd
from builtin import WEIGHTS
from common import Dataset, score
from napari_grd.config import AssistantConfig, DistillConfig, TrainConfig
from reporting import hardware, table
from series import add_arguments, few_labels, labeled_only, load_sets, prepare, results, run_all, say, spread

METHODS = ("undistilled", "distilled", "distilled, sure")


@dataclass(frozen=True)
class Run:
    """One student."""

    method: str  # one of METHODS
    labeled: int
    confidence: float
    seed: int
    steps: int

    @property
    def name(self) -> str:
        sure = f"-{self.confidence:g}" if self.confidence else ""
        method = self.method.replace(", ", "-")
        return f"{method}{sure}_{self.labeled}-labels_{self.steps}-steps_seed-{self.seed}"


def plan(args: argparse.Namespace) -> list[Run]:
    """All runs, seed by seed, so that a table cut short still compares like with like."""
    sure = {"distilled, sure": args.confidence}
    return [
        Run(method, labeled, sure.get(method, 0.0), seed, args.steps)
        for seed in args.seeds
        for labeled in args.labeled
        for method in METHODS
        if labeled or (method != "undistilled" and args.teacher is not None)
    ]


def teacher_of(labeled: int, sets: list[Dataset], args: argparse.Namespace) -> grd.Model:
    """The teacher that was named, or one of the same labels, which is trained once."""
    if args.teacher is not None:
        return grd.load_model(args.teacher)
    folder = args.out / f"teacher_{labeled}-labels_{args.teacher_steps}-steps"
    network = AssistantConfig().network.replace(widths=tuple(args.teacher_widths))
    config = TrainConfig(network=network, steps=args.teacher_steps, device=args.device)
    known = labeled_only(*few_labels(sets, labeled))
    model = grd.train(*known, config, axes=sets[0].axes, validation=0.0, out_dir=folder, on_event=say(folder.name))
    target = args.out / f"{folder.name}.json"
    if not target.exists():
        target.write_text(json.dumps({"labeled": labeled, "scores": score(model, sets)}, indent=1))
    return model


def train_one(run: Run, sets: list[Dataset], args: argparse.Namespace) -> dict[str, Any]:
    """Train a student and score it on every set."""
    images, labels = few_labels(sets, run.labeled)
    options = {"axes": sets[0].axes, "validation": 0.0, "out_dir": args.out / run.name, "on_event": say(run.name)}
    recipe = {"steps": run.steps, "seed": run.seed, "device": args.device}
    if run.method == "undistilled":
        student = grd.train(*labeled_only(images, labels), TrainConfig(**recipe), **options)
    else:
        config = DistillConfig(**recipe, weights=WEIGHTS, confidence=run.confidence)
        teacher = teacher_of(run.labeled, sets, args)
        student = grd.distill(teacher, images, labels, config, cache_dir=args.cache, **options)
    return {"scores": score(student, sets)}


def report(found: dict[str, Any], args: argparse.Namespace) -> str:
    """The table that docs/benchmarks.md shows."""
    runs = [r["run"] | {"scores": r["scores"]} for r in found.values() if "run" in r]
    runs = [r for r in runs if r["steps"] == args.steps]
    teachers = {r["labeled"]: r["scores"] for name, r in found.items() if name.startswith("teacher_")}
    rows: list[list[Any]] = []
    for data in args.sets:
        for labeled in args.labeled:
            if labeled in teachers:
                own = teachers[labeled][data]
                rows.append([data, labeled, "(the teacher itself)", 1, f"{own['ap50']:.3f}", f"{own['aji']:.3f}"])
            for method in METHODS:
                own = [r["scores"][data] for r in runs if (r["method"], r["labeled"]) == (method, labeled)]
                if own:
                    values = (spread([r[metric] for r in own], 3) for metric in ("ap50", "aji"))
                    rows.append([data, labeled, method, len(own), *values])
    title = f"{args.steps} steps; sure: agreement of at least {args.confidence:g}"
    return "\n".join([hardware(), "", title, "", table(["set", "labeled", "student", "seeds", "AP50", "AJI"], rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", help="a model; default: one is trained on the same few labels")
    parser.add_argument("--teacher-steps", type=int, default=1500)
    parser.add_argument("--teacher-widths", type=int, nargs=5, default=(16, 32, 64, 128, 256))
    parser.add_argument("--labeled", nargs="+", type=int, default=[0, 5, 10, 20])
    parser.add_argument("--confidence", type=float, default=0.7)
    parser.add_argument("--device", default="auto")
    add_arguments(parser, sets=("dsb2018_fluo",))
    args = parser.parse_args()
    prepare(args, "few-labels-rehearsal" if args.rehearsal else "few-labels")
    if not args.print:
        sets = load_sets(args)
        run_all(args, plan(args), partial(train_one, sets=sets, args=args))
    print(report(results(args), args))


if __name__ == "__main__":
    main()
