"""How much of the gap between teacher and student does distillation close?

    GRD_DATA=... python benchmarks/distillation.py --teacher runs/teacher/teacher.grd.safetensors

Trains ResUNet-tiny with and without the teacher at equal steps, on the two
fluorescence sets, and scores it on their validation images, which take no
part in any training: there is no early stopping, the last averaged weights
count. Three regimes of labels; the ablation is run in one of them.

Every finished run is a JSON file and every unfinished one a checkpoint, so a
killed table goes on where it stopped. ``--print`` shows what is there.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch

import napari_grd.api as grd
from common import TRAINED_ON, Dataset, load, score
from napari_grd.config import DistillConfig, LossWeights, TrainConfig
from reporting import hardware, table

SETS = tuple(TRAINED_ON)
OFF = LossWeights(agd=0, node=0, edge=0, agd_inter=0, igd_inter=0, teacher_foreground=0)
ABLATION = {
    "none": None,
    "foreground only": OFF.replace(teacher_foreground=1),
    "AGD intra": LossWeights(node=0, edge=0, agd_inter=0, igd_inter=0),
    "IGD intra": LossWeights(agd=0, agd_inter=0, igd_inter=0),
    "both intra": LossWeights(agd_inter=0, igd_inter=0),
    "all four": LossWeights(),
    "all four, balanced": LossWeights(agd=2, agd_balanced=True),
}
COMPARED = ("none", "all four", "all four, balanced")
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Run:
    """One student."""

    method: str  # a key of ABLATION
    labelled: int | None  # labelled images of each set; None: all
    seed: int
    steps: int

    @property
    def name(self) -> str:
        labels = "all" if self.labelled is None else str(self.labelled)
        return f"{self.method.replace(', ', '-').replace(' ', '-')}_{labels}-labels_{self.steps}-steps_seed-{self.seed}"


def plan(steps: int, few: int) -> list[Run]:
    """All runs, the most telling first."""
    runs = [Run(m, few, seed, steps) for seed in SEEDS for m in COMPARED]
    runs += [Run(m, few, 0, steps) for m in ABLATION]
    runs += [Run(m, None, seed, steps) for seed in SEEDS for m in COMPARED]
    return list(dict.fromkeys(runs))


def train_one(run: Run, teacher: grd.Model, sets: list[Dataset], out: Path, cache: Path) -> dict[str, Any]:
    """Train a student and score it on every set."""
    images, labels = _training_data(run, sets)
    weights = ABLATION[run.method]
    folder = out / run.name
    options = {"validation": 0.0, "out_dir": folder, "on_event": _report(run)}
    if weights is None:
        known = [(i, x) for i, x in zip(images, labels, strict=True) if x is not None]
        config = TrainConfig(steps=run.steps, seed=run.seed, device="cpu")
        model = grd.train([i for i, _ in known], [x for _, x in known], config, **options)
    else:
        config = DistillConfig(steps=run.steps, seed=run.seed, device="cpu", weights=weights)
        model = grd.distill(teacher, images, labels, config, cache_dir=cache, **options)
    return {"run": vars(run), "scores": score(model, sets)}


def _training_data(run: Run, sets: list[Dataset]) -> tuple[list[Any], list[Any]]:
    images: list[Any] = []
    labels: list[Any] = []
    for data in sets:
        count = len(data.train) if run.labelled is None else run.labelled
        # The labelled images are drawn once: seeds differ in the student, not in the task.
        chosen = set(np.random.default_rng(0).choice(len(data.train), count, replace=False).tolist())
        for i, (image, known) in enumerate(data.train):
            images.append(image)
            labels.append(known if i in chosen else None)
    return images, labels


def _report(run: Run) -> Any:
    def on_event(event: Any) -> None:
        if isinstance(event, grd.Metrics) and event.step % 50 == 0:
            print(f"{run.name}: step {event.step}, loss {event.values.get('loss', float('nan')):.3f}", flush=True)

    return on_event


def report(results: dict[str, Any], few: int) -> str:
    """The tables that docs/benchmarks.md shows."""
    teacher = results["teacher"]["scores"]
    runs = [r for name, r in results.items() if name != "teacher"]
    text = [hardware(), "", "Share of the gap closed (mean ± standard deviation over seeds)", ""]
    rows = []
    for labelled in (few, None):
        for method in COMPARED[1:]:
            for data in SETS:
                for metric in ("ap50", "aji"):
                    rows.append(_gap_row(runs, teacher, labelled, method, data, metric))
    header = [
        "labelled images a set",
        "distilled with",
        "set",
        "metric",
        "teacher",
        "undistilled",
        "distilled",
        "share",
        "of teacher",
    ]
    text += [
        table(header, [row for row in rows if row], digits=3),
        "",
        f"Ablation, {few} labelled images a set, seed 0",
        "",
    ]
    rows = []
    for method in ABLATION:
        for r in runs:
            if r["run"]["method"] == method and r["run"]["labelled"] == few and r["run"]["seed"] == 0:
                rows.append([method, *(r["scores"][data][m] for data in SETS for m in ("ap50", "aji"))])
    text.append(table(["terms", *(f"{data} {m}" for data in SETS for m in ("AP50", "AJI"))], rows, digits=3))
    return "\n".join(text)


def _gap_row(runs: list[Any], teacher: Any, labelled: int | None, how: str, data: str, metric: str) -> list[Any] | None:
    def values(method: str) -> dict[int, float]:
        return {
            r["run"]["seed"]: r["scores"][data][metric]
            for r in runs
            if r["run"]["method"] == method and r["run"]["labelled"] == labelled
        }

    plain, distilled = values("none"), values(how)
    seeds = sorted(plain.keys() & distilled.keys())
    if len(seeds) < 2:
        return None
    top = teacher[data][metric]
    shares = [(distilled[s] - plain[s]) / (top - plain[s]) for s in seeds]

    def spread(found: list[float]) -> str:
        return f"{mean(found):.3f} ± {stdev(found):.3f}"

    return [
        "all" if labelled is None else labelled,
        how,
        data,
        metric.upper(),
        top,
        spread([plain[s] for s in seeds]),
        spread([distilled[s] for s in seeds]),
        f"{100 * mean(shares):.0f} ± {100 * stdev(shares):.0f} %",
        f"{100 * mean(distilled[s] for s in seeds) / top:.1f} %",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/distillation"))
    parser.add_argument("--cache", type=Path, default=Path("runs/teacher-cache"))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--few", type=int, default=5, help="labelled images of each set in the hard regime")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--share", default="1/1", help="i/n: do every n-th run, to use several processes")
    parser.add_argument("--print", action="store_true", help="only print what is there")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.print:
        teacher = grd.load_model(args.teacher)
        sets = [load(name) for name in SETS]
        target = args.out / "teacher.json"
        index, count = (int(part) for part in args.share.split("/"))
        if not target.exists() and index == 1:
            target.write_text(json.dumps({"scores": score(teacher, sets), "parameters": teacher.card.parameters}))
        for run in plan(args.steps, args.few)[index - 1 :: count]:
            target = args.out / f"{run.name}.json"
            if not target.exists():
                target.write_text(json.dumps(train_one(run, teacher, sets, args.out, args.cache), indent=1))
    results = {path.stem: json.loads(path.read_text()) for path in sorted(args.out.glob("*.json"))}
    print(report(results, args.few))


if __name__ == "__main__":
    main()
