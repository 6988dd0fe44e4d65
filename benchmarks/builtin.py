"""Distill a built-in student and score it against its teacher, or give a trained one its card.

    GRD_DATA=... python benchmarks/builtin.py nuclei --teacher runs/teacher/teacher.grd.safetensors --undistilled
    GRD_DATA=... python benchmarks/builtin.py tissue --finish runs/gpu/labels-tissue.grd.safetensors

All training images of its sets, with their labels; the validation images only
score the result. ``--undistilled`` also trains the same network for as many
steps without a teacher. Killed, it goes on where it stopped. The file it writes
goes to ``src/napari_grd/builtin``. ``--again`` trains nothing: it takes what an
earlier run left, gives all models the partition that they would be given today,
and scores them anew. ``--finish`` does so with a model that was trained on labels
alone, by gpu.py for example.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

import napari_grd as grd
from common import FLUORESCENCE, ORIGIN, load, score
from napari_grd.config import AugmentConfig, LossWeights, PartitionConfig
from napari_grd.distillation.prepare import smallest_object
from reporting import hardware, table

# A fifth of the paper's weights for the relation terms: in a training this short they drown the class-weighted borders
# at full weight. Settled by `distillation.py --rehearsal`, on training images alone.
WEIGHTS = LossWeights(agd=2, node=0.02, edge=0.1, agd_inter=0.8, igd_inter=0.2)
Scores = dict[str, dict[str, dict[str, float]]]  # by model, set and metric
WIDEST = (0.5, 2.0)  # magnifications a student is to stand


@dataclass(frozen=True)
class Recipe:
    """What a built-in student is made of, and what its card says."""

    sets: tuple[str, ...]
    summary: str
    limits: str
    # Of the partition, settled on training images.
    foreground: float = 0.5
    smallest: float = 1.0  # times what `smallest_object` says
    # Whether the contrast of an image shows its kind. That of electron micrographs does not.
    kind_shows_in_contrast: bool = True


RECIPES = {
    "nuclei": Recipe(
        FLUORESCENCE,
        "Nuclei in 2D fluorescence images (DAPI, Hoechst), one channel, bright on dark",
        "Overlapping nuclei; bright field or stains; diameters below 10 or above 60 pixels without rescaling.",
    ),
    "tissue": Recipe(
        ("dsb2018_histology_rgb",),
        "Nuclei in stained tissue (H&E and others), RGB",
        "Crowded nuclei without visible borders; stainings and magnifications unlike those of its 64 training images.",
    ),
    "phase": Recipe(
        ("usiigaci_phase",),
        "Cells in phase contrast, irregular and touching, one channel",
        "Trained on one cell line (T98G) and one microscope at 10x: expect to distill again for others.",
        foreground=0.6,
        smallest=2.0,  # it breaks up cells that it is unsure of
    ),
    "yeast": Recipe(
        ("yeastvision_phase",),
        "Budding yeast in phase contrast, one channel",
        "Trained on six frames of one film: expect less with other microscopes and strains.",
        smallest=0.75,
    ),
    "axons": Recipe(
        ("axondeepseg_sem_axons",),
        "Axons in cross-sections of nerves, scanning electron microscopy, one channel; the myelin is background",
        "Trained on six images: axons thinner than 6 pixels, damaged myelin, other stainings; smoothed noise.",
        kind_shows_in_contrast=False,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(RECIPES))
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--teacher", type=Path)
    what.add_argument("--finish", type=Path, help="a trained model that gets its card; nothing is trained")
    parser.add_argument("--start", type=Path, help="a student whose training goes on")
    parser.add_argument("--undistilled", action="store_true", help="also train it without the teacher, for its card")
    parser.add_argument("--undistilled-steps", type=int, help="default: as many as --steps")
    parser.add_argument("--again", action="store_true", help="train nothing, score what is there once more")
    parser.add_argument("--out", type=Path, default=None, help="default: runs/builtin-NAME")
    parser.add_argument("--cache", type=Path, default=Path("runs/teacher-cache"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="another one for each leg that goes on with --start")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    recipe, out = RECIPES[args.name], args.out or Path("runs") / f"builtin-{args.name}"
    sets = [load(name) for name in recipe.sets]
    pairs = [pair for data in sets for pair in data.train]
    if args.finish is not None:
        min_size = round(recipe.smallest * smallest_object([labels for _, labels in pairs]))
        partition = PartitionConfig(min_size=min_size, foreground_threshold=recipe.foreground)
        student = partitioned(grd.load_model(args.finish), partition)
        print(finished(args.name, student, {"student": score(student, sets)}, out))
        return
    teacher = grd.load_model(args.teacher)
    images, labels = [image for image, _ in pairs], [labels for _, labels in pairs]
    common = {
        "steps": args.steps,
        "device": args.device,
        "seed": args.seed,
        "augment": AugmentConfig(scale=0.5, scale_range=WIDEST),
    }

    def on_event(event: Any) -> None:
        if isinstance(event, grd.StepMetrics) and event.step % 50 == 0:
            print(f"step {event.step}, loss {event.values['loss']:.3f}", flush=True)

    if args.again:
        student = grd.load_model(out / "student.grd.safetensors")
    else:
        student = grd.distill(
            teacher,
            images,
            labels,
            grd.DistillConfig(weights=WEIGHTS, **common),
            axes=sets[0].axes,
            validation=0.0,
            out_dir=out,
            cache_dir=args.cache,
            start=args.start,
            on_event=on_event,
        )
    min_size = round(recipe.smallest * smallest_object(labels))
    partition = PartitionConfig(min_size=min_size, foreground_threshold=recipe.foreground)
    student = partitioned(student, partition)
    scores = {"teacher": score(partitioned(teacher, partition), sets), "student": score(student, sets)}
    if args.undistilled:
        steps = args.undistilled_steps or args.steps
        config = grd.TrainConfig(network=grd.DistillConfig().network, **common | {"steps": steps})
        folder = out / "undistilled"
        if args.again:
            alone = grd.load_model(folder / "teacher.grd.safetensors")
        else:
            alone = grd.train(
                images, labels, config, axes=sets[0].axes, validation=0.0, out_dir=folder, on_event=on_event
            )
        scores["undistilled"] = score(partitioned(alone, partition), sets)
    print(finished(args.name, student, scores, out))
    print(hardware(), "\n")
    rows = []
    for data in scores["teacher"]:
        for metric in ("ap50", "aji", "sbd", "pq"):
            top, own = scores["teacher"][data][metric], scores["student"][data][metric]
            alone_too = [scores["undistilled"][data][metric]] if args.undistilled else []
            rows.append([data, metric.upper(), top, *alone_too, own, f"{100 * own / top:.1f} %"])
    heads = ["set", "metric", "teacher", *(["undistilled"] if args.undistilled else []), "student", "student / teacher"]
    print(table(heads, rows, digits=3))


def finished(name: str, student: grd.Model, scores: Scores, out: Path) -> Path:
    """Write a student with its card."""
    recipe = RECIPES[name]
    if not recipe.kind_shows_in_contrast:
        student = replace(student, config=student.config.replace(contrast=None))
    student = student.with_card(
        name=name,
        kind="student",
        version=grd.__version__,
        summary=recipe.summary,
        trained_on=tuple(ORIGIN[name] for name in recipe.sets),
        scores={
            f"{data}/{metric}" + ("" if who == "student" else f" of the {who}"): round(value, 4)
            for who, found in scores.items()
            for data, metrics in found.items()
            for metric, value in metrics.items()
        },
        limits=recipe.limits,
    )
    out.mkdir(parents=True, exist_ok=True)
    return grd.save_model(student, out / f"{name}.grd.safetensors")


def partitioned(model: grd.Model, partition: PartitionConfig) -> grd.Model:
    """The same network with other settings of the partition."""
    return replace(model, config=model.config.replace(partition=partition))


if __name__ == "__main__":
    main()
