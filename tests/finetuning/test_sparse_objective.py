"""Weights of pairs by what is labeled."""

import numpy as np
import torch

from napari_grd.config import TrainConfig
from napari_grd.data.simulate import cells_2d
from napari_grd.distillation.objective import Objective
from napari_grd.finetuning.sparse_objective import _AT_RIM, SparseObjective
from napari_grd.graph.offsets import OFFSETS_2D

SPARSE, ORDINARY = SparseObjective(TrainConfig(), OFFSETS_2D), Objective(TrainConfig(), OFFSETS_2D)


def pairs(objective: Objective, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return objective._pairs(labels, objective._both(labels >= 0))


def touching() -> torch.Tensor:
    """Two touching objects with a rim, in a patch that is unlabeled otherwise."""
    labels = torch.full((1, 64, 64), -1)
    labels[0, 10:38, 10:38] = 0
    labels[0, 14:24, 14:34], labels[0, 24:34, 14:34] = 1, 2
    return labels


def test_a_patch_that_is_labeled_as_a_whole_has_the_weights_of_ordinary_training() -> None:
    _, labels = cells_2d(np.random.default_rng(0), (64, 64), gaps=0.4)
    whole = torch.from_numpy(labels.astype(np.int64))[None]
    for one, two in zip(pairs(SPARSE, whole), pairs(ORDINARY, whole), strict=True):
        assert torch.equal(one, two)


def test_touching_objects_are_balanced_and_rims_are_limited() -> None:
    labels = touching()
    wanted, valid, weight = pairs(SPARSE, labels)
    _, _, balance = pairs(ORDINARY, labels)
    between = valid & (wanted == 0) & SPARSE._both(labels > 0)
    rim = valid & (wanted == 0) & ~between
    assert between.any()
    assert rim.any()
    assert torch.equal(weight[between], balance[between])
    assert (weight[between] > 2).all()
    assert (weight[rim] < 2).all()
    assert (weight[rim] >= _AT_RIM).all()


def test_the_more_is_labeled_the_closer_is_the_weight_to_that_of_ordinary_training() -> None:
    weights = []
    for known in (38, 50, 64):
        labels = touching()
        labels[0, :known, :known] = labels[0, :known, :known].clamp(min=0)
        wanted, valid, weight = pairs(SPARSE, labels)
        rim = valid & (wanted == 0) & ~SPARSE._both(labels > 0)
        weights.append(float((weight[rim] / pairs(ORDINARY, labels)[2][rim]).mean()))
    assert weights == sorted(weights)
    assert weights[-1] == 1.0
