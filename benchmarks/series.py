"""A series of trainings for a table: what they share, and how it goes on after it was killed.

Every finished run is a JSON file and every unfinished one a checkpoint.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Protocol, TypeVar

import numpy as np
import torch

import napari_grd as grd
from common import FLUORESCENCE, ORIGIN, Dataset, load


class Named(Protocol):
    """A run; its attributes are what was varied."""

    @property
    def name(self) -> str:
        """Name of its file and folder."""
        ...


Run = TypeVar("Run", bound=Named)


def add_arguments(parser: argparse.ArgumentParser, *, sets: Sequence[str] = FLUORESCENCE, steps: int = 1000) -> None:
    """The flags of every series."""
    parser.add_argument("--sets", nargs="+", default=list(sets), choices=list(ORIGIN))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--rehearsal", action="store_true", help="hold out training images, leave validation unread")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--cache", type=Path, default=Path("runs/teacher-cache"))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--share", default="1/1", help="i/n: do every n-th run, to use several processes")
    parser.add_argument("--print", action="store_true", help="only print what is there")


def prepare(args: argparse.Namespace, kind: str) -> None:
    """Set threads and make the output folder, ``runs/KIND/SETS`` by default."""
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.out is None:
        args.out = Path("runs") / kind / "+".join(args.sets)
    args.out.mkdir(parents=True, exist_ok=True)


def load_sets(args: argparse.Namespace) -> list[Dataset]:
    """The sets that were asked for."""
    return [load(name, rehearsal=args.rehearsal) for name in args.sets]


def run_all(args: argparse.Namespace, runs: Sequence[Run], work: Callable[[Run], dict[str, Any]]) -> None:
    """Do this process's share of what is not done yet."""
    index, count = (int(part) for part in args.share.split("/"))
    for run in runs[index - 1 :: count]:
        target = args.out / f"{run.name}.json"
        if not target.exists():
            found = {"run": vars(run)} | work(run)
            temporary = target.with_suffix(".tmp")
            temporary.write_text(json.dumps(found, indent=1))
            temporary.rename(target)


def results(args: argparse.Namespace) -> dict[str, Any]:
    """What is there, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(args.out.glob("*.json"))}


def few_labels(sets: Sequence[Dataset], count: int | None) -> tuple[list[Any], list[Any]]:
    """Training images of all sets, and labels of so many of each; None: of all."""
    images: list[Any] = []
    labels: list[Any] = []
    for data in sets:
        number = len(data.train) if count is None else count
        # The labeled images are drawn once: seeds differ in the student, not in the task.
        chosen = set(np.random.default_rng(0).choice(len(data.train), number, replace=False).tolist())
        for i, (image, known) in enumerate(data.train):
            images.append(image)
            labels.append(known if i in chosen else None)
    return images, labels


def labeled_only(images: Sequence[Any], labels: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """The images that have labels, with them."""
    known = [(image, found) for image, found in zip(images, labels, strict=True) if found is not None]
    return [image for image, _ in known], [found for _, found in known]


def say(name: str) -> Callable[[Any], None]:
    """A listener that prints the loss now and then."""

    def on_event(event: Any) -> None:
        if isinstance(event, grd.StepMetrics) and event.step % 50 == 0:
            print(f"{name}: step {event.step}, loss {event.values.get('loss', float('nan')):.3f}", flush=True)

    return on_event


def spread(found: Sequence[float], digits: int) -> str:
    """Mean and standard deviation as they stand in a table."""
    deviation = f" ± {stdev(found):.{digits}f}" if len(found) > 1 else ""
    return f"{mean(found):.{digits}f}{deviation}"
