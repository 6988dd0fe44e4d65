import numpy as np
import pytest

from napari_grd.errors import ConfigError, LabelError
from napari_grd.metrics.matching import match_objects


def row(drawing: str) -> np.ndarray:
    """One row of pixels, a letter an object and ``_`` background: ``row("aa_b")`` is ``[1, 1, 0, 2]``."""
    return np.array(["_abcdefgh".index(letter) for letter in drawing])


def test_matched_missed_and_spurious_objects() -> None:
    matches = match_objects(reference=row("bbb__dddddddd"), labels=row("aaaa______ccc"))
    assert matches.pairs.tolist() == [[1, 2]]
    assert matches.iou.tolist() == [0.75]
    assert matches.missed.tolist() == [4]
    assert matches.spurious.tolist() == [3]
    assert matches.merged.size == matches.split.size == 0


def test_a_merged_object_is_matched_with_the_part_that_fills_it() -> None:
    matches = match_objects(reference=row("bbbccccccc"), labels=row("aaaaaaaaaa"))
    assert matches.merged.tolist() == [1]
    assert matches.pairs.tolist() == [[1, 3]]
    assert matches.missed.tolist() == [2]


def test_a_split_object() -> None:
    matches = match_objects(reference=row("aaaaaaaaaa"), labels=row("bbbbbccccc"), iou=0.6)
    assert matches.split.tolist() == [1]
    assert matches.pairs.size == 0
    assert matches.spurious.tolist() == [2, 3]


def test_half_an_object_is_neither_merged_nor_split() -> None:
    bridge, two = row("_aa_"), row("bbcc")
    assert (
        match_objects(reference=two, labels=bridge).merged.size
        == match_objects(reference=bridge, labels=two).split.size
        == 0
    )


def test_below_one_half_more_pairs_win_over_the_best_pair() -> None:
    # a and d overlap best of all, yet a leaves d to b, which has no other partner.
    matches = match_objects(reference=row("cccdddddddddd"), labels=row("aaaaaaaaabbbb"), iou=0.3)
    assert matches.pairs.tolist() == [[1, 3], [2, 4]]


def test_below_one_half_the_best_of_two_rivals_wins() -> None:
    assert match_objects(reference=row("__cccccc"), labels=row("aaaaabbb"), iou=0.3).pairs.tolist() == [[2, 3]]


def test_images_without_objects_have_no_matches() -> None:
    matches = match_objects(reference=np.zeros((2, 3, 4), dtype=np.uint8), labels=np.zeros((2, 3, 4), dtype=np.uint8))
    assert matches.pairs.shape == (0, 2)
    assert matches.iou.size == matches.missed.size == matches.spurious.size == 0


@pytest.mark.parametrize("iou", [0.0, -0.5, 1.5])
def test_iou_outside_its_range_is_refused(iou: float) -> None:
    with pytest.raises(ConfigError, match=f"iou is {iou}"):
        match_objects(reference=row("a"), labels=row("a"), iou=iou)


def test_images_must_have_one_shape() -> None:
    with pytest.raises(LabelError, match="shape"):
        match_objects(reference=row("aaa"), labels=row("aa"))
