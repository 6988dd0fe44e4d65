"""Which objects to look at first."""

import numpy as np
import pytest

from napari_grd.corrections.predictions import PlanePrediction, Predictions
from napari_grd.corrections.uncertainty import UncertainObject, uncertain_objects
from napari_grd.errors import LabelError


class Known:
    def __init__(self, embedding: np.ndarray) -> None:
        self.embedding = embedding

    def of(self, plane: tuple[int, ...]) -> PlanePrediction:
        return PlanePrediction(self.embedding[plane])


def three() -> np.ndarray:
    labels = np.zeros((12, 30), np.int64)
    labels[2:9, 2:9], labels[2:9, 9:16], labels[2:9, 20:27] = 1, 2, 3
    return labels


def test_a_border_that_the_embedding_does_not_show_is_doubtful() -> None:
    seen = np.where(three() == 2, 1, three())  # 1 and 2 look like one
    embedding = np.eye(4, dtype=np.float32)[seen]
    found = uncertain_objects(three(), Known(embedding))
    assert [uncertain.id for uncertain in found] == [1, 2, 3]
    assert found[0].score == pytest.approx(0.25)
    assert found[0].reason == "weak boundary"
    assert found[0].pixel == (5, 5)
    assert found[2] == UncertainObject((), 3, (5, 23), 0.0, "no sign of an error")


def test_what_teacher_or_turned_images_do_not_find_again_comes_first() -> None:
    labels = np.stack([three(), three()])
    teacher, turned = labels.copy(), labels.copy()
    teacher[1][three() == 3] = 0
    turned[0, 2:9, 2:5] = 0
    found = uncertain_objects(labels, Predictions(), teacher_labels=teacher, augmented_labels=[turned, labels])
    assert [(uncertain.plane, uncertain.id) for uncertain in found[:2]] == [((1,), 3), ((0,), 1)]
    assert found[0].score == 1
    assert found[0].reason.startswith("the other model")
    assert found[1].score == pytest.approx(1.5 / 7)
    assert found[1].reason.startswith("it differs under test-time")
    assert len(found) == 6
    assert found[2].score == 0


def test_labels_of_another_image_are_refused() -> None:
    with pytest.raises(LabelError, match="shapes"):
        uncertain_objects(three(), Predictions(), teacher_labels=three()[:-1])


def test_an_image_without_objects_has_no_doubts() -> None:
    assert uncertain_objects(np.zeros((5, 5), int), Predictions()) == []
