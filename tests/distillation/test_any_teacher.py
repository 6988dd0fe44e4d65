"""Distilling from teachers without embeddings, from several, from unsure ones, and from senseless ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_grd.config import DistillConfig
from napari_grd.data.inputs import IGNORED
from napari_grd.distillation.recipes import iter_distill, iter_train
from napari_grd.errors import ConfigError, DataError, LabelError
from napari_grd.graph.affinities import affinities_from_labels
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.hub import load_model
from napari_grd.jobs import FileSaved, Progress, StepMetrics, drain
from napari_grd.models.model import Model, ModelConfig
from napari_grd.teaching.base import TeacherPrediction
from napari_grd.teaching.embedding import EmbeddingTeacher
from napari_grd.teaching.labels import LabelTeacher
from napari_grd.teaching.multi_teacher import MultiTeacher

Make = Callable[..., DistillConfig]
ASSISTANT = {"assistant.steps": 8, "assistant.network": {"widths": (2, 4, 4, 4, 4), "embedding": 8}}


class BrightTeacher:
    """Sees bright objects, and gives soft outputs; turned images it sees less well."""

    name = "bright"
    gives_embeddings = False
    fingerprint = "bright"
    restrictions = "Non-commercial use only."

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        import torch
        from skimage.measure import label

        foreground = image[0].astype(np.float32) / max(1, image.max())
        labels = label(foreground > 0.3).astype(np.uint32)
        affinities = affinities_from_labels(torch.from_numpy(labels.astype(np.int64))[None], OFFSETS_2D)[0].numpy()
        return TeacherPrediction(labels, foreground, affinities=0.1 + 0.8 * affinities)


def train_terms(events: list[Any]) -> list[set[str]]:
    return [set(e.values) for e in events if isinstance(e, StepMetrics) and e.kind == "train"]


DIRECT = {"affinity", "agd", "foreground", "teacher_foreground", "loss", "lr"}


def test_soft_outputs_teach_the_assistant_which_teaches_by_graphs(nuclei: Any, small: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    student = drain(
        iter_distill(BrightTeacher(), nuclei[0], config=small(**ASSISTANT), out_dir=tmp_path), events.append
    )
    first, last = train_terms(events)
    assert first == DIRECT
    assert last == DIRECT | {"node", "edge", "agd_inter", "igd_inter"}
    assistant = load_model(tmp_path / "assistant" / "assistant.grd.safetensors")
    assert assistant.card.teacher == "bright"
    assert student.card.teacher == "assistant of bright"
    assert assistant.card.restrictions == student.card.restrictions == "Non-commercial use only."


def test_the_assistant_can_be_left_out(nuclei: Any, small: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    config = small(**{"assistant.use": False, "network.embedding": 5})
    student = drain(iter_distill(BrightTeacher(), nuclei[0], config=config, out_dir=tmp_path), events.append)
    assert train_terms(events) == [DIRECT]
    assert [e.path.name for e in events if isinstance(e, FileSaved) and e.kind == "model"] == [
        "student.grd.safetensors"
    ]
    assert student.card.teacher == "bright"
    assert load_model(tmp_path / "student.grd.safetensors").card.restrictions == "Non-commercial use only."


def test_labels_alone_can_be_distilled_directly(nuclei: Any, small: Make) -> None:
    events: list[Any] = []
    source = LabelTeacher(zip(*nuclei, strict=True))
    direct = drain(iter_distill(source, nuclei[0], config=small(**{"assistant.use": False})), events.append)
    assert train_terms(events) == [{"affinity", "foreground", "loss", "lr"}]
    assert direct.card.teacher == "labels"
    assert direct.card.restrictions == ""


def test_the_share_of_labeled_images_changes_what_is_learned(nuclei: Any, small: Make) -> None:
    images, labels = nuclei
    few = [labels[0], *[None] * (len(images) - 1)]

    def losses(share: float) -> list[float]:
        events: list[Any] = []
        config = small(labeled_share=share, **{"assistant.use": False})
        drain(iter_distill(BrightTeacher(), images, few, config, validation=0.0), events.append)
        return [e.values["loss"] for e in events if isinstance(e, StepMetrics) and e.kind == "train"]

    assert losses(0.9) != losses(0.0)


def test_what_a_training_began_with_binds_too(nuclei: Any, small: Make) -> None:
    start = drain(iter_train(*nuclei, small(steps=1))).with_card(restrictions="No redistribution.")
    assert drain(iter_train(*nuclei, small(steps=1), start=start)).card.restrictions == "No redistribution."
    config = small(steps=1, **{"assistant.use": False})
    student = drain(iter_distill(BrightTeacher(), nuclei[0], config=config, start=start))
    assert student.card.restrictions == "Non-commercial use only. No redistribution."


@pytest.mark.parametrize("use", [True, False], ids=["assistant", "direct"])
def test_all_stages_are_one_whole(nuclei: Any, small: Make, use: bool) -> None:
    events: list[Any] = []
    config = small(patience=1, validate_every=2, **ASSISTANT | {"assistant.use": use, "optim.lr": 1e-12})
    drain(iter_distill(BrightTeacher(), nuclei[0], config=config), events.append)
    told = [e for e in events if isinstance(e, Progress) and e.overall is not None]
    stages = list(dict.fromkeys(e.stage for e in told))
    between = ["Fitting the assistant", "Asking the assistant"] if use else []
    assert stages == ["Asking the teacher", *between, "Distilling"]
    done = [e.overall.done for e in told if e.overall is not None]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == 1  # although it stopped early
    validating = [e for e in events if isinstance(e, Progress) and e.stage == "Validating"]
    assert validating
    assert all(e.overall is None for e in validating)


class HalfSure(BrightTeacher):
    """Loses every second object, those of an odd number of pixels, when the image is turned."""

    fingerprint = "half"

    def __init__(self, first: np.ndarray[Any, Any]) -> None:
        self._known = [first]

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        found = super().predict(image)
        if any(np.array_equal(image, known) for known in self._known):
            return found
        return TeacherPrediction(np.where(odd(found.labels), 0, found.labels).astype(np.uint32))


def odd(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Pixels of instances that have an odd number of them."""
    return (labels > 0) & (np.bincount(labels.ravel())[labels] % 2 == 1)


