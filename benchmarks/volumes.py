"""What distillation brings in volumes: teacher, students with and without it, every partition, several seeds.

    GRD_DATA=... python benchmarks/volumes.py --domain neurites --out runs/volumes
    GRD_DATA=... python benchmarks/volumes.py --domain neurites --out runs/volumes --print

The arms are a student trained on the labels alone (``none``), one that learns from the teacher's instances
(``instances``), and one that is distilled (``all``). Each is scored on volumes that nothing was trained on, by each
partition. The share of the gap is (none - arm) / (none - teacher), in VOI.

``--teacher mala:12,60,300,1500`` is the paper's teacher of 84 million parameters, which needs a GPU (``--device cuda``,
``--minutes 5``); the default can be trained on a CPU. ``--finish`` gives a trained model its card, for
``src/napari_grd/builtin``. What is finished stays, so the same command goes on
with the rest.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import napari_grd as grd
from distillation import OFF
from napari_grd.config import AugmentConfig, DistillConfig, LossWeights, NetworkConfig, OptimConfig, TrainConfig
from napari_grd.data.kinds import VOLUME
from napari_grd.data.simulate_stack import nuclei_stack
from napari_grd.distillation.prepare import object_diameter
from napari_grd.inference.rescale import rescale_image, rescale_labels
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.models.model import count_parameters
from reporting import hardware, table
from series import results, say, spread

Volume = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
ARMS = {"none": None, "instances": OFF, "all": LossWeights()}
PARTITIONS = ("mutex", "agglomeration", "multicut")
SIMULATED = 72  # stacks


@dataclass(frozen=True)
class Domain:
    """Volumes of one kind.

    Attributes
    ----------
    anisotropy : float
        Distance of the planes divided by the pixel size.
    background : str
        What label 0 is.
    origin : tuple of str
        Where the images come from, as the cards of models say it.
    summary, limits : str
        What a model of them is for, and what it cannot do, for its card.
    """

    anisotropy: float
    background: str
    origin: tuple[str, ...]
    summary: str
    limits: str


DOMAINS = {
    "neurites": Domain(
        1.0,
        "ignore",
        (
            "FIB-25 (FlyEM project, Janelia), FIB-SEM of Drosophila medulla, CC BY",
            "gala example data (Copyright 2012 HHMI), FIB-SEM of Drosophila neuropil, BSD-3-Clause-like",
        ),
        "Neurites in volumes of electron microscopy, isotropic voxels of about 10 nm, one channel; no background",
        "Trained on two small volumes of Drosophila: expect merged neurites. Other tissues, voxel sizes and serial"
        " sections need a model of their own. No mitochondria, no background.",
    ),
    "nuclei-3d": Domain(
        1.0,
        "class",
        (
            "simulated stacks of nuclei (napari_grd.data.simulate_stack)",
            "PlantSeg (Wolny et al. 2020), confocal stack of plant nuclei, MIT",
        ),
        "Nuclei in fluorescence volumes (confocal, light sheet), one channel, bright on dark",
        "Trained on simulated stacks and one real volume. Give the diameter of the nuclei if it is not about 16 pixels,"
        " and the distance of the planes. Outlines of faint nuclei are too narrow.",
    ),
}
PLANT = 0.284 / 0.127  # anisotropy
EMBRYO = 1.75 / 0.8
EMBRYOS = ("Emb01_t401", "Emb01_t501", "Emb06_t501", "Emb11_t501")  # of the validation part of bbbc050
NUCLEUS = 18.0  # diameter in voxels to which the stack of plant nuclei is resampled


@dataclass(frozen=True, eq=False)
class Held:
    """A volume that nothing was trained on, with what its user knows: anisotropy, and the diameter of objects."""

    image: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    anisotropy: float | None = None
    diameter: float | None = None


@dataclass(frozen=True)
class Run:
    """A student."""

    arm: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its file and folder."""
        return self.arm if self.arm == "teacher" else f"{self.arm}-{self.seed}"


