import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from napari_grd.errors import ConfigError, LabelError
from napari_grd.metrics.errors import ErrorKind, find_errors
from napari_grd.metrics.matching import match_objects

CORRECT, MISSED, SPURIOUS, MERGED, SPLIT = ErrorKind
IMAGES = npst.arrays(np.uint8, (2, 6, 7), elements=st.integers(0, 4))


def row(drawing: str) -> np.ndarray:
    """One row of pixels, a letter an object and ``_`` background: ``row("aa_b")`` is ``[1, 1, 0, 2]``."""
    return np.array(["_abcdefgh".index(letter) for letter in drawing])


def test_one_of_each() -> None:
    #                            right missed  spurious  merged   split
    errors = find_errors(reference=row("aaaa_bbb_____ccc_ddd_eeeee"), labels=row("aaaa_____bbb_ccccccc_ddeee"))
    assert dict(zip(errors.label_ids.tolist(), errors.label_kinds.tolist(), strict=True)) == {
        1: CORRECT, 2: SPURIOUS, 3: MERGED, 4: SPLIT, 5: SPLIT,
    }  # fmt: skip
    assert dict(zip(errors.reference_ids.tolist(), errors.reference_kinds.tolist(), strict=True)) == {
        1: CORRECT, 2: MISSED, 3: MERGED, 4: MERGED, 5: SPLIT,
    }  # fmt: skip
    assert errors.counts == {MISSED: 1, SPURIOUS: 1, MERGED: 1, SPLIT: 1}
    assert "".join(map(str, errors.picture)) == "00000111022203333333044444"
    assert errors.partners.tolist() == [1, 0, 0, 0, 5]
    np.testing.assert_allclose(errors.iou, [1, np.nan, np.nan, np.nan, 0.6])


def test_of_two_that_overlap_the_smaller_shows() -> None:
    assert find_errors(reference=row("aaaaa"), labels=row("_a___")).picture.tolist() == [1, 2, 1, 1, 1]
    assert find_errors(reference=row("_a___"), labels=row("aaaaa")).picture.tolist() == [2, 1, 2, 2, 2]


def test_objects_too_small_to_count_are_no_errors() -> None:
    errors = find_errors(reference=row("_c_bbb"), labels=row("a__bbb"), min_size=2)
    assert sum(errors.counts.values()) == 0
    assert errors.label_ids.tolist() == [2]
    assert not errors.picture.any()


def test_a_stricter_match_turns_objects_into_missed_and_spurious_ones() -> None:
    errors = find_errors(reference=row("aaaaa"), labels=row("aaaa_"), iou=0.9)
    assert errors.counts[MISSED] == errors.counts[SPURIOUS] == 1
    assert errors.picture.tolist() == [2, 2, 2, 2, 1]


@given(IMAGES)
def test_a_perfect_copy_has_no_errors_and_kinds_agree_with_the_matches(images: np.ndarray) -> None:
    labels, reference = images
    assert sum(find_errors(reference=labels, labels=labels).counts.values()) == 0
    errors, matches = find_errors(reference=reference, labels=labels), match_objects(reference=reference, labels=labels)
    assert sorted(errors.label_ids[errors.label_kinds == MERGED]) == sorted(matches.merged)
    assert sorted(errors.reference_ids[errors.reference_kinds == SPLIT]) == sorted(matches.split)
    assert set(errors.label_ids[errors.label_kinds == SPURIOUS]) <= set(matches.spurious)
    assert set(errors.reference_ids[errors.reference_kinds == MISSED]) <= set(matches.missed)
    # Swapping the two images swaps what the kinds mean, and nothing else.
    swapped = find_errors(reference=labels, labels=reference)
    assert swapped.counts[MISSED] == errors.counts[SPURIOUS]
    assert swapped.counts[MERGED] == errors.counts[SPLIT]
    assert set(np.unique(errors.picture)) <= {0} | {kind for kind, count in errors.counts.items() if count}


def test_bad_input_is_named() -> None:
    with pytest.raises(LabelError, match=r"\(3,\).*\(4,\)"):
        find_errors(reference=row("aaaa"), labels=row("aaa"))
    with pytest.raises(ConfigError, match="iou is 0"):
        find_errors(reference=row("a"), labels=row("a"), iou=0)
    with pytest.raises(ConfigError, match="min_size"):
        find_errors(reference=row("a"), labels=row("a"), min_size=-1)
