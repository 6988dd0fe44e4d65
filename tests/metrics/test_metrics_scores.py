import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_grd.errors import ConfigError, LabelError
from napari_grd.metrics.scores import evaluate

SHAPE = (6, 7)
label_images = arrays(np.int64, SHAPE, elements=st.integers(0, 5))
few = settings(deadline=None, max_examples=40)

OBJECTS = np.zeros(SHAPE, dtype=np.uint16)
OBJECTS[:2, :2] = 3
OBJECTS[4:, 3:] = 900
NOTHING = np.zeros(SHAPE, dtype=np.uint16)

PERFECT = {"sbd": 1, "dic": 0, "aji": 1, "dice": 1, "f1": 1, "pq": 1, "voi_split": 0, "voi_merge": 0, "arand": 0}
AP_NAMES = ["ap50", "ap55", "ap60", "ap65", "ap70", "ap75", "ap80", "ap85", "ap90", "ap_mean"]


@few
@given(label_images)
def test_identical_images_are_perfect(labels: np.ndarray) -> None:
    assert evaluate(reference=labels, labels=labels).as_dict() == PERFECT | dict.fromkeys(AP_NAMES, 1)


@few
@given(label_images, label_images, st.permutations(range(1, 6)), st.permutations(range(1, 6)))
def test_numbering_of_objects_changes_nothing(
    labels: np.ndarray, reference: np.ndarray, new: list[int], new_reference: list[int]
) -> None:
    renumbered, renumbered_reference = np.array([0, *new])[labels] * 1000, np.array([0, *new_reference])[reference]
    assert evaluate(reference=renumbered_reference, labels=renumbered) == evaluate(reference=reference, labels=labels)


@few
@given(label_images, label_images)
def test_swapping_sides_keeps_the_symmetric_scores(labels: np.ndarray, reference: np.ndarray) -> None:
    there, back = (
        evaluate(reference=reference, labels=labels).as_dict(),
        evaluate(reference=labels, labels=reference).as_dict(),
    )
    for name in ["sbd", "dic", "dice", "f1", "pq", *AP_NAMES]:
        assert there[name] == pytest.approx(back[name]), name


@few
@given(label_images, label_images)
def test_without_background_splits_and_merges_swap_with_the_sides(labels: np.ndarray, reference: np.ndarray) -> None:
    there, back = (
        evaluate(reference=reference + 1, labels=labels + 1),
        evaluate(reference=labels + 1, labels=reference + 1),
    )
    assert (there.voi_split, there.arand) == pytest.approx((back.voi_merge, back.arand))


@few
@given(label_images, label_images)
def test_scores_stay_within_their_limits(labels: np.ndarray, reference: np.ndarray) -> None:
    scores = evaluate(reference=reference, labels=labels).as_dict()
    assert all(value >= 0 for value in scores.values())
    assert all(value <= 1 for name, value in scores.items() if name not in ("dic", "voi_split", "voi_merge"))


@few
@given(label_images, label_images)
def test_shape_of_the_image_does_not_matter(labels: np.ndarray, reference: np.ndarray) -> None:
    expected = evaluate(reference=reference, labels=labels)
    for shape in [(42,), (3, 2, 7)]:
        assert evaluate(reference=reference.reshape(shape), labels=labels.reshape(shape)) == expected


@few
@given(label_images, label_images, st.integers(0, 12))
def test_min_size_is_erasing_small_objects_beforehand(labels: np.ndarray, reference: np.ndarray, size: int) -> None:
    def erased(image: np.ndarray) -> np.ndarray:
        return np.where(np.bincount(image.ravel())[image] < size, 0, image)

    assert evaluate(reference=reference, labels=labels, min_size=size) == evaluate(
        reference=erased(reference), labels=erased(labels)
    )


