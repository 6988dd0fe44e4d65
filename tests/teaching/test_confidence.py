"""Confidence is agreement under views, and what is not sure is ignored, not background."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_grd.data.inputs import IGNORED
from napari_grd.data.simulate import nuclei_2d
from napari_grd.metrics.contingency import contingency
from napari_grd.teaching.base import Teacher, TeacherPrediction
from napari_grd.teaching.confidence import (
    VIEWS,
    ConfidentTeacher,
    agreement,
    transformed,
    transformed_back,
    without_uncertain,
)


class ThresholdTeacher:
    """Sees squares; what is dimmer than 200 it sees as long as the brightest pixel lies on the left."""

    name = "threshold"
    gives_embeddings = False
    fingerprint = "threshold"
    restrictions = "Not for sale."

    def __init__(self) -> None:
        self.asked = 0

    def predict(self, image: np.ndarray[Any, Any]) -> TeacherPrediction:
        self.asked += 1
        left = image[0].max(0).argmax() < image.shape[2] // 2
        labels = np.where(image[0] > (50 if left else 200), image[0], 0).astype(np.uint32)
        return TeacherPrediction(labels, foreground=(labels > 0).astype(np.float32))


@pytest.fixture
def image() -> np.ndarray[Any, Any]:
    image = np.zeros((1, 30, 40), np.uint8)
    image[0, 2:8, 2:8] = 255
    image[0, 12:20, 30:35] = 100
    return image


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 9), width=st.integers(1, 9), view=st.sampled_from([*VIEWS, (3, True), (3, False)]))
def test_a_view_is_taken_back(height: int, width: int, view: tuple[int, bool]) -> None:
    array = np.arange(2 * height * width).reshape(2, height, width)
    np.testing.assert_array_equal(transformed_back(transformed(array, *view), *view), array)
    np.testing.assert_array_equal(transformed(array, *view)[1], transformed(array[1], *view))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_agreement_is_the_mean_of_the_best_overlaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, *others = (rng.choice([0, 0, 3, 7, 2**31], (3, 8, 9))).astype(np.uint32)
    found = agreement(labels, others)
    assert (found[labels == 0] == 1).all()
    for i in np.unique(labels[labels > 0]):
        best = []
        for other in others:
            one = contingency(reference=other, labels=(labels == i).astype(int))
            best.append(one.iou.max(initial=0))
        np.testing.assert_allclose(found[labels == i], np.mean(best), rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), threshold=st.floats(0, 1))
def test_the_filter_keeps_or_masks_whole_instances(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 6, (10, 11)).astype(np.uint32)
    confidence = np.concatenate([[1], rng.random(5)])[labels]
    kept = without_uncertain(labels, confidence, threshold)
    for i in range(6):
        value = np.unique(kept[labels == i])
        assert value.tolist() in ([], [i], [IGNORED])
        if value.size:
            assert (value[0] == i) == (i == 0 or confidence[labels == i][0] >= threshold)


def test_equal_segmentations_agree() -> None:
    _, labels = nuclei_2d(np.random.default_rng(0), (96, 96))
    assert (agreement(labels, [labels, labels]) == 1).all()


def test_only_what_every_view_shows_is_certain(image: Any) -> None:
    teacher = ThresholdTeacher()
    confident = ConfidentTeacher(teacher)
    assert isinstance(confident, Teacher)
    found = confident.predict(image)
    plain = ThresholdTeacher().predict(image)
    np.testing.assert_array_equal(found.labels, plain.labels)
    np.testing.assert_array_equal(found.foreground, plain.foreground)
    assert teacher.asked == 1 + len(VIEWS)
    assert found.confidence is not None
    assert found.confidence[4, 4] == 1
    assert 0 < found.confidence[15, 32] < 1  # mirrored it is not seen
    kept = without_uncertain(found.labels, found.confidence, 0.9)
    assert kept[4, 4] == 255
    assert kept[15, 32] == IGNORED
    assert kept[0, 0] == 0


def test_the_wrapped_teacher_shows_through(image: Any) -> None:
    confident = ConfidentTeacher(ThresholdTeacher())
    assert confident.name == "threshold"
    assert not confident.gives_embeddings
    assert confident.restrictions == "Not for sale."
    assert confident.fingerprint != "threshold"
    assert confident.fingerprint == ConfidentTeacher(ThresholdTeacher()).fingerprint


def test_a_teacher_that_says_how_sure_it_is_is_believed(image: Any) -> None:
    twice = ConfidentTeacher(ConfidentTeacher(teacher := ThresholdTeacher()))
    assert twice.predict(image).confidence is not None
    assert teacher.asked == 1 + len(VIEWS)
