"""The demonstration over several seeds: does the teacher help, and does its student come close?

    OMP_NUM_THREADS=1 python benchmarks/demo.py

Runs what ``napari-grd demo --seed SEED`` runs (images, teacher, both trainings), and prints the table of the three
models and what the bar asks. A seed draws all of its images and all randomness of the training. ``EVALUATED`` were
fixed before the recipe was settled, and are looked at once; recipes are tried with ``--seeds`` of ``REHEARSED``.
Killed, it goes on where it stopped; ``--print`` shows what is there.
"""

import argparse
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import torch

from napari_grd.demo.compare import BASELINE, STUDENT, TEACHER
from napari_grd.demo.demo import FULL, LABELED_KIND, iter_demo
from napari_grd.demo.recipe import demo_config
from napari_grd.jobs import drain
from reporting import hardware, table
from series import spread

EVALUATED = (0, 1, 2)
REHEARSED = (101, 102, 103)
LEAST_OF_TEACHER, LEAST_GAIN = 0.95, 0.03

Scores = dict[str, dict[str, float]]  # model to its row of the table


def run(seed: int, out: Path) -> None:
    """Run the demonstration of a seed, unless it was."""
    folder = out / str(seed)
    if (folder / "table.csv").exists():
        return
    wall, user = time.perf_counter(), time.process_time()
    experiment = drain(iter_demo(folder, demo_config().replace(seed=seed)))
    wall, user = time.perf_counter() - wall, time.process_time() - user
    (folder / "seconds.txt").write_text(f"{wall:.0f} {user:.0f}")
    print(f"seed {seed}: {wall:.0f} s, {user:.0f} s of CPU. {experiment.conclusion}", flush=True)


def read(seed: int, out: Path) -> Scores:
    """What a run left behind."""
    with (out / str(seed) / "table.csv").open() as file:
        return {row["model"]: {k: float(v) for k, v in row.items() if k != "model"} for row in csv.DictReader(file)}


def report(found: dict[int, Scores], out: Path) -> str:
    """The table that docs/benchmarks.md shows."""
    rows = []
    for metric in ("ap50", "aji", "sbd", "pq", "objects_in_empty"):
        digits = 0 if metric == "objects_in_empty" else 3
        for role in (TEACHER, BASELINE, STUDENT):
            values = [scores[role][metric] for scores in found.values()]
            shown = [f"{value:.{digits}f}" for value in values]
            rows.append([metric, role, *shown, spread(values, 3) if digits else f"{sum(values):.0f} in all"])
    ratios = [scores[STUDENT]["ap50"] / scores[TEACHER]["ap50"] for scores in found.values()]
    gains = [scores[STUDENT]["ap50"] - scores[BASELINE]["ap50"] for scores in found.values()]
    seconds = [(out / str(seed) / "seconds.txt").read_text().split() for seed in found]
    verdict = [
        ["distilled / teacher, AP50", f">= {LEAST_OF_TEACHER:.0%}", f"{100 * mean(ratios):.1f} %", _seeds(ratios, 3)],
        ["distilled - undistilled, AP50", f"> {LEAST_GAIN}", f"{mean(gains):.3f}", _seeds(gains, 3)],
        ["seconds", "<= 180 idle", "", ", ".join(f"{wall} ({user} of CPU)" for wall, user in seconds)],
    ]
    return "\n".join(
        [
            hardware(),
            "",
            f"{FULL.labeled} images labeled ({LABELED_KIND}), {FULL.unlabeled} not; {demo_config().steps} steps",
            "",
            table(["metric", "model", *(f"seed {seed}" for seed in found), "mean"], rows),
            "",
            table(["what", "bar", "mean", "seeds"], verdict),
        ]
    )


def _seeds(values: Sequence[float], digits: int) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(EVALUATED))
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--print", action="store_true", help="only print what is there")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for seed in [] if args.print else args.seeds:
        run(seed, args.out)
    found = {seed: read(seed, args.out) for seed in args.seeds if (args.out / str(seed) / "table.csv").exists()}
    if found:
        print(report(found, args.out))


if __name__ == "__main__":
    main()