def test_objects_below_min_size_are_neither_missed_nor_spurious() -> None:
    labels, reference = OBJECTS.copy(), OBJECTS.copy()
    labels[0, 6] = 7
    reference[3, 0] = 7
    assert evaluate(reference=reference, labels=labels).ap50 == 2 / 4
    assert evaluate(reference=reference, labels=labels, min_size=2).as_dict() == PERFECT | dict.fromkeys(AP_NAMES, 1)


def test_an_object_of_exactly_min_size_counts() -> None:
    assert evaluate(reference=OBJECTS, labels=NOTHING, min_size=4).dic == 2
    assert evaluate(reference=OBJECTS, labels=NOTHING, min_size=5).dic == 1


@pytest.mark.parametrize(("labels", "reference"), [(NOTHING, OBJECTS), (OBJECTS, NOTHING)])
def test_objects_on_one_side_only(labels: np.ndarray, reference: np.ndarray) -> None:
    scores = evaluate(reference=reference, labels=labels)
    assert scores.dic == 2
    assert {scores.sbd, scores.aji, scores.dice, scores.f1, scores.pq, *scores.ap.values()} == {0}
    assert scores.voi_split == 0


def test_missing_every_object_merges_them_and_without_reference_no_pixel_is_judged() -> None:
    assert evaluate(reference=OBJECTS, labels=NOTHING).voi_merge > 0
    assert evaluate(reference=OBJECTS, labels=NOTHING).arand > 0
    assert (
        evaluate(reference=NOTHING, labels=OBJECTS).voi_merge == evaluate(reference=NOTHING, labels=OBJECTS).arand == 0
    )


def test_one_object_of_one_pixel() -> None:
    pixel = np.array([[0, 5]])
    assert evaluate(reference=pixel, labels=pixel).as_dict() == PERFECT | dict.fromkeys(AP_NAMES, 1)


def test_iou_at_the_threshold_is_a_hit() -> None:
    scores = evaluate(reference=np.array([2, 2, 2, 2]), labels=np.array([1, 1, 1, 0]))
    assert (scores.ap[0.75], scores.ap[0.8], scores.pq) == (1, 0, 0.75)
    assert (scores.ap50, scores.ap75, scores.ap_mean) == (1, 1, pytest.approx(6 / 9))


def test_of_two_halves_at_iou_one_half_only_one_is_a_hit() -> None:
    assert evaluate(reference=np.array([1, 1, 1, 1]), labels=np.array([1, 1, 2, 2])).ap50 == 1 / 2


def test_object_counts_are_pooled_and_other_scores_averaged() -> None:
    good = np.arange(10).reshape(2, 5)
    bad = np.ones((3, 3), dtype=int)
    scores = evaluate(reference=[good, bad], labels=[good, np.zeros_like(bad)])
    assert scores.ap50 == 9 / 10
    assert scores.f1 == pytest.approx(18 / 19)
    assert (scores.sbd, scores.aji, scores.dice, scores.dic) == (0.5, 0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("labels", "reference", "message"),
    [
        (OBJECTS[:4], OBJECTS, r"\(4, 7\).*\(6, 7\)"),
        (OBJECTS.astype(np.float32), OBJECTS, "labels are of type float32"),
        (OBJECTS, OBJECTS > 0, "reference are of type bool"),
        (OBJECTS - np.int64(1), OBJECTS, "id -1"),
        (np.full((1, 1), 2**63, dtype=np.uint64), np.ones((1, 1), dtype=int), "id 9223372036854775808"),
        (OBJECTS[:0], OBJECTS[:0], "without a pixel"),
        ([OBJECTS], [OBJECTS, OBJECTS], "1 label images and 2 references"),
        ([], [], "0 label images"),
        ([OBJECTS], OBJECTS, "a list and the reference is a ndarray"),
    ],
)
def test_what_is_no_label_image_is_named(labels: object, reference: object, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        evaluate(reference=reference, labels=labels)


def test_negative_min_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="min_size is -1"):
        evaluate(reference=OBJECTS, labels=OBJECTS, min_size=-1)
