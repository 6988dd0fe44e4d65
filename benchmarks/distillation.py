"""How much of the gap between teacher and student does distillation close?

    GRD_DATA=... python benchmarks/distillation.py --teacher runs/teacher/teacher.grd.safetensors

Trains ResUNet-tiny with and without the teacher at equal steps and scores it
on validation images, which take no part in any training: there is no early
stopping, the last averaged weights count. A few images have labels; the
distilled student has the same few, and the teacher's instances on the others.

``--rehearsal`` keeps the validation images unread and holds out a fifth of
the training images in their place: settings are compared there, and only the
settled ones are run without it.

Every finished run is a JSON file and every unfinished one a checkpoint, so a
killed table goes on where it stopped. ``--print`` shows what is there.
``--again`` trains nothing: it gives the models of finished runs the partition
that they would be given today, and scores them anew.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import napari_grd as grd
from builtin import partitioned
from common import Dataset, score
from napari_grd.config import DistillConfig, LossWeights, PartitionConfig, TrainConfig
from napari_grd.distillation.prepare import smallest_object
from reporting import hardware, table
from series import add_arguments, few_labels, labeled_only, load_sets, prepare, results, run_all, say, spread

OFF = LossWeights(agd=0, node=0, edge=0, agd_inter=0, igd_inter=0, teacher_foreground=0)
ABLATION = {
    "none": None,
    "instances": OFF,  # the teacher's, without any relation term
    "foreground only": OFF.replace(teacher_foreground=1),
    "AGD intra": LossWeights(node=0, edge=0, agd_inter=0, igd_inter=0),
    "IGD intra": LossWeights(agd=0, agd_inter=0, igd_inter=0),
    "both intra": LossWeights(agd_inter=0, igd_inter=0),
    "all four": LossWeights(),
    "all four, balanced": LossWeights(agd=2, agd_balanced=True),
    "all four, balanced, no node": LossWeights(agd=2, agd_balanced=True, node=0),
    "AGD intra, balanced": LossWeights(agd=2, agd_balanced=True, node=0, edge=0, agd_inter=0, igd_inter=0),
    "all four, light": LossWeights(agd=2, node=0.02, edge=0.1, agd_inter=0.8, igd_inter=0.2),
}


@dataclass(frozen=True)
class Run:
    """One student."""

    method: str  # a key of ABLATION
    labeled: int | None  # labeled images of each set; None: all
    seed: int
    steps: int

    @property
    def name(self) -> str:
        labels = "all" if self.labeled is None else str(self.labeled)
        return f"{self.method.replace(', ', '-').replace(' ', '-')}_{labels}-labels_{self.steps}-steps_seed-{self.seed}"


def plan(args: argparse.Namespace) -> list[Run]:
    """All runs, seed by seed, so that a table cut short still compares like with like."""
    return [Run(m, args.few, seed, args.steps) for seed in args.seeds for m in args.methods]


def train_one(run: Run, teacher: grd.Model, sets: list[Dataset], args: argparse.Namespace) -> dict[str, Any]:
    """Train a student and score it on every set."""
    images, labels = few_labels(sets, run.labeled)
    weights = ABLATION[run.method]
    options = {"axes": sets[0].axes, "validation": 0.0, "out_dir": args.out / run.name, "on_event": say(run.name)}
    if weights is None:
        config = TrainConfig(steps=run.steps, seed=run.seed, device="cpu")
        model = grd.train(*labeled_only(images, labels), config, **options)
    else:
        config = DistillConfig(steps=run.steps, seed=run.seed, device="cpu", weights=weights)
        model = grd.distill(teacher, images, labels, config, cache_dir=args.cache, **options)
    return {"scores": score(model, sets)}


def report(results: dict[str, Any], args: argparse.Namespace) -> str:
    """The tables that docs/benchmarks.md shows."""
    teacher = results["teacher"]["scores"]
    runs = [
        r["run"] | {"scores": r["scores"]}
        for name, r in results.items()
        if name != "teacher" and r["run"]["labeled"] == args.few and r["run"]["steps"] == args.steps
    ]
    labeled = "all images labeled" if args.few is None else f"{args.few} labeled images a set"
    rows = [
        _row(runs, teacher, method, data, metric)
        for data in args.sets
        for metric in ("ap50", "aji")
        for method in ABLATION
    ]
    header = ["set", "metric", "distilled with", "seeds", "score", "share of the gap", "of teacher"]
    return "\n".join(
        [
            hardware(),
            "",
            f"{labeled}, {args.steps} steps; mean ± standard deviation over seeds",
            "",
            table(header, [row for row in rows if row], digits=3),
        ]
    )


def _row(runs: list[Any], teacher: Any, method: str, data: str, metric: str) -> list[Any] | None:
    def values(method: str) -> dict[int, float]:
        return {r["seed"]: r["scores"][data][metric] for r in runs if r["method"] == method}

    plain, found, top = values("none"), values(method), teacher[data][metric]
    if not found:
        return None
    # Seeds are paired: the same seed draws the same first weights and patches.
    shares = [100 * (found[s] - plain[s]) / (top - plain[s]) for s in sorted(plain.keys() & found.keys())]
    return [
        data,
        metric.upper(),
        method,
        len(found),
        spread(list(found.values()), 3),
        "" if method == "none" or not shares else f"{spread(shares, 0)} %",
        f"{100 * mean(found.values()) / top:.1f} %",
    ]


def _names(text: str) -> list[str]:
    names = text.split("; ")
    if unknown := set(names) - set(ABLATION):
        raise argparse.ArgumentTypeError(f"unknown {sorted(unknown)}; there are {list(ABLATION)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--methods", type=_names, default=list(ABLATION), help="separated by '; '")
    parser.add_argument("--few", type=int, default=None, help="labeled images of each set; all if not given")
    parser.add_argument("--again", action="store_true", help="train nothing, score what is there once more")
    add_arguments(parser)
    args = parser.parse_args()
    prepare(args, "rehearsal" if args.rehearsal else "distillation")
    if args.again:
        _again(args)
    elif not args.print:
        _run(args)
    print(report(results(args), args))


def _run(args: argparse.Namespace) -> None:
    teacher = grd.load_model(args.teacher)
    sets = load_sets(args)
    target = args.out / "teacher.json"
    if not target.exists() and args.share.startswith("1/"):
        target.write_text(json.dumps({"scores": score(teacher, sets), "parameters": teacher.card.parameters}))
    run_all(args, plan(args), lambda run: train_one(run, teacher, sets, args))


def _again(args: argparse.Namespace) -> None:
    sets = load_sets(args)
    known = [labels for labels in few_labels(sets, args.few)[1] if labels is not None]
    partition = PartitionConfig(min_size=smallest_object(known))
    for name, found in results(args).items():
        kind = "teacher" if name == "teacher" or found["run"]["method"] == "none" else "student"
        path = args.teacher if name == "teacher" else args.out / name / f"{kind}.grd.safetensors"
        found["scores"] = score(partitioned(grd.load_model(path), partition), sets)
        (args.out / f"{name}.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
