"""Division of corrections into parts, so that what was learned is scored on objects that were held out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.data.inputs import IGNORED

FOLDS = 2
"""Parts into which corrections are divided."""

_TOUCHING = np.ones((3, 3), bool)


@dataclass(frozen=True)
class LabeledRegion:
    """An object with the background nearest to it, or a piece of labeled background without an object.

    Attributes
    ----------
    image : int
        Index of its image.
    owner : int
        Its number among the owners of the image's labeled pixels: of an object its label, else below 0.
    """

    image: int
    owner: int

    @property
    def is_object(self) -> bool:
        """Whether it is an object."""
        return self.owner > 0


def owners(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Assign every labeled pixel to an object, or to a piece of background without one.

    Background that is connected with and nearest to an object has its label, other pieces of background have negative
    numbers; 0 is unlabeled.

    Examples
    --------
    >>> owners(np.array([[0, 5, 0, -1, 0, 0]])).tolist()
    [[5, 5, 5, 0, -2, -2]]
    """
    pieces, count = ndimage.label(labels >= 0, _TOUCHING)
    with_objects = np.zeros(count + 1, bool)
    with_objects[pieces[labels > 0]] = True
    owner = np.where(labels >= 0, -pieces.astype(np.int64), 0)
    if with_objects.any():
        nearest = ndimage.distance_transform_edt(labels <= 0, return_distances=False, return_indices=True)
        belongs = (labels >= 0) & with_objects[pieces]
        owner[belongs] = labels[tuple(nearest)][belongs]
    return owner


def labeled_regions(owned: Sequence[NDArray[np.int64]]) -> list[LabeledRegion]:
    """All regions of images, from the owners of their pixels."""
    return [LabeledRegion(image, int(owner)) for image, each in enumerate(owned) for owner in np.unique(each) if owner]


def divide(regions: Sequence[LabeledRegion], seed: int) -> list[list[LabeledRegion]]:
    """Divide regions into two parts with objects in each.

    By images, if there are several with objects, because new images are what a model is for; else by objects. With
    fewer than two objects there are no parts.

    Examples
    --------
    >>> [len(part) for part in divide([LabeledRegion(0, owner) for owner in range(1, 6)], seed=0)]
    [3, 2]
    >>> regions = [LabeledRegion(0, 1), LabeledRegion(1, 1), LabeledRegion(1, 2)]
    >>> [{region.image for region in part} for part in divide(regions, seed=0)]
    [{1}, {0}]
    >>> divide([LabeledRegion(0, 1)], seed=0)
    []
    """
    objects = [region for region in regions if region.is_object]
    if len(objects) < FOLDS:
        return []
    images, counts = np.unique([region.image for region in objects], return_counts=True)
    parts: list[list[LabeledRegion]] = [[] for _ in range(FOLDS)]
    if len(images) >= FOLDS:
        sizes, part_of = [0] * FOLDS, {}
        for image, count in sorted(zip(images.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1]):
            smallest = sizes.index(min(sizes))
            part_of[image] = smallest
            sizes[smallest] += count
        for region in regions:  # images without objects are dealt out in turn
            parts[part_of.get(region.image, region.image % FOLDS)].append(region)
        return parts
    rng = np.random.default_rng(seed)
    background = [region for region in regions if not region.is_object]
    for kind in (objects, background):
        for turn, number in enumerate(rng.permutation(len(kind))):
            parts[turn % FOLDS].append(kind[number])
    return parts


def without(
    labels: NDArray[np.int64], owned: NDArray[np.int64], image: int, held: Sequence[LabeledRegion]
) -> NDArray[np.int64]:
    """Labels of an image in which the regions that are held out are unlabeled."""
    out = [region.owner for region in held if region.image == image]
    return np.where(np.isin(owned, out), IGNORED, labels)
