"""Every score against an implementation that is not ours.

===========================  ================================================
score                        independent implementation
===========================  ================================================
ap, f1, pq, match_objects    stardist ``matching``, ``matching_dataset``
sbd, dice                    python-elf ``evaluation``
voi_split, voi_merge, arand  scikit-image ``metrics``
aji                          no library has the greedy variant of the paper:
                             sets of pixels, below, from the definition
===========================  ================================================
"""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from elf.evaluation import dice_score, symmetric_best_dice_score
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.metrics import adapted_rand_error, variation_of_information

from napari_grd.metrics.matching import match_objects
from napari_grd.metrics.scores import IOU_THRESHOLDS, evaluate

SEEDS = range(6)
small_labels = arrays(np.int64, (5, 6), elements=st.integers(0, 4))


@pytest.fixture
def stardist() -> Any:
    return pytest.importorskip("stardist.matching", reason="StarDist is not installed")


def segmentation_and_reference(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of a few pixels as reference; shifted, some merged, some lost, some invented as segmentation."""
    rng = np.random.default_rng(seed)
    blocks = rng.permutation(40)[:36].reshape(6, 6) * rng.integers(0, 4, (6, 6)).astype(bool)
    reference = np.kron(blocks, np.ones((16, 20), dtype=int))
    labels = np.roll(reference, rng.integers(0, 3, 2), axis=(0, 1))
    labels[np.isin(labels, rng.integers(1, 40, 6))] = 41
    labels[np.isin(labels, rng.integers(1, 40, 4))] = 0
    labels[rng.random(labels.shape) < 0.02] = 42
    return labels, reference


@pytest.mark.parametrize("iou", IOU_THRESHOLDS)
def test_object_scores_pooled_over_images_agree_with_stardist(iou: float, stardist: Any) -> None:
    labels, references = zip(*map(segmentation_and_reference, SEEDS), strict=True)
    theirs = stardist.matching_dataset(references, labels, thresh=iou, show_progress=False)
    scores = evaluate(reference=references, labels=labels)
    assert theirs.tp > 0
    assert scores.ap[iou] == pytest.approx(theirs.accuracy)
    if iou == 0.5:
        assert scores.f1 == pytest.approx(theirs.f1)
        assert scores.pq == pytest.approx(theirs.panoptic_quality)


@pytest.mark.parametrize("iou", [0.05, 0.2, 0.5, 0.7])
@pytest.mark.parametrize("seed", SEEDS)
def test_matching_agrees_with_stardist_at_any_threshold(seed: int, iou: float, stardist: Any) -> None:
    labels, reference = segmentation_and_reference(seed)
    theirs = stardist.matching(reference, labels, thresh=iou)
    matches = match_objects(reference=reference, labels=labels, iou=iou)
    assert (len(matches.pairs), len(matches.spurious), len(matches.missed)) == (theirs.tp, theirs.fp, theirs.fn)
    # StarDist works in float32.
    assert matches.iou.sum() == pytest.approx(theirs.mean_matched_score * theirs.tp, rel=1e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_dice_scores_agree_with_elf(seed: int) -> None:
    labels, reference = segmentation_and_reference(seed)
    scores = evaluate(reference=reference, labels=labels)
    assert scores.sbd == pytest.approx(symmetric_best_dice_score(labels, reference))
    assert scores.dice == pytest.approx(dice_score(labels, reference))


@pytest.mark.parametrize("seed", SEEDS)
def test_clustering_scores_agree_with_skimage(seed: int) -> None:
    labels, reference = segmentation_and_reference(seed)
    scores = evaluate(reference=reference, labels=labels)
    merge_split = variation_of_information(reference, labels, ignore_labels=(0,))[::-1]
    assert (scores.voi_merge, scores.voi_split) == pytest.approx(tuple(merge_split))
    assert scores.arand == pytest.approx(adapted_rand_error(reference, labels, ignore_labels=(0,))[0])


@settings(deadline=None, max_examples=60)
@given(small_labels, small_labels)
def test_aji_agrees_with_its_definition(labels: np.ndarray, reference: np.ndarray) -> None:
    assert evaluate(reference=reference, labels=labels).aji == pytest.approx(
        float(aji_of_pixel_sets(labels, reference))
    )


def aji_of_pixel_sets(labels: np.ndarray, reference: np.ndarray) -> Fraction | int:
    """The definition, object by object: claim the best unclaimed one, add up, then add what nobody claimed."""
    unclaimed = pixel_sets(labels)
    intersection = union = 0
    for target in pixel_sets(reference):
        best = max(unclaimed, key=lambda s: (Fraction(len(s & target), len(s | target)), len(s & target)), default=None)
        if best is None or not best & target:
            union += len(target)
            continue
        unclaimed.remove(best)
        intersection += len(best & target)
        union += len(best | target)
    union += sum(map(len, unclaimed))
    return Fraction(intersection, union) if union else 1


def pixel_sets(labels: np.ndarray) -> list[set[int]]:
    """The pixels of each object, objects in scan order."""
    objects: dict[int, set[int]] = {}
    for position, i in enumerate(labels.ravel().tolist()):
        if i:
            objects.setdefault(i, set()).add(position)
    return list(objects.values())