def load(folder: str, stem: str) -> Volume:
    """A volume of the folder ``GRD_DATA``, with its labels."""
    root = os.environ.get("GRD_DATA")
    if not root:
        sys.exit("Set GRD_DATA to the folder of real images, e.g. GRD_DATA=/data/grd.")
    image = np.asarray(read_image(Path(root) / folder / "images" / f"{stem}.tif").pixels)
    return image, np.asarray(read_label_image(Path(root) / folder / "labels" / f"{stem}.tif"))


def volumes(domain: str) -> tuple[list[Volume], dict[str, Held]]:
    """Training volumes, and validation volumes by name; the split is the same for everybody."""
    if domain == "neurites":
        image, labels = load("fib25_em3d", "fib25_ts2_z000-169")
        held = {
            "fib25_em3d": Held(image[140:], labels[140:]),
            "gala_fibsem_em3d": Held(*load("gala_fibsem_em3d", "gala_example")),
        }
        return [(image[:130], labels[:130]), load("gala_fibsem_em3d", "gala_train")], held
    image, labels = load("plantseg_ovule_nuclei3d", "n1135_mini")
    cut = len(image) * 2 // 3
    diameter = object_diameter([labels[:cut]], PLANT)
    factor = NUCLEUS / diameter
    plant = resampled((image[:cut], labels[:cut]), (PLANT * factor, factor, factor))
    simulated = [simulate(seed) for seed in range(SIMULATED)]
    held = {"plantseg_ovule_nuclei3d": Held(image[cut:], labels[cut:], PLANT, diameter)}
    for stem in EMBRYOS:  # for measuring only
        held[f"bbbc050 {stem}"] = Held(*load("bbbc050_nuclei3d", stem), EMBRYO)
    return [plant] * (SIMULATED // 4) + simulated, held


def simulate(seed: int) -> Volume:
    """A stack of nuclei of random size, density and quality, whose planes are 1 to 4 pixels apart, made isotropic."""
    rng = np.random.default_rng([3, seed])
    radius = rng.uniform(6.5, 12.0)
    spacing = rng.uniform(1.0, 4.0)
    kind = replace(
        VOLUME,
        radius=radius,
        pixels_each=round(4.2 * radius**3 / spacing * np.exp(rng.uniform(np.log(1.2), np.log(8.0)))),
        size_spread=rng.uniform(0.08, 0.3),
        brightness_spread=rng.uniform(0.1, 0.9),
        elongation=rng.uniform(1.05, 2.4),
        clumped=rng.uniform(0.1, 0.9),
        brightness=np.exp(rng.uniform(np.log(15.0), np.log(400.0))),
        texture=rng.uniform(0.3, 2.0),
        blur=rng.uniform(0.7, 2.0),
        glow=rng.uniform(0.02, 0.25),
        shading=rng.uniform(0.0, 0.3),
        background=rng.uniform(1.0, 40.0),
    )
    shape = (round(72 / spacing), 96, 96)
    volume = nuclei_stack(
        rng, shape, kind=kind, spacing=spacing, blur_z=rng.uniform(1.0, 4.0), fading=rng.uniform(0.0, 0.8)
    )
    return resampled(volume, (spacing, 1.0, 1.0))


def resampled(volume: Volume, factors: Sequence[float]) -> Volume:
    """A volume at another voxel size."""
    image, labels = volume
    shape = tuple(round(size * factor) for size, factor in zip(image.shape, factors, strict=True))
    whole = rescale_image(image[None].astype(np.float32), shape)[0]
    return whole, rescale_labels(labels.astype(np.uint32), shape)


def network(text: str) -> NetworkConfig:
    """A network from its name and widths, ``mala:12,60,300,1500``."""
    name, _, widths = text.partition(":")
    return NetworkConfig(name=name, widths=tuple(map(int, widths.split(","))) if widths else None)


def settings(args: argparse.Namespace, seed: int, chosen: str, minutes: float | None) -> dict[str, Any]:
    """The settings that teacher and students share."""
    domain = DOMAINS[args.domain]
    return {
        "network": network(chosen),
        "steps": args.steps,
        "minutes": minutes,
        "seed": seed,
        "batch": args.batch,
        "patch": args.patch,
        "patch_depth": args.depth,
        "anisotropy": domain.anisotropy,
        "background": domain.background,
        "optim": OptimConfig(lr=args.lr, ema=0.99),
        "augment": AugmentConfig(),
        "device": args.device,
        "workers": args.workers,
    }


def teacher_of(args: argparse.Namespace) -> grd.Model:
    """The teacher: of a file, or trained."""
    path: Path = args.out / "teacher" / "teacher.grd.safetensors"
    if not path.exists():
        images, labels = zip(*volumes(args.domain)[0], strict=True)
        config = TrainConfig(**settings(args, 0, args.teacher, args.minutes))
        grd.train(
            list(images), list(labels), config, axes="zyx", validation=0.0, out_dir=path.parent, on_event=say("teacher")
        )
    return grd.load_model(path)


def train(args: argparse.Namespace, run: Run) -> grd.Model:
    """A student of one arm and seed."""
    images, labels = map(list, zip(*volumes(args.domain)[0], strict=True))
    how: dict[str, Any] = {"axes": "zyx", "validation": 0.0, "out_dir": args.out / run.name, "on_event": say(run.name)}
    common = settings(args, run.seed, args.student, None)
    if (weights := ARMS[run.arm]) is None:
        return grd.train(images, labels, TrainConfig(**common), start=args.start, **how)
    config = DistillConfig(**common, weights=weights)
    known = labels if run.arm == "all" else None
    return grd.distill(teacher_of(args), images, known, config, cache_dir=args.out / "cache", **how)


def scores(
    model: grd.Model, domain: str, methods: Sequence[str] = PARTITIONS
) -> dict[str, dict[str, dict[str, float]]]:
    """Scores by partition and validation volume, with the seconds from image to labels."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for method in methods:
        config = grd.SegmentConfig(partition=model.config.partition.replace(method=method))
        for name, held in volumes(domain)[1].items():
            known = config.replace(anisotropy=held.anisotropy, object_diameter=held.diameter or "auto")
            start = time.perf_counter()
            got = grd.segment(model, held.image, known, axes="zyx")
            seconds = time.perf_counter() - start
            each = grd.evaluate(reference=held.labels, labels=got)
            found.setdefault(method, {})[name] = {
                "voi_split": each.voi_split,
                "voi_merge": each.voi_merge,
                "arand": each.arand,
                "ap50": each.ap50,
                "seconds": seconds,
            }
    return found


def finish(args: argparse.Namespace) -> None:
    """Write a trained model with its partition and its card, scored on the validation volumes."""
    model = grd.load_model(args.finish)
    known = DOMAINS[args.domain]
    partition = model.config.partition.replace(method=args.method)
    if known.background != "class":
        partition = partition.replace(fragment_ratio=0)
    model = replace(model, config=model.config.replace(partition=partition))
    found = scores(model, args.domain, (args.method,))[args.method]
    keys = ("ap50", "arand", "voi_split", "voi_merge")
    model = model.with_card(
        name=args.domain,
        kind="student",
        version=grd.__version__,
        summary=known.summary,
        limits=known.limits,
        trained_on=known.origin,
        scores={f"{name}/{key}": round(each[key], 4) for name, each in found.items() for key in keys},
    )
    print(grd.save_model(model, args.out / f"{args.domain}.grd.safetensors"))
    print(json.dumps(found, indent=1))


def report(args: argparse.Namespace) -> None:
    """Print the table."""
    known = results(args)
    rows = []
    for method in PARTITIONS:
        for name in volumes(args.domain)[1]:

            def voi(run: dict[str, Any], method: str = method, name: str = name) -> float:
                at = run["scores"][method][name]
                return float(at["voi_split"] + at["voi_merge"])

            arms = {arm: [run for key, run in known.items() if key.startswith(f"{arm}-")] for arm in ARMS}
            plain = [voi(run) for run in arms["none"]]
            teacher = [known["teacher"]] if "teacher" in known else []
            for arm, runs in {"teacher": teacher, **arms}.items():
                if not runs:
                    continue
                at = [run["scores"][method][name] for run in runs]
                total = [voi(run) for run in runs]
                gap = ""
                if arm in ("instances", "all") and plain and teacher:
                    gap = f"{_share(plain, total, voi(teacher[0])):.0%}"
                cells = [spread([each[key] for each in at], 3) for key in ("voi_split", "voi_merge", "arand", "ap50")]
                rows.append([method, name, arm, str(len(runs)), *cells, spread(total, 3), gap])
    print(hardware())
    heads = ["partition", "volume", "model", "seeds", "VOI split", "VOI merge", "ARAND", "AP50", "VOI", "share of gap"]
    print(table(heads, rows))


def _share(plain: list[float], arm: list[float], teacher: float) -> float:
    whole = float(np.mean(plain)) - teacher
    return (float(np.mean(plain)) - float(np.mean(arm))) / whole if whole else float("nan")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domain", choices=list(DOMAINS), default="neurites")
    parser.add_argument("--out", type=Path, default=Path("runs/volumes"))
    parser.add_argument("--teacher", default="subpixel_unet3d:64,128,256", help="network and widths")
    parser.add_argument("--student", default="subpixel_unet3d", help="network and widths")
    parser.add_argument(
        "--start", type=Path, default=None, help="model whose training the arm without a teacher continues"
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--minutes", type=float, default=None, help="of the teacher, instead of steps")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS))
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--depth", type=int, default=32)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw patches ahead, for a GPU")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--share", default="1/1", help="i/n: do every n-th run, to use several processes")
    parser.add_argument(
        "--finish", type=Path, default=None, help="trained model that gets its card; nothing is trained"
    )
    parser.add_argument(
        "--method", choices=PARTITIONS, default="mutex", help="of --finish, settled on training volumes"
    )
    parser.add_argument("--print", action="store_true", help="train nothing: score what is there, and print")
    return parser.parse_args(arguments)


def keep(args: argparse.Namespace, run: Run) -> None:
    """Train the model of a run, unless it is there."""
    path = args.out / f"{run.name}.grd.safetensors"
    if path.exists():
        return
    model = teacher_of(args) if run.arm == "teacher" else train(args, run)
    grd.save_model(model.with_card(name=f"{args.domain}-{run.name}", trained_on=DOMAINS[args.domain].origin), path)


def score(args: argparse.Namespace) -> None:
    """Score the models that are there and have no scores yet."""
    for path in sorted(args.out.glob("*.grd.safetensors")):
        target = args.out / f"{path.name.split('.')[0]}.json"
        if not target.exists():
            model = grd.load_model(path)
            found = {"scores": scores(model, args.domain), "parameters": count_parameters(model.network)}
            temporary = target.with_suffix(".tmp")
            temporary.write_text(json.dumps(found, indent=1))
            temporary.rename(target)


def main() -> None:
    args = parse()
    args.out = args.out / args.domain
    args.out.mkdir(parents=True, exist_ok=True)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.finish is not None:
        finish(args)
        return
    runs = [Run("teacher", 0), *(Run(arm, seed) for seed in args.seeds for arm in args.arms)]
    index, count = (int(part) for part in args.share.split("/"))
    for run in [] if args.print else runs[index - 1 :: count]:
        keep(args, run)
    score(args)
    report(args)


if __name__ == "__main__":
    main()
