"""Train teachers and students of all domains side by side on a GPU, within some minutes.

    GRD_DATA=... python benchmarks/gpu.py --minutes 9 --out runs/gpu
    GRD_DATA=... python benchmarks/gpu.py --score --out runs/gpu

Each task is a process: the teachers, students trained on labels alone and students distilled from the teachers (the
candidates for the built-in models), the students of few labels with their controls, and the student networks. What is
finished stays, so the same command goes on with the rest. ``--score`` scores the models that are there on validation
images, which no training saw, and prints the tables; it needs no GPU. ``--tasks`` names some of them only (``--tasks
labels/yeast`` is feasible on a CPU), ``--miniature`` takes tiny networks, for a test on a CPU.

The many small kernels of a step keep a core busy, so that more tasks than cores (``--jobs``) slow each other down.
Start CUDA's Multi-Process Service first (``nvidia-cuda-mps-control -d``): without it, processes take turns on the GPU.

Besides PyTorch with CUDA, the machine needs: annotated-types, dask (with locket, partd, toolz), lightning-fabric,
lightning-utilities, numba, numcodecs, pillow, platformdirs, psutil, pydantic, pydantic-core, pyyaml, roifile,
safetensors, scikit-image, scipy, tifffile, tqdm, typing-inspection, zarr (with donfig, google-crc32c).
"""

import argparse
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import napari_grd as grd
import volumes
from common import FLUORESCENCE, ORIGIN, load, score
from distillation import OFF
from domains import DOMAINS, PATCH, domain_pairs, simulate
from napari_grd.config import AugmentConfig, DistillConfig, LossWeights, NetworkConfig, OptimConfig, TrainConfig
from napari_grd.jobs import drain
from napari_grd.models.resunet import TEACHER_WIDTHS
from napari_grd.teaching.embedding import EmbeddingTeacher
from reporting import table
from series import few_labels, labeled_only, spread

MIDDLE_WIDTHS = (16, 32, 64, 128, 256)  # 4.7 M parameters
NETWORKS = {  # the students that are compared, by the name of their files
    "resunet": NetworkConfig(),
    "subpixel_unet": NetworkConfig(name="subpixel_unet"),
    "refined_unet": NetworkConfig(name="refined_unet"),
}
MALA_TEACHER = "mala:12,60,300,1500"  # 84.0 M parameters
FEW = 5  # labeled images
GAP_STEPS = 4000
NETWORK_STEPS = 4000
ARMS = {"none": None, "instances": OFF, "all": LossWeights()}


@dataclass(frozen=True)
class Task:
    """A process of its own.

    Attributes
    ----------
    name : str
        Kind, then what is trained; also the name of the result.
    needs : tuple of str
        Tasks whose results it reads.
    """

    name: str
    needs: tuple[str, ...] = ()


def plan() -> list[Task]:
    """All tasks, the most important first."""
    tasks = [Task("simulate")]
    tasks += [Task(f"teacher/{name}", ("simulate",)) for name in DOMAINS]
    tasks += [Task("teacher/tissue-middle", ("simulate",))]
    tasks += [Task(f"labels/{name}", ("simulate",)) for name in DOMAINS]
    tasks += [Task(f"student/{name}", (f"teacher/{name}",)) for name in DOMAINS]
    tasks += [Task("ask/tissue", ("teacher/tissue",)), Task("ask/tissue-middle", ("teacher/tissue-middle",))]
    for seed in range(3):
        tasks += [Task(f"few/tissue/none/{seed}")]
        tasks += [Task(f"few/tissue/{arm}/{seed}", ("ask/tissue",)) for arm in ("instances", "all")]
    for seed in range(3):
        tasks += [Task(f"few/tissue-middle/{arm}/{seed}", ("ask/tissue-middle",)) for arm in ("instances", "all")]
    tasks += [Task(f"network/{name}/{seed}") for seed in range(3) for name in NETWORKS]
    for seed in range(3):
        tasks += [Task(f"many/tissue/none/{seed}")]
        tasks += [Task(f"many/tissue/all/{seed}", ("ask/tissue",))]
    tasks += [Task("volume/neurites/teacher")]
    for seed in range(3):
        tasks += [Task(f"volume/neurites/none/{seed}")]
        tasks += [Task(f"volume/neurites/{arm}/{seed}", ("volume/neurites/teacher",)) for arm in ("instances", "all")]
    return tasks


