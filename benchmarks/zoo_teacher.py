"""Does a student that has seen no label reach the zoo model it was distilled from?

    GRD_DATA=... python benchmarks/zoo_teacher.py path/to/model --out runs/zoo

The model teaches through its labels (or embeddings, if it has them) on the
training images of dsb2018_fluo. Teacher and student are scored on the
validation images, which take no part. ``--rehearsal`` holds out a fifth of the
training images in their place: settings, such as the threshold, are settled there.

After that the student teaches itself: it parts small nuclei better where it sees
them enlarged, and learns to do so without.

A killed run goes on where it stopped, with the same ``--out``.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import napari_grd as grd
from builtin import WEIGHTS, WIDEST
from common import Dataset, load, score
from napari_grd.config import AssistantConfig, AugmentConfig, DistillConfig, NetworkConfig
from napari_grd.teaching.base import Teacher
from reporting import hardware, table

DATA = "dsb2018_fluo"
SHOWN = ("ap50", "aji", "sbd", "pq")


def score_teacher(teacher: Teacher, data: Dataset) -> dict[str, float]:
    """The teacher's own instances against the annotation."""
    found = [teacher.predict(image[None]).labels for image, _ in data.validation]
    scores = grd.evaluate(reference=[labels for _, labels in data.validation], labels=found, min_size=data.min_size)
    return {"ap50": scores.ap50, "aji": scores.aji, "sbd": scores.sbd, "pq": scores.pq}


def distill(teacher: Teacher, data: Dataset, options: argparse.Namespace) -> grd.Model:
    """A student of the teacher; every labeled image is taken without its labels."""
    if not options.steps:
        return grd.load_model(options.start)
    config = _config(options).replace(
        steps=options.steps,
        weights=WEIGHTS.replace(agd=options.agd),
        assistant=AssistantConfig(
            use=options.assistant,
            network=NetworkConfig(widths=tuple(options.assistant_widths)),
            steps=options.assistant_steps,
        ),
    )
    return grd.distill(
        teacher, _images(data), config=config, validation=0.0, out_dir=options.out, start=options.start, on_event=_show
    )


def teach_itself(student: grd.Model, data: Dataset, number: int, options: argparse.Namespace) -> grd.Model:
    """The student goes on learning, from what it says itself of the images when it sees them enlarged."""
    assert student.config.object_diameter is not None
    diameter = student.config.object_diameter / options.enlarged
    teacher = grd.load_teacher("model", source=student, object_diameter=diameter)
    config = _config(options).replace(steps=options.generation_steps, seed=options.seed + number)
    out = options.out / f"generation-{number}"
    return grd.distill(
        teacher, _images(data), config=config, validation=0.0, out_dir=out, start=student, on_event=_show
    )


def _config(options: argparse.Namespace) -> DistillConfig:
    return DistillConfig(
        batch=options.batch,
        patch=options.patch,
        seed=options.seed,
        weights=WEIGHTS,
        # Large nuclei, which the teacher parts well, also teach how small ones are parted.
        augment=AugmentConfig(scale=0.5, scale_range=WIDEST),
    )


def _images(data: Dataset) -> list[Any]:
    return [image for image, _ in data.train]


def _show(event: grd.Event) -> None:
    if isinstance(event, grd.Progress) and event.done % 100 == 0:
        print(f"{event.stage}: {event.done} of {event.total}", flush=True)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a zip or folder of the bioimage.io zoo")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints, student and scores")
    parser.add_argument(
        "--threshold", type=float, default=0.75, help="of the teacher's foreground, settled in rehearsal"
    )
    parser.add_argument("--scales", type=float, nargs="+", default=(1.5,), help="at which the teacher sees the images")
    parser.add_argument("--steps", type=int, default=6000, help="of the student; 0: the one to --start with, as it is")
    parser.add_argument("--generations", type=int, default=2, help="how often the student then teaches itself")
    parser.add_argument("--generation-steps", type=int, default=4000)
    parser.add_argument("--enlarged", type=float, default=1.5, help="how large it sees the images when it teaches")
    parser.add_argument("--assistant-steps", type=int, default=3000)
    parser.add_argument("--assistant-widths", type=int, nargs=5, default=(16, 32, 64, 128, 256))
    parser.add_argument("--assistant", action="store_true", help="through an embedding network that is fitted first")
    parser.add_argument("--agd", type=float, default=WEIGHTS.agd, help="weight of the affinity graph of the zoo model")
    parser.add_argument("--start", type=Path, help="a student whose training goes on")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rehearsal", action="store_true", help="leave the validation images unread")
    parser.add_argument("--teacher-only", action="store_true", help="score the teacher, distill nothing")
    options = parser.parse_args(arguments)
    if not options.steps and options.start is None:
        parser.error("--steps 0 needs a student to --start with")

    data = load(DATA, rehearsal=options.rehearsal)
    plain = grd.load_teacher("bioimageio", source=options.model, foreground_threshold=options.threshold)
    scales = tuple(options.scales)
    teacher = grd.load_teacher(
        "bioimageio", source=options.model, foreground_threshold=options.threshold, scales=scales
    )
    rows = {plain.name: score_teacher(plain, data)}
    if scales != (1.0,):
        rows[f"the same at scales {', '.join(f'{scale:g}' for scale in scales)}"] = score_teacher(teacher, data)
    if not options.teacher_only:
        student = distill(teacher, data, options)
        rows[f"student, {options.steps} steps, no label"] = score(student, [data])[DATA]
        for number in range(1, options.generations + 1):
            student = teach_itself(student, data, number, options)
            rows[f"taught {number} x by itself, {options.generation_steps} steps each"] = score(student, [data])[DATA]
    options.out.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {name: str(value) for name, value in vars(options).items()}
    (options.out / "scores.json").write_text(json.dumps({"settings": settings, "scores": rows}, indent=1))
    print(hardware())
    print(table([DATA, *(name.upper() for name in SHOWN)], [[n, *(s[k] for k in SHOWN)] for n, s in rows.items()], 3))


if __name__ == "__main__":
    main()
