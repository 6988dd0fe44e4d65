"""Correct, teach, distill: from corrections to a student of the teacher that learned from them."""

import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_grd.api as grd
from napari_grd.config import DistillConfig, FineTuneConfig, NetworkConfig, TeachConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.corrected_planes import corrected_images
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Draw
from napari_grd.corrections.region import Region
from napari_grd.corrections.teach import _planes, iter_teach
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ConfigError, CorrectionError, ImageError
from napari_grd.finetuning import choice, learning
from napari_grd.jobs import FileSaved, Notice, Progress, StepMetrics, drain
from napari_grd.models.model import Model

SMALL = NetworkConfig(widths=(2, 4, 4, 4, 4))
QUICK = TeachConfig(
    fine_tune=FineTuneConfig(seconds=None, steps=8, batch=2, patch=32, device="cpu", train="decoder"),
    distill=DistillConfig(network=SMALL, steps=4, batch=1, patch=64, device="cpu"),
)
IMAGE, LABELS = nuclei_2d(np.random.default_rng(0), (128, 128), 10)
OTHER, _ = nuclei_2d(np.random.default_rng(1), (128, 160), 12)


@pytest.fixture(scope="module")
def teacher() -> Model:
    return grd.load_model("nuclei")  # a teacher is any model; this one is quick


