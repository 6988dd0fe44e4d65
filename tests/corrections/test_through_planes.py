"""Merges and splits through all planes of a stack."""

from pathlib import Path

import numpy as np
import pytest

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.correction import Correction
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.files import SUFFIX, save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Merge, MergeVolume, Split, SplitLineVolume, SplitVolume
from napari_grd.corrections.loading import load_corrections
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.solve import violated
from napari_grd.errors import CorrectionError

SHAPE = (9, 24, 40)


@pytest.fixture
def balls() -> np.ndarray:
    """Two balls of radius 7 that touch, one higher than the other, and a third object."""
    z, y, x = np.indices(SHAPE)
    labels = np.zeros(SHAPE, np.uint32)
    for number, (cz, cx) in enumerate([(3, 11), (5, 25)], 1):
        labels[(labels == 0) & ((2 * (z - cz)) ** 2 + (y - 12) ** 2 + (x - cx) ** 2 < 56)] = number
    labels[:, 20:23, 35:39] = 7
    return labels


def edited(labels: np.ndarray, *corrections: Correction) -> Editor:
    editor = Editor(labels, Corrections(ImageRef(SHAPE)), Predictions())
    for correction in corrections:
        editor.apply(correction)
    for z in range(len(labels)):
        assert not len(violated(editor.labels[z], editor.constraints((z,))))
    return editor


def test_a_merge_joins_two_objects_in_all_planes_and_is_undone_as_one(balls: np.ndarray) -> None:
    editor = edited(balls, MergeVolume([(12, 11), (12, 25)], plane=(4,)))
    assert np.unique(editor.labels).tolist() == [0, 1, 7]
    in_other_planes = np.arange(SHAPE[0]) != 4  # there the stroke itself is foreground, too
    np.testing.assert_array_equal(editor.labels[in_other_planes] == 1, np.isin(balls, (1, 2))[in_other_planes])
    [change] = editor.undo()
    assert {change.plane, *(each.plane for each in change.elsewhere)} > {(4,), (7,)}
    np.testing.assert_array_equal(editor.labels, balls)
    assert all(editor.constraints((z,)).must_link.size == 0 for z in range(SHAPE[0]))
    editor.redo()
    assert np.unique(editor.labels).tolist() == [0, 1, 7]


def test_a_merge_in_a_plane_leaves_the_others(balls: np.ndarray) -> None:
    editor = edited(balls, Merge([(12, 11), (12, 25)], plane=(4,)))
    np.testing.assert_array_equal(np.delete(editor.labels, 4, 0), np.delete(balls, 4, 0))


@pytest.mark.parametrize(
    "split", [SplitVolume((12, 11), (12, 25), plane=(4,)), SplitLineVolume([(2, 18), (22, 18)], plane=(4,))]
)
def test_a_split_divides_the_object_in_all_planes(split: Correction, balls: np.ndarray) -> None:
    one = np.where(balls == 2, 1, balls)
    editor = edited(one, split)
    left, right = editor.labels[4, 12, 11], editor.labels[4, 12, 25]
    assert {1, 7} < {int(left), int(right), 7}
    assert (editor.labels == 7).sum() == (balls == 7).sum()
    np.testing.assert_array_equal(editor.labels > 0, one > 0)
    assert (editor.labels == left)[balls == 1].mean() > 0.95
    assert (editor.labels == right)[balls == 2].mean() > 0.95
    editor.undo()
    np.testing.assert_array_equal(editor.labels, one)


def test_the_later_word_counts(balls: np.ndarray) -> None:
    one = np.where(balls == 2, 1, balls)
    here, elsewhere = ((12, 11), (12, 25)), [(12, 11), (12, 25)]
    editor = edited(one, Split(*here, plane=(2,)), SplitVolume(*here, plane=(4,)), MergeVolume(elsewhere, plane=(5,)))
    assert set(np.unique(editor.labels[4])) == {0, editor.labels[4, 12, 11], 7}
    again = edited(one, SplitVolume(*here, plane=(4,)), Merge(elsewhere, plane=(3,)))
    assert again.labels[3, 12, 11] == again.labels[3, 12, 25]
    assert again.labels[5, 12, 11] != again.labels[5, 12, 25]


def test_what_is_saved_does_the_same_again(balls: np.ndarray, tmp_path: Path) -> None:
    editor = edited(balls, MergeVolume([(12, 11), (12, 25)], plane=(4,)), SplitVolume((12, 9), (12, 27), plane=(5,)))
    loaded = load_corrections(save_corrections(editor.corrections, tmp_path / f"balls{SUFFIX}"))
    assert loaded == editor.corrections
    np.testing.assert_array_equal(Editor(balls, loaded, Predictions()).labels, editor.labels)


def test_a_series_has_no_depth() -> None:
    with pytest.raises(CorrectionError, match="none"):
        Corrections(ImageRef(SHAPE, "tyx")).add(MergeVolume([(1, 1), (1, 3)], plane=(4,)))