def test_unsure_instances_are_ignored(nuclei: Any, small: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_grd.distillation import recipes

    seen: list[Any] = []
    fit = recipes.iter_fit
    monkeypatch.setattr(recipes, "iter_fit", lambda data, *a, **k: (seen.append(data.training), fit(data, *a, **k))[1])
    image, truth = nuclei[0][0], nuclei[1][1]
    config = small(confidence=0.5, steps=1, **{"assistant.use": False})
    images, labels = [image, nuclei[0][1]], [None, truth]
    student = drain(iter_distill(HalfSure(image[None]), images, labels, config, validation=0))
    assert isinstance(student, Model)
    (data,) = seen
    plain = BrightTeacher().predict(image[None]).labels
    assert 0 < odd(plain).sum() < (plain > 0).sum()
    np.testing.assert_array_equal(data.labels[0] == IGNORED, odd(plain))
    np.testing.assert_array_equal(data.labels[1], truth)  # ground truth is not doubted


def test_labels_cannot_be_asked_about_turned_images(nuclei: Any, small: Make) -> None:
    source = LabelTeacher(zip(*nuclei, strict=True))
    with pytest.raises(ConfigError, match=r"confidence is 0.5.*only has given labels.*Set confidence to 0"):
        drain(iter_distill(source, nuclei[0], config=small(confidence=0.5)))


def test_several_teachers_teach_one_student(nuclei: Any, small: Make) -> None:
    model = Model.create(ModelConfig(network=small().network))
    known = LabelTeacher(zip(nuclei[0][:2], nuclei[1][:2], strict=True))
    several = MultiTeacher({"bright": BrightTeacher(), "model": EmbeddingTeacher(model), "drawn": known})
    choice = ["drawn", "drawn", "bright", "bright", None]
    config = small(confidence=0.2, **ASSISTANT)
    student = drain(iter_distill(several, nuclei[0], config=config, teacher_of=choice))
    assert student.card.teacher == "assistant of bright + model + drawn"
    assert student.card.restrictions == "Non-commercial use only."
    with pytest.raises(ConfigError, match="only one teacher, 'bright'"):
        drain(iter_distill(BrightTeacher(), nuclei[0], config=config, teacher_of=choice))


class Senseless:
    """Whatever it is given, it says the same."""

    name = fingerprint = "senseless"
    gives_embeddings = False

    def __init__(self, value: int, shape: tuple[int, int] = (96, 96)) -> None:
        self._labels = np.full(shape, value, np.uint32)

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        return TeacherPrediction(self._labels)


@pytest.mark.parametrize(
    ("teacher", "error", "message"),
    [
        (Senseless(0), DataError, "found no instance in any of the 5 images"),
        (Senseless(7), DataError, "for one instance"),
        (Senseless(7, (95, 96)), LabelError, r"shape \(95, 96\), the image \(96, 96\)"),
    ],
    ids=["nothing", "everything", "another shape"],
)
def test_a_senseless_teacher_is_refused_before_training(
    nuclei: Any, small: Make, teacher: Senseless, error: type[Exception], message: str
) -> None:
    events: list[Any] = []
    with pytest.raises(error, match=message):
        drain(iter_distill(teacher, nuclei[0], config=small()), events.append)
    assert {e.stage for e in events if isinstance(e, Progress)} == {"Asking the teacher"}


def test_ignored_pixels_may_be_given(nuclei: Any, small: Make) -> None:
    labels = [found.astype(int) for found in nuclei[1]]
    for found in labels:
        found[:40] = IGNORED  # also of what is validated on
    model = drain(iter_train(nuclei[0], labels, small(steps=1)))
    assert model.config.object_diameter is not None
    assert model.card.scores["ap50"] >= 0
    with pytest.raises(LabelError, match="None of the 5 label images has an instance"):
        drain(iter_train(nuclei[0], [np.full_like(found, IGNORED) for found in labels], small(), validation=0))
