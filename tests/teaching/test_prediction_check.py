"""A teacher that makes no sense is refused before anything learns from it."""

import numpy as np
import pytest

from napari_grd.errors import DataError, GrdError, LabelError
from napari_grd.graph.offsets import OFFSETS_2D, pair_ends
from napari_grd.teaching.base import TeacherPrediction
from napari_grd.teaching.prediction_check import check_plausible, check_prediction

SHAPE = (30, 40)
LABELS = np.zeros(SHAPE, np.uint32)


def test_an_image_of_background_is_a_fair_answer() -> None:
    check_prediction(TeacherPrediction(LABELS, np.zeros(SHAPE, np.float32)), SHAPE)


def test_another_shape_or_type() -> None:
    with pytest.raises(LabelError, match=r"shape \(30, 40\), the image \(30, 41\)"):
        check_prediction(TeacherPrediction(LABELS), (30, 41))
    with pytest.raises(GrdError, match="returned a ndarray"):
        check_prediction(LABELS, SHAPE)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [-0.1, 1.5, np.nan])
def test_probabilities_are_probabilities(value: float) -> None:
    foreground = np.full(SHAPE, 0.5, np.float32)
    foreground[3, 4] = value
    with pytest.raises(LabelError, match="teacher's foreground range from"):
        check_prediction(TeacherPrediction(LABELS, foreground), SHAPE)


def test_only_pairs_inside_the_image_count() -> None:
    affinities = np.full((len(OFFSETS_2D), *SHAPE), np.nan, np.float32)
    for affinity, offset in zip(affinities, OFFSETS_2D, strict=True):
        affinity[pair_ends(offset, SHAPE)[0]] = 1
    check_prediction(TeacherPrediction(LABELS, affinities=affinities), SHAPE)
    affinities[0, 1, 0] = 2
    with pytest.raises(LabelError, match="affinities range from 1 to 2"):
        check_prediction(TeacherPrediction(LABELS, affinities=affinities), SHAPE)


def test_embeddings_are_finite() -> None:
    embeddings = np.zeros((2, *SHAPE), np.float32)
    embeddings[1, 2, 3] = np.inf
    with pytest.raises(LabelError, match="embeddings contain NaN or infinite"):
        check_prediction(TeacherPrediction(LABELS, embeddings=embeddings), SHAPE)


def test_something_has_to_be_found_somewhere() -> None:
    one = LABELS.copy()
    one[0, 0] = 7
    check_plausible([])
    check_plausible([LABELS, one])
    with pytest.raises(DataError, match="no instance in any of the 2 images"):
        check_plausible([LABELS, LABELS])
    with pytest.raises(DataError, match="no instance in the image"):
        check_plausible([LABELS])


def test_one_giant_everywhere() -> None:
    giant = LABELS + 3
    giant[0] = 0
    split = giant.copy()
    split[:15] = 4
    check_plausible([giant, split])
    with pytest.raises(DataError, match=r"97% or more of each of the 2 images for one instance.*diameter"):
        check_plausible([giant, giant])