@pytest.fixture
def gains(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any change counts as a gain."""
    for module in (choice, learning):
        monkeypatch.setattr(module, "is_gain", lambda before, after: True)
    monkeypatch.setattr(learning, "mean_quality", lambda scores: 0.0)


def drawn(image: Any = IMAGE, plane: tuple[int, ...] = ()) -> Corrections:
    regions = [Region.from_mask(number == LABELS) for number in (1, 2, 3)]
    return Corrections(ImageRef.of(image), [Draw(region, plane=plane) for region in regions])


def test_a_student_of_the_tuned_teacher(teacher: Model, gains: None, tmp_path: Path) -> None:
    events: list[Any] = []
    job = iter_teach(teacher, IMAGE, drawn(), LABELS, QUICK, others=[OTHER], out_dir=tmp_path)
    taught = drain(job, events.append)
    assert taught.teacher is not teacher
    assert taught.teacher.card.name == "nuclei-tuned"
    assert taught.student is not None
    assert taught.student.config.network == SMALL
    assert (taught.student.card.kind, taught.student.card.teacher) == ("student", "nuclei-tuned")
    assert "on 1 image" in taught.student.card.summary  # of two, one is for validation
    assert taught.held_out is not None
    assert taught.held_out.objects == 3
    assert [event.path.name for event in events if isinstance(event, FileSaved)] == [
        "teacher.grd.safetensors",
        "student.grd.safetensors",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["student.grd.safetensors", "teacher.grd.safetensors"]
    assert grd.load_model(tmp_path / "student.grd.safetensors").card == taught.student.card
    shares = [event.overall.done for event in events if isinstance(event, Progress) and event.overall]
    assert all(one <= two for one, two in itertools.pairwise(shares))
    assert shares[-1] == 1
    assert {"Learning", "Asking the teacher", "Distilling"} <= {e.stage for e in events if isinstance(e, Progress)}


def test_a_killed_distillation_goes_on(
    teacher: Model, gains: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = QUICK.replace(distill=QUICK.distill.replace(steps=6, checkpoint_every=1e-6))
    whole, folder = tmp_path / "whole", tmp_path / "killed"

    def run(out: Path, config: TeachConfig = config, made: Corrections | None = None) -> Any:
        return iter_teach(teacher, IMAGE, made or drawn(), LABELS, config, others=[OTHER], out_dir=out)

    for event in (job := run(whole)):
        if isinstance(event, Progress) and event.stage == "Distilling" and event.done == 3:
            shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("*.lock"))  # as a killed process leaves it
            job.close()
    with pytest.raises(ConfigError, match="has another teacher, or other corrections"):
        drain(run(folder, made=Corrections(ImageRef.of(IMAGE), list(drawn())[:2])))
    with pytest.raises(ConfigError, match="belongs to a training with other settings"):
        drain(run(folder, config.replace(distill=config.distill.replace(seed=1))))
    monkeypatch.setattr("napari_grd.corrections.teach.iter_fine_tune", lambda *_, **__: pytest.fail("tuned again"))
    steps: list[int] = []
    taught = drain(
        run(folder), lambda e: steps.append(e.done) if isinstance(e, Progress) and e.stage == "Distilling" else None
    )
    assert 1 < steps[0] < 6
    assert taught.held_out is not None
    assert taught.held_out.objects == 3
    assert taught.student is not None
    assert sorted(path.name for path in folder.iterdir()) == ["student.grd.safetensors", "teacher.grd.safetensors"]
    expected = drain(run(whole)).student  # the other was stopped
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(taught.student.network.state_dict()[name], tensor), name


@pytest.mark.filterwarnings("ignore::napari_grd.errors.GrdWarning")
def test_a_teacher_that_learned_nothing_has_no_student(
    teacher: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (choice, learning):
        monkeypatch.setattr(module, "is_gain", lambda before, after: False)
    events: list[Any] = []
    taught = drain(iter_teach(teacher, IMAGE, drawn(), LABELS, QUICK, out_dir=tmp_path), events.append)
    assert taught.teacher is teacher
    assert taught.student is None
    assert taught.held_out is not None
    assert taught.held_out.ap50_before == taught.held_out.ap50_after
    told = [event.message for event in events if isinstance(event, Notice)][-2:]
    assert "Nothing was gained" in told[0]
    assert "No student is distilled" in told[1]
    assert not list(tmp_path.iterdir())
    assert "Distilling" not in {event.stage for event in events if isinstance(event, Progress)}


def test_finishing_early_keeps_the_best_so_far(teacher: Model, gains: None) -> None:
    config = QUICK.replace(distill=QUICK.distill.replace(steps=40, validate_every=2))
    stop = False
    job = iter_teach(teacher, IMAGE, drawn(), LABELS, config, others=[OTHER], start=teacher, finish=lambda: stop)
    steps = 0

    def watch(event: Any) -> None:
        nonlocal stop, steps
        if isinstance(event, StepMetrics) and event.kind == "validation":
            stop = True
        if isinstance(event, Progress) and event.stage == "Distilling":
            steps = event.done

    taught = drain(job, watch)
    assert taught.student is not None
    assert taught.student.config.network == teacher.config.network  # not the one of the settings
    assert "stopped early" in taught.student.card.summary
    assert steps < 40


@pytest.mark.filterwarnings("ignore::napari_grd.errors.GrdWarning")
def test_finishing_before_there_is_a_student(teacher: Model, gains: None) -> None:
    stop = False

    def watch(event: Any) -> None:
        nonlocal stop
        stop = stop or (isinstance(event, Progress) and event.stage == "Asking the teacher")

    taught = drain(iter_teach(teacher, IMAGE, drawn(), LABELS, QUICK, finish=lambda: stop), watch)
    assert taught.student is None
    assert taught.teacher is not teacher


def first_error(kind: type[Exception], *arguments: Any, **options: Any) -> str:
    """The error that comes before anything is learned."""
    events: list[Any] = []
    with pytest.raises(kind) as error:
        drain(iter_teach(*arguments, **options), events.append)
    assert not events
    return str(error.value)


def test_what_cannot_be_distilled_is_told_before_the_teacher_learns(teacher: Model) -> None:
    said = first_error(ImageError, teacher, IMAGE, drawn(), LABELS, QUICK, others=[OTHER[:40]])
    assert "'other image 0'" in said
    blank = np.zeros((128, 128))
    assert "constant" in first_error(ImageError, teacher, IMAGE, drawn(), LABELS, QUICK, others=[blank])
    narrow = QUICK.replace(distill=QUICK.distill.replace(network=SMALL.replace(embedding=8)))
    assert "16 channels, the student's 8" in first_error(ConfigError, teacher, IMAGE, drawn(), LABELS, narrow)
    keep = QUICK.replace(fine_tune=QUICK.fine_tune.replace(mode="keep"))
    assert "'keep'" in first_error(ConfigError, teacher, IMAGE, drawn(), LABELS, keep)
    assert "2 images, 1 sets" in first_error(CorrectionError, teacher, [IMAGE] * 2, drawn(), [LABELS] * 2, QUICK)
    assert "Image 0: " in first_error(CorrectionError, teacher, IMAGE.T, drawn(OTHER), LABELS, QUICK)
    assert "Other image 1: " in first_error(ImageError, teacher, IMAGE, drawn(), LABELS, QUICK, others=[OTHER, "no"])
    assert "A list" in first_error(CorrectionError, teacher, [IMAGE], [[]], [LABELS], QUICK)


def test_only_a_model_can_be_tuned() -> None:
    def threshold(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return (image > 0.5).astype(np.int32)

    assert "not a model" in first_error(ConfigError, threshold, IMAGE, drawn(), LABELS, QUICK)


def test_planes_of_a_stack(teacher: Model) -> None:
    stack = np.stack([np.zeros_like(IMAGE), *([IMAGE] * 98), np.zeros_like(IMAGE)])
    made = drawn(stack, (41,))
    found = dict(_planes(teacher, corrected_images(stack, made), [OTHER], None))
    assert "image 0, plane 41" in found
    assert "image 0, plane 0" not in found  # empty
    assert 30 <= len(found) <= 34
    assert found["other image 0"].shape == (1, 128, 160)
    channels_last = np.moveaxis(stack[None], 0, -1)
    assert {
        image.shape for image in dict(_planes(teacher, corrected_images(channels_last, made), [], None)).values()
    } == {(1, 128, 128)}