class Workshop:
    """Does the tasks, in a folder.

    Parameters
    ----------
    args : argparse.Namespace
        The command's arguments.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        self.out: Path = args.out
        self._until: float = args.until
        self.miniature: bool = args.miniature
        self.workers: int = args.workers
        self.steps_scale = 0.002 if args.miniature else 1.0

    @property
    def minutes(self) -> float:
        """Time left, of which some goes to reading and normalizing the images."""
        return max(0.05, (self._until - time.time()) / 60)

    def result(self, name: str) -> Path:
        """File that shows that a task is finished."""
        if name == "simulate":
            return self.out / "simulated.npz"
        if name.startswith("volume/"):
            _, domain, *run = name.split("/")
            return self.out / "volumes" / domain / f"{'-'.join(run)}.grd.safetensors"
        if name.startswith("ask/"):
            return self.out / f"{name.replace('/', '-')}.done"
        return self.out / f"{name.replace('/', '-')}.grd.safetensors"

    def do(self, name: str) -> None:
        """Do a task."""
        kind, *rest = name.split("/")
        {
            "simulate": self._simulate,
            "teacher": self._teacher,
            "labels": self._labels,
            "student": self._student,
            "network": self._network,
            "ask": self._ask,
            "few": self._few,
            "many": self._few,
            "volume": self._volume,
        }[kind](name, *rest)

    def _simulate(self, name: str) -> None:
        count = max(domain.simulated for domain in DOMAINS.values())
        if self.miniature:
            drawn = [simulate(number) for number in range(4)]
        else:
            with multiprocessing.get_context("spawn").Pool() as pool:
                drawn = pool.map(simulate, range(count), chunksize=4)
        with self.result(name).with_suffix(".part").open("wb") as file:
            np.savez(file, images=np.stack([image for image, _ in drawn]), labels=np.stack([each for _, each in drawn]))
        Path(file.name).rename(self.result(name))

    def _teacher(self, name: str, domain: str) -> None:
        base, _, size = domain.partition("-")
        widths = (4, 8, 16, 32, 64) if self.miniature else MIDDLE_WIDTHS if size else TEACHER_WIDTHS
        config = TrainConfig(
            network=NetworkConfig(widths=widths),
            minutes=self.minutes,
            optim=OptimConfig(lr=1e-3, ema=0.998),
            augment=DOMAINS[base].augment,
            **self._batch(8, PATCH),
        )
        images, labels = self._pairs(base)
        self._keep(name, grd.train(images, labels, config, validation=0.0, **self._how(name, base)), base)

    def _labels(self, name: str, domain: str) -> None:
        config = TrainConfig(
            steps=self._steps(GAP_STEPS),
            optim=OptimConfig(ema=0.998),
            augment=DOMAINS[domain].augment,
            **self._batch(4, 128),
        )
        images, labels = self._pairs(domain)
        self._keep(name, grd.train(images, labels, config, validation=0.0, **self._how(name, domain)), domain)

    def _student(self, name: str, domain: str) -> None:
        config = DistillConfig(
            minutes=self.minutes,
            online=True,
            augment=DOMAINS[domain].augment,
            optim=OptimConfig(ema=0.998),
            **self._batch(8, 128),
        )
        images, labels = self._pairs(domain)
        teacher = self.result(f"teacher/{domain}")
        model = grd.distill(teacher, images, labels, config, validation=0.0, **self._how(name, domain))
        self._keep(name, model, domain)

    def _network(self, name: str, network: str, seed: str) -> None:
        sets = [load(each) for each in FLUORESCENCE]
        known = [pair for data in sets for pair in data.train if min(pair[1].shape) >= PATCH]
        config = DistillConfig(
            network=NETWORKS[network],
            steps=self._steps(NETWORK_STEPS),
            seed=int(seed),
            online=True,
            augment=AugmentConfig(scale=0.5),
            weights=LossWeights(agd=2, node=0.02, edge=0.1, agd_inter=0.8, igd_inter=0.2),
            **self._batch(4, 128),
        )
        model = grd.distill(
            "nuclei-teacher",
            [image for image, _ in known],
            [labels for _, labels in known],
            config,
            validation=0.0,
            **self._how(name, "nuclei"),
        )
        self._keep(name, model, *FLUORESCENCE)

    def _ask(self, name: str, teacher: str) -> None:
        from napari_grd.data.inputs import as_image
        from napari_grd.distillation.teacher_cache import TeacherCache

        images = [as_image(image, "yxc") for image, _ in load("dsb2018_histology_rgb").train]
        model = grd.load_model(self.result(f"teacher/{teacher}"))
        drain(TeacherCache(self._cache(teacher), EmbeddingTeacher(model)).fill(images))
        self.result(name).touch()

    def _few(self, name: str, teacher: str, arm: str, seed: str) -> None:
        data = load("dsb2018_histology_rgb")
        images, labels = few_labels([data], FEW if name.startswith("few/") else None)
        common = {"steps": self._steps(GAP_STEPS), "seed": int(seed), **self._batch(4, 128)}
        if (weights := ARMS[arm]) is None:
            model = grd.train(
                *labeled_only(images, labels), TrainConfig(**common), validation=0.0, **self._how(name, "tissue")
            )
        else:
            config = DistillConfig(**common, weights=weights, online=True)
            found = grd.load_model(self.result(f"teacher/{teacher}"))
            model = grd.distill(
                found,
                images,
                labels,
                config,
                validation=0.0,
                cache_dir=self._cache(teacher),
                **self._how(name, "tissue"),
            )
        self._keep(name, model, "tissue")

    def _volume(self, name: str, domain: str, arm: str, seed: str = "0") -> None:
        flags = ["--domain", domain, "--out", str(self.result(name).parent), "--steps", str(self._steps(GAP_STEPS))]
        flags += ["--workers", str(self.workers), "--teacher", MALA_TEACHER, "--minutes", str(self.minutes)]
        flags += ["--patch", "56", "--depth", "25", "--batch", "2"]
        if self.miniature:
            flags += [
                "--teacher",
                "resunet3d:2,2,2,2,2",
                "--batch",
                "1",
                "--patch",
                "32",
                "--depth",
                "8",
                "--steps",
                "2",
            ]
        volumes.keep(volumes.parse(flags), volumes.Run(arm, int(seed)))

    def _pairs(self, domain: str) -> tuple[list[Any], list[Any]]:
        found = list(domain_pairs(domain, self.result("simulate")))[:: 20 if self.miniature else 1]
        return [image for image, _ in found], [labels for _, labels in found]

    def _steps(self, steps: int) -> int:
        return max(2, round(self.steps_scale * steps))

    def _batch(self, batch: int, patch: int) -> dict[str, int]:
        size = (2, 64) if self.miniature else (batch, patch)
        return {"batch": size[0], "patch": size[1], "workers": self.workers}

    def _cache(self, teacher: str) -> Path:
        return self.out / "cache" / teacher

    def _how(self, name: str, domain: str) -> dict[str, Any]:
        folder = self.out / "runs" / name.replace("/", "-")
        return {"axes": "yxc" if DOMAINS[domain].rgb else "yx", "out_dir": folder, "on_event": _print_rate()}

    def _keep(self, name: str, model: grd.Model, *trained_on: str) -> None:
        sets = [data for each in trained_on for data in (DOMAINS[each].sets if each in DOMAINS else [each])]
        model = model.with_card(name=name.replace("/", "-"), trained_on=tuple(ORIGIN[each] for each in sets))
        grd.save_model(model, self.result(name))


def _print_rate() -> Callable[[Any], None]:
    began = time.monotonic()
    first: list[float] = []

    def on_event(event: Any) -> None:
        if isinstance(event, grd.StepMetrics):
            first[:] = first or [time.monotonic(), event.step]
            if event.step % 100 == 0:
                now = time.monotonic()
                rate = (event.step - first[1]) / max(now - first[0], 1e-9)
                loss = event.values.get("loss", float("nan"))
                print(f"{now - began:.0f} s, step {event.step}, {rate:.1f} steps/s, loss {loss:.3f}", flush=True)

    return on_event


def run(args: argparse.Namespace) -> list[str]:
    """Start the tasks as processes, as many at once as ``--jobs``, until the time is over."""
    shop = Workshop(args)
    tasks = [task for task in plan() if not args.tasks or any(task.name.startswith(each) for each in args.tasks)]
    missing = {need for task in tasks for need in task.needs if not shop.result(need).exists()}
    if missing := missing - {task.name for task in tasks}:
        sys.exit(f"Add to --tasks what others need: {' '.join(sorted(missing))}.")
    begin, limit = time.monotonic(), 60 * args.minutes
    running: dict[str, subprocess.Popen[bytes]] = {}
    failed: set[str] = set()
    (args.out / "logs").mkdir(parents=True, exist_ok=True)
    while True:
        passed = time.monotonic() - begin
        for name, process in list(running.items()):
            if process.poll() is not None:
                del running[name]
                print(f"{passed:.0f} s: {name} ended with {process.returncode}", flush=True)
                if process.returncode:
                    failed.add(name)
        closed = failed | set(running)
        left = [task for task in tasks if not shop.result(task.name).exists() and task.name not in closed]
        ready = [task for task in left if all(shop.result(need).exists() for need in task.needs)]
        if passed > limit or not (ready or running):
            break
        if passed < limit - args.least:
            for task in ready[: max(0, args.jobs - len(running))]:
                end = args.teachers * limit if task.name.startswith("teacher/") else limit - args.spare
                running[task.name] = _start(task.name, time.time() + end - passed, args)
                print(f"{passed:.0f} s: {task.name} started", flush=True)
        time.sleep(0.2)
    for process in running.values():
        process.send_signal(signal.SIGTERM)
    for name, process in running.items():
        process.wait()
        print(f"{name} was stopped", flush=True)
    done = [task.name for task in tasks if shop.result(task.name).exists()]
    print(f"{len(done)} of {len(tasks)} tasks are finished; failed: {', '.join(sorted(failed)) or 'none'}")
    return done


def _start(name: str, until: float, args: argparse.Namespace) -> "subprocess.Popen[bytes]":
    command = [sys.executable, __file__, "--task", name, "--until", str(until), "--out", str(args.out)]
    command += ["--workers", str(args.workers)] + (["--miniature"] if args.miniature else [])
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    log = args.out / "logs" / f"{name.replace('/', '-')}.log"
    with log.open("ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | one_thread)


def report(args: argparse.Namespace) -> None:
    """Score the models that are there, and print the tables."""
    scores_path = args.out / "scores.json"
    known: dict[str, Any] = json.loads(scores_path.read_text()) if scores_path.exists() else {}
    shop = Workshop(args)
    for task in plan():
        path = shop.result(task.name)
        is_volume = task.name.startswith("volume/")  # volumes.py --print scores these
        if path.suffix == ".safetensors" and path.exists() and task.name not in known and not is_volume:
            kind, subject = task.name.split("/")[:2]
            domain = {"network": "nuclei"}.get(kind, subject.partition("-")[0])
            sets = FLUORESCENCE if kind == "network" else tuple(DOMAINS[domain].sets)
            known[task.name] = score(grd.load_model(path), [load(each) for each in sets])
            scores_path.write_text(json.dumps(known, indent=1))
            print(task.name, json.dumps(known[task.name]), flush=True)
    rows = [
        [name, data, *(f"{values[metric]:.3f}" for metric in ("ap50", "aji", "pq"))]
        for name, found in known.items()
        if name.split("/")[0] in ("teacher", "labels", "student")
        for data, values in found.items()
    ]
    print(table(["model", "set", "AP50", "AJI", "PQ"], rows))
    groups: dict[tuple[str, str], list[dict[str, float]]] = {}
    for name, found in known.items():
        if name.count("/") >= 2:
            for data, values in found.items():
                groups.setdefault((name.rpartition("/")[0], data), []).append(values)
    rows = [
        [name, data, str(len(found)), *(spread([each[metric] for each in found], 3) for metric in ("ap50", "aji"))]
        for (name, data), found in groups.items()
    ]
    print(table(["students", "set", "seeds", "AP50", "AJI"], rows))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--minutes", type=float, default=9.0, help="time for everything")
    # Reading the images and, at the end, measuring their objects took up to 80 seconds with 22 tasks on 16 cores.
    parser.add_argument("--teachers", type=float, default=0.25, help="share of the time after which teachers end")
    parser.add_argument("--spare", type=float, default=75.0, help="seconds before the end at which students end")
    parser.add_argument("--least", type=float, default=60.0, help="seconds before the end when nothing is started")
    parser.add_argument("--jobs", type=int, default=16, help="processes at the same time")
    parser.add_argument("--workers", type=int, default=1, help="processes of each that draw patches ahead")
    parser.add_argument("--tasks", nargs="*", help="only those whose names begin so")
    parser.add_argument("--miniature", action="store_true", help="tiny networks and few steps, to test the script")
    parser.add_argument("--score", action="store_true", help="score what is there, train nothing")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--until", type=float, default=0.0, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    args.out = args.out.resolve()
    return args


def main() -> None:
    args = parse()
    if args.task:
        Workshop(args).do(args.task)
    elif args.score:
        report(args)
    else:
        run(args)


if __name__ == "__main__":
    main()
