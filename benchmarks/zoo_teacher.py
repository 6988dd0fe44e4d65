"""Does a student that has seen no label reach the zoo model it was distilled from?

    GRD_DATA=... python benchmarks/zoo_teacher.py path/to/model --out runs/zoo

The model teaches through its labels (or embeddings, if it has them) on the
training images of dsb2018_fluo. Teacher and student are scored on the
validation images, which take no part. ``--rehearsal`` holds out a fifth of the
training images in their place: settings, such as the threshold, are settled there.

A killed run goes on where it stopped, with the same ``--out``.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import napari_grd.api as grd
from builtin import WEIGHTS, WIDEST, partitioned
from common import Dataset, load, score
from napari_grd.config import AssistantConfig, AugmentConfig, DistillConfig, NetworkConfig
from napari_grd.teachers.bioimageio import BioimageioTeacher
from reporting import hardware, table

DATA = "dsb2018_fluo"
SHOWN = ("ap50", "aji", "sbd", "pq")


def score_teacher(teacher: BioimageioTeacher, data: Dataset) -> dict[str, float]:
    """The teacher's own instances against the annotation."""
    found = [teacher.predict(image[None]).labels for image, _ in data.validation]
    scores = grd.evaluate(found, [labels for _, labels in data.validation], min_size=data.min_size)
    return {"ap50": scores.ap50, "aji": scores.aji, "sbd": scores.sbd, "pq": scores.pq}


def distil(teacher: BioimageioTeacher, data: Dataset, options: argparse.Namespace) -> grd.Model:
    """A student of the teacher; every labelled image is taken without its labels."""
    config = DistillConfig(
        steps=options.steps,
        batch=options.batch,
        patch=options.patch,
        seed=options.seed,
        weights=WEIGHTS.replace(agd=options.agd),
        # Large nuclei, which the teacher parts well, also teach how small ones are parted.
        augment=AugmentConfig(scale=0.5, scale_range=WIDEST),
        assistant=AssistantConfig(
            use=not options.direct,
            network=NetworkConfig(widths=tuple(options.assistant_widths)),
            steps=options.assistant_steps,
        ),
    )
    images = [image for image, _ in data.train]
    student = grd.distill(
        teacher, images, config=config, validation=0.0, out_dir=options.out, start=options.start, on_event=_show
    )
    # It has learned the teacher's probability, and so draws the line where the teacher does.
    partition = student.config.partition.replace(foreground_threshold=options.threshold)
    student = partitioned(student, partition)
    grd.save_model(student, options.out / "student.grd.safetensors")
    return student


def _show(event: grd.Event) -> None:
    if isinstance(event, grd.Progress) and event.done % 100 == 0:
        print(f"{event.stage}: {event.done} of {event.total}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a zip or folder of the bioimage.io zoo")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints, student and scores")
    parser.add_argument(
        "--threshold", type=float, default=0.7, help="of the teacher's foreground, settled in rehearsal"
    )
    parser.add_argument("--scales", type=float, nargs="+", default=(1.0,), help="at which the teacher sees the images")
    parser.add_argument("--steps", type=int, default=6000, help="of the student")
    parser.add_argument("--assistant-steps", type=int, default=3000)
    parser.add_argument("--assistant-widths", type=int, nargs=5, default=(16, 32, 64, 128, 256))
    parser.add_argument("--direct", action="store_true", help="without an assistant")
    parser.add_argument("--agd", type=float, default=WEIGHTS.agd, help="weight of the affinity graph")
    parser.add_argument("--start", type=Path, help="a student whose training goes on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rehearsal", action="store_true", help="leave the validation images unread")
    parser.add_argument("--teacher-only", action="store_true", help="score the teacher, distil nothing")
    options = parser.parse_args(arguments)

    data = load(DATA, rehearsal=options.rehearsal)
    guessed = BioimageioTeacher(options.model)
    recipe = guessed.recipe.replace(foreground_threshold=options.threshold, scales=tuple(options.scales))
    teacher = BioimageioTeacher(options.model, recipe)
    plain = BioimageioTeacher(options.model, recipe.replace(scales=(1.0,)))
    rows: dict[str, dict[str, float]] = {f"{plain.name} + {recipe.method}": score_teacher(plain, data)}
    if recipe != plain.recipe:
        rows[f"the same at scales {', '.join(f'{scale:g}' for scale in recipe.scales)}"] = score_teacher(teacher, data)
    if not options.teacher_only:
        student = distil(teacher, data, options)
        rows[f"student, {options.steps} steps, no label"] = score(student, [data])[DATA]
    options.out.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {name: str(value) for name, value in vars(options).items()}
    (options.out / "scores.json").write_text(json.dumps({"settings": settings, "scores": rows}, indent=1))
    print(hardware())
    print(table([DATA, *(name.upper() for name in SHOWN)], [[n, *(s[k] for k in SHOWN)] for n, s in rows.items()], 3))


if __name__ == "__main__":
    main()
