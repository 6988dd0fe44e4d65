"""What does a teacher without embeddings give, with an assistant and without one?

    GRD_DATA=... python benchmarks/label_teachers.py --teacher runs/teacher/teacher.grd.safetensors

One teacher teaches the same student in several ways, without any ground truth:
with its embeddings, as a yardstick; with its soft affinities and foreground; with its
labels alone. The last two either through an assistant, which is counted
as part of the way, or directly. A teacher that has no embeddings, such as a
bioimage.io model, leaves the yardstick out.

Resumable, see series.py; ``--print`` shows what is there.
"""

import argparse
import json
from dataclasses import dataclass
from typing import Any

import napari_grd as grd
from builtin import WEIGHTS
from common import Dataset, score
from napari_grd.config import AssistantConfig, DistillConfig
from napari_grd.teaching.base import Teacher, TeacherPrediction
from napari_grd.teaching.multi_teacher import MultiTeacher
from napari_grd.teaching.registry import as_teacher
from reporting import hardware, table
from series import add_arguments, few_labels, load_sets, prepare, results, run_all, say, spread

WAYS = {  # what the teacher gives, and whether an assistant takes it up
    "embeddings": ("embeddings", False),
    "soft, assistant": ("soft", True),
    "soft, direct": ("soft", False),
    "labels, assistant": ("labels", True),
    "labels, direct": ("labels", False),
}


class LabelsOnly:
    """A teacher of which only the instances are heard."""

    gives_embeddings = False

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher
        self.name = teacher.name
        self.fingerprint = f"labels-{teacher.fingerprint}"

    def predict(self, image: Any) -> TeacherPrediction:
        """Its instances."""
        return TeacherPrediction(self._teacher.predict(image).labels)


@dataclass(frozen=True)
class Run:
    """One student."""

    way: str  # a key of WAYS
    seed: int
    steps: int
    assistant_steps: int

    @property
    def name(self) -> str:
        steps = f"{self.steps}+{self.assistant_steps}" if WAYS[self.way][1] else f"{self.steps}"
        return f"{self.way.replace(', ', '-')}_{steps}-steps_seed-{self.seed}"


def heard(teacher: Teacher, gives: str) -> Teacher:
    """The teacher, of which no more than that is heard."""
    if gives == "labels":
        return LabelsOnly(teacher)
    if gives == "soft" and teacher.gives_embeddings:
        return MultiTeacher({teacher.name: teacher})  # passes on affinities in place of embeddings
    return teacher


def train_one(run: Run, teacher: Teacher, sets: list[Dataset], args: argparse.Namespace) -> dict[str, Any]:
    """Distill a student and score it on every set."""
    gives, use = WAYS[run.way]
    images, _ = few_labels(sets, 0)
    student = grd.distill(
        heard(teacher, gives),
        images,
        config=DistillConfig(
            steps=run.steps,
            seed=run.seed,
            device=args.device,
            weights=WEIGHTS,
            assistant=AssistantConfig(use=use, steps=run.assistant_steps),
        ),
        axes=sets[0].axes,
        validation=0.0,
        out_dir=args.out / run.name,
        cache_dir=args.cache,
        on_event=say(run.name),
    )
    return {"scores": score(student, sets)}


def teacher_scores(teacher: Teacher, sets: list[Dataset]) -> dict[str, dict[str, float]]:
    """How good the teacher's own instances are."""
    found = {}
    for data in sets:
        images = [image[None] if image.ndim == 2 else image.transpose(2, 0, 1) for image, _ in data.validation]
        labels = [teacher.predict(image).labels for image in images]
        scores = grd.evaluate(reference=[known for _, known in data.validation], labels=labels, min_size=data.min_size)
        found[data.name] = {"ap50": scores.ap50, "aji": scores.aji}
    return found


def report(found: dict[str, Any], args: argparse.Namespace) -> str:
    """The table that docs/benchmarks.md shows."""
    teacher = found["teacher"]["scores"]
    rows: list[list[Any]] = []
    for data in args.sets:
        rows.append([data, "(the teacher itself)", 1, *(f"{teacher[data][m]:.3f}" for m in ("ap50", "aji"))])
        for way in WAYS:
            runs = [r for r in found.values() if "run" in r and r["run"]["way"] == way]
            runs = [r["scores"][data] for r in runs if r["run"]["steps"] == args.steps]
            if runs:
                rows.append([data, way, len(runs), *(spread([r[m] for r in runs], 3) for m in ("ap50", "aji"))])
    title = f"{args.steps} steps, the assistant's {args.assistant_steps}; no ground truth"
    return "\n".join([hardware(), "", title, "", table(["set", "taught with", "seeds", "AP50", "AJI"], rows)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True, help="a model file, a built-in model, or the name of a teacher")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--assistant-steps", type=int, default=1500)
    parser.add_argument("--device", default="auto")
    add_arguments(parser, sets=("dsb2018_fluo",))
    args = parser.parse_args()
    prepare(args, "label-teachers-rehearsal" if args.rehearsal else "label-teachers")
    if not args.print:
        teacher, sets = as_teacher(args.teacher), load_sets(args)
        target = args.out / "teacher.json"
        if not target.exists() and args.share.startswith("1/"):
            target.write_text(json.dumps({"scores": teacher_scores(teacher, sets)}))
        ways = [way for way in args.ways if teacher.gives_embeddings or way != "embeddings"]
        runs = [Run(way, seed, args.steps, args.assistant_steps) for seed in args.seeds for way in ways]
        run_all(args, runs, lambda run: train_one(run, teacher, sets, args))
    print(report(results(args), args))


if __name__ == "__main__":
    main()
