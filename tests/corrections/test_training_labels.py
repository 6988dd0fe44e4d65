"""Only what was corrected or accepted is learned."""

import numpy as np
import pytest

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Accept, Add, Correction, Draw, Erase, Merge, Pick, Remove, Split, SplitLine
from napari_grd.corrections.region import Region
from napari_grd.corrections.training_labels import training_labels
from napari_grd.errors import LabelError

IMAGE = ImageRef((40, 60))
LABELS = np.zeros((40, 60), int)
LABELS[5:15, 5:15] = 3
LABELS[5:15, 15:25] = 4  # touches 3
LABELS[25:35, 40:50] = 9


def region(number: int) -> Region:
    return Region.from_mask(np.equal(LABELS, number))


def taught(*made: Correction, labels: np.ndarray = LABELS, rim: int | None = 2) -> np.ndarray:
    found = training_labels(Corrections(IMAGE, made), labels, rim=rim)
    assert found.dtype == np.int64
    return found


def objects(found: np.ndarray) -> set[int]:
    return {int(number) for number in np.unique(found)} - {-1, 0}


def test_without_corrections_nothing_is_known() -> None:
    assert (taught() == -1).all()


def test_an_accepted_object_and_its_rim_are_known() -> None:
    found = taught(Accept((10, 10), region(3)))
    assert np.array_equal(found == 3, LABELS == 3)
    rim = np.zeros(LABELS.shape, bool)
    rim[3:17, 3:17] = True
    rim &= LABELS == 0
    assert np.array_equal(found == 0, rim)
    assert (found[LABELS == 4] == -1).all(), "a neighbor that nobody looked at is not background"
    assert (found[LABELS == 9] == -1).all()
    assert (taught(Accept((10, 10), region(3)), rim=0) != 0).all()


@pytest.mark.parametrize(("side", "width"), [(10, 3), (32, 6)])
def test_the_rim_is_wider_around_large_objects(side: int, width: int) -> None:
    labels = np.zeros((40, 60), int)
    labels[:side, :side] = 1
    found = taught(Accept((4, 4), Region.from_mask(labels == 1)), labels=labels, rim=None)
    rim = np.zeros(labels.shape, bool)
    rim[: side + width, : side + width] = True
    assert np.array_equal(found == 0, rim & (labels == 0))


@pytest.mark.parametrize(
    ("made", "numbers"),
    [
        (Pick((30, 45), Region([(30, 45, 1)])), {9}),
        (Add((10, 10), Region([(16, 5, 1)])), {3}),
        (Remove((10, 10), Region([(16, 5, 1)])), {3}),
        (Draw(Region([(10, 10, 1)]), (10, 11)), {3}),
        (Draw(Region([(10, 20, 2)])), {4}),
        (Merge([(10, 6), (10, 22)]), {3, 4}),
        (SplitLine([(5, 14.5), (14, 14.5)]), {3, 4}),
        (Split((10, 10), (30, 45)), {3, 9}),
        (Pick((0, 0), Region([(0, 0, 1)])), set()),
        (Merge([(-100, -100), (-90, 500)]), set()),
    ],
)
def test_a_correction_vouches_for_what_it_touched(made: Correction, numbers: set[int]) -> None:
    assert objects(taught(made)) == numbers


def test_a_stroke_that_pokes_into_a_neighbor_says_nothing_about_it() -> None:
    assert objects(taught(Merge([(6, 6), (14, 6), (14, 15)]))) == {3}


def test_what_was_erased_is_background() -> None:
    erased = Region([(20, 30, 6)])
    assert (taught(Erase(erased))[20, 30:36] == 0).all()
    assert np.count_nonzero(taught(Erase(erased)) != -1) == 6
    drawn_over = LABELS.copy()
    drawn_over[20, 32] = 12
    found = taught(Erase(erased), labels=drawn_over)
    assert found[20, 30:36].tolist() == [0, 0, -1, 0, 0, 0]


def test_what_was_accepted_survives_another_segmentation() -> None:
    merged = np.where(LABELS == 4, 3, LABELS)  # a new student joins the two
    found = taught(Accept((10, 10), region(3)), labels=merged)
    assert objects(found) == {10}
    assert np.array_equal(found == 10, LABELS == 3)
    gone = taught(Accept((10, 10), region(3)), labels=np.zeros_like(LABELS))
    assert np.array_equal(gone > 0, LABELS == 3)


@pytest.mark.parametrize(
    "later",
    [
        SplitLine([(0, 9.5), (20, 9.5)]),
        Split((6, 6), (13, 13)),
        Erase(Region([(5, 5, 3)])),
        Draw(Region([(14, 14, 3)]), (10, 20)),
        Add((10, 10), Region([(15, 5, 3)])),
    ],
)
def test_a_later_correction_takes_an_acceptance_back(later: Correction) -> None:
    now = LABELS.copy()
    now[5:15, 5:10] = 11
    found = taught(Accept((12, 12), region(3)), later, labels=now)
    assert np.count_nonzero(found == 12) == 0, "the object as it was accepted is no longer vouched for"


def test_a_correction_elsewhere_leaves_it() -> None:
    found = taught(Accept((10, 10), region(3)), SplitLine([(25, 45), (34, 45)]))
    assert objects(found) == {3, 9}


def test_planes_are_told_apart() -> None:
    made = Corrections(ImageRef((2, *LABELS.shape)), [Accept((10, 10), region(3), plane=(1,))])
    assert objects(training_labels(made, LABELS, (1,))) == {3}
    assert (training_labels(made, LABELS, (0,)) == -1).all()


def test_labels_of_another_size_are_refused() -> None:
    with pytest.raises(LabelError, match="shape"):
        training_labels(Corrections(IMAGE), LABELS[:-1])
