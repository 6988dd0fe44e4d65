"""Each image is taught by the teacher that was chosen for it, or by the one that is most sure."""

from typing import Any

import numpy as np
import pytest

from napari_grd.errors import ConfigError, DataError
from napari_grd.models.model import Model, ModelConfig
from napari_grd.teaching.base import Teacher, TeacherPrediction
from napari_grd.teaching.labels import LabelTeacher
from napari_grd.teaching.multi_teacher import MultiTeacher
from napari_grd.teaching.registry import as_teacher, load_teacher


class Fixed:
    """Says the same of every image, so that views disagree as much as its labels are lopsided."""

    gives_embeddings = False

    def __init__(self, name: str, labels: np.ndarray[Any, Any], restrictions: str = "") -> None:
        self.name = self.fingerprint = name
        self.restrictions = restrictions
        self._labels = labels.astype(np.uint32)

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        return TeacherPrediction(self._labels)


def blob(*where: slice) -> np.ndarray[Any, Any]:
    labels = np.zeros((40, 40))
    labels[where] = 1
    return labels


CENTERED, LOPSIDED = blob(slice(10, 30), slice(10, 30)), blob(slice(2, 22), slice(10, 20))
IMAGE = np.arange(1600, dtype=np.uint16).reshape(1, 40, 40)
OTHER = IMAGE + 1


@pytest.fixture
def teachers() -> dict[str, Teacher]:
    nothing, everything = np.zeros((40, 40)), np.ones((40, 40))
    return {
        "nothing": Fixed("nothing", nothing),
        "everything": Fixed("everything", everything, "A."),
        "lopsided": Fixed("lopsided", LOPSIDED, "B."),
        "centered": Fixed("centered", CENTERED, "A."),
    }


def test_the_most_certain_teaches(teachers: dict[str, Teacher]) -> None:
    several = MultiTeacher(teachers)
    assert isinstance(several, Teacher)
    assert not several.gives_embeddings
    assert several.choose(IMAGE) == "centered"
    np.testing.assert_array_equal(several.predict(IMAGE).labels, CENTERED)


def test_a_choice_counts_before_certainty(teachers: dict[str, Teacher]) -> None:
    several = MultiTeacher(teachers).assigned([IMAGE, OTHER], ["lopsided", None])
    assert several.choose(IMAGE) == "lopsided"
    assert several.choose(OTHER) == "centered"
    assert several.fingerprint != MultiTeacher(teachers).fingerprint
    assert several.confident().choose(IMAGE) == "lopsided"
    assert several.confident().predict(IMAGE).confidence is not None


def test_known_labels_count_before_certainty(teachers: dict[str, Teacher]) -> None:
    drawn = LabelTeacher([(IMAGE[0], LOPSIDED.astype(int))])
    several = MultiTeacher(teachers | {"drawn": drawn})
    assert several.choose(IMAGE) == "drawn"
    assert several.choose(OTHER) == "centered"
    assert several.confident().predict(IMAGE).confidence is None  # nothing to doubt
    with pytest.raises(DataError, match="None of the teachers drawn has labels"):
        MultiTeacher({"drawn": drawn}).predict(OTHER)


def test_licenses_of_all_bind(teachers: dict[str, Teacher]) -> None:
    assert MultiTeacher(teachers).restrictions == "A. B."


def test_embeddings_become_affinities() -> None:
    several = load_teacher("several", teachers={"one": Model.create(ModelConfig()), "two": "nuclei"})
    image = np.random.default_rng(0).random((1, 48, 56), dtype=np.float32)
    prediction = several.predict(image)
    assert prediction.embeddings is None
    assert prediction.foreground is not None
    assert prediction.affinities is not None
    assert prediction.affinities.shape == (10, 48, 56)
    assert prediction.affinities.min() >= 0
    assert prediction.affinities.max() <= 1


def test_a_mapping_is_a_teacher(teachers: dict[str, Teacher]) -> None:
    several = as_teacher(teachers)
    assert several.name == "nothing + everything + lopsided + centered"
    with pytest.raises(ConfigError, match="no teachers to choose from"):
        as_teacher({})


def test_wrong_choices_are_named(teachers: dict[str, Teacher]) -> None:
    several = MultiTeacher(teachers)
    with pytest.raises(ConfigError, match="There are 2 images, but teachers for 1"):
        several.assigned([IMAGE, OTHER], ["centered"])
    with pytest.raises(ConfigError, match=r"no teacher named 'cells'.*nothing, everything"):
        several.assigned([IMAGE], ["cells"])
