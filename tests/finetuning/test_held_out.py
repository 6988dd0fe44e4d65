"""Scores of single corrections."""

import math

import numpy as np
import pytest

from napari_grd.config import SegmentConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.finetuning.choice import Distance, farthest_gain, is_gain
from napari_grd.finetuning.corrected_grid import on_grid
from napari_grd.finetuning.folds import LabeledRegion, labeled_regions, owners
from napari_grd.finetuning.held_out import HeldOut, RegionScore, _score, average_precision, score_regions
from napari_grd.hub import builtin_paths, load_model


def test_the_built_in_model_finds_the_nuclei_it_was_made_for() -> None:
    nuclei = load_model(builtin_paths()["nuclei"])
    image, labels = nuclei_2d(np.random.default_rng(0), (160, 160))
    known = labels.astype(np.int64)
    grid = on_grid(nuclei, [image[None]], [known], SegmentConfig().as_known())
    owned = [owners(known)]
    scores = score_regions(nuclei, nuclei.network, grid, owned, labeled_regions(owned))
    assert len(scores) == known.max()
    assert average_precision(scores) > 0.8


def test_merges_and_extra_objects_cost() -> None:
    labels = np.full((20, 40), -1, np.int64)
    labels[4:16, 2:38] = 0
    labels[5:15, 5:15], labels[5:15, 20:35] = 1, 2
    mine, region = owners(labels) == 1, LabeledRegion(0, 1)
    exact = np.where(labels > 0, labels, 0).astype(np.uint32)
    merged = (exact > 0).astype(np.uint32)
    split = exact.copy()
    split[5:8, 5:15] = 3
    extra = exact.copy()
    extra[5:15, 2:4] = 3
    qualities = [_score(found, labels, mine, region).quality for found in (exact, extra, split, merged)]
    assert qualities[0] == 1.0
    assert qualities == sorted(qualities, reverse=True)
    assert qualities[-1] < 0.5
    none = _score(np.zeros_like(exact), labels, mine, region)
    assert (none.iou, none.extra) == (0.0, 0)


def test_background_is_right_if_nothing_is_found_in_it() -> None:
    labels = np.full((20, 20), -1, np.int64)
    labels[5:15, 5:15] = 0
    mine = labels == 0
    found = np.zeros((20, 20), np.uint32)
    assert _score(found, labels, mine, LabeledRegion(0, -1)).quality == 1.0
    found[7:10, 7:10] = 1
    assert _score(found, labels, mine, LabeledRegion(0, -1)).quality == 0.0


def test_a_gain_has_to_exceed_chance() -> None:
    before = [RegionScore(0.4, 0), RegionScore(0.8, 0), RegionScore(0.9, 0), RegionScore(math.nan, 0)] * 3
    better = [RegionScore(0.6, 0), RegionScore(0.9, 0), RegionScore(0.95, 0), RegionScore(math.nan, 0)] * 3
    lucky = [RegionScore(0.6, 0), *before[1:]]
    assert farthest_gain(before, {Distance(5, 1.0): better, Distance(9, 1.0): before}) == Distance(5, 1.0)
    assert farthest_gain(before, {Distance(5, 1.0): lucky}) is None
    assert farthest_gain(before, {}) is None
    scores = HeldOut.of(before, better)
    assert (scores.objects, scores.ap50_before, scores.ap50_after) == (9, pytest.approx(2 / 3), 1.0)
    assert scores.iou_after - scores.iou_before == pytest.approx(0.35 / 3)


def test_less_is_asked_of_a_gain_where_the_model_is_of_no_use() -> None:
    before = [RegionScore(0.2, 0)] * 8
    after = [RegionScore(0.6, 0), RegionScore(0.0, 0), *before[2:]]
    useful = [RegionScore(0.95, 0)] * 20
    assert is_gain(before, after)
    assert not is_gain(before + useful, after + useful)
