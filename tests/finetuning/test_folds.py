"""Owners of pixels, and what is held out."""

import numpy as np

from napari_grd.data.inputs import IGNORED
from napari_grd.finetuning.folds import LabeledRegion, divide, labeled_regions, owners, without


def labels() -> np.ndarray:
    known = np.full((40, 60), IGNORED, np.int64)
    known[5:20, 5:35] = 0
    known[8:16, 8:18], known[8:16, 20:30] = 7, 9
    known[30:36, 40:50] = 0
    return known


def test_background_belongs_to_the_nearest_object_or_to_itself() -> None:
    owned = owners(labels())
    assert owned[10, 6] == 7
    assert owned[10, 33] == 9
    assert owned[32, 45] < 0
    assert owned[0, 0] == 0
    assert [region.is_object for region in labeled_regions([owned])] == [False, True, True]


def test_of_an_object_that_is_held_out_nothing_remains() -> None:
    known = labels()
    owned = owners(known)
    left = without(known, owned, 0, [LabeledRegion(0, 9)])
    assert set(np.unique(left)) == {IGNORED, 0, 7}
    assert (left[owned == 9] == IGNORED).all()
    assert (left[owned != 9] == known[owned != 9]).all()
    assert (without(known, owned, 1, [LabeledRegion(0, 9)]) == known).all()


def test_every_object_is_held_out_once() -> None:
    regions = [LabeledRegion(0, owner) for owner in (-2, -1, *range(1, 10))]
    first, second = divide(regions, seed=3)
    assert sorted(first + second, key=lambda one: one.owner) == regions
    for part in (first, second):
        assert sum(region.is_object for region in part) in (4, 5)
        assert sum(not region.is_object for region in part) == 1


def test_several_images_are_held_out_as_wholes() -> None:
    regions = [LabeledRegion(image, owner) for image in range(3) for owner in range(1, 4 + image)]
    regions.append(LabeledRegion(3, -1))
    first, second = divide(regions, seed=0)
    assert not {one.image for one in first} & {one.image for one in second}
    assert len(first) + len(second) == len(regions)
