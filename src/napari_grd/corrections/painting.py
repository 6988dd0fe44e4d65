"""Corrections that are equivalent to what was painted with a brush."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.correction import Correction, Plane
from napari_grd.corrections.kinds import Draw, Erase
from napari_grd.corrections.region import Region, extent, window

BACKGROUND_NUMBER = 2**32 - 1
"""The number that a brush paints background with: painting 0 where there is no object changes nothing."""


def painted_corrections(before: NDArray[np.uint32], after: NDArray[Any], plane: Plane) -> list[Correction]:
    """Corrections equivalent to what was painted into a plane: it before and after, (H, W).

    A Draw for each number that was painted with, an Erase for each object that lost pixels to the background, and one
    for pixels without an object that were painted as background (:data:`BACKGROUND_NUMBER`): there is nothing here.

    Examples
    --------
    >>> before = np.array([[1, 1, 0, 0]], np.uint32)
    >>> painted_corrections(before, np.array([[1, 1, 1, 0]]), ())[0].pixel
    (0, 0)
    """
    changed = before != after
    box = extent(changed)
    origin = box[:2]
    changed, old, new = (each[window(box)] for each in (changed, before, after))
    corrections: list[Correction] = []
    background = new == BACKGROUND_NUMBER
    empty = changed & background & (old == 0)
    if empty.any():
        corrections.append(Erase(Region.from_mask(empty, origin), plane=plane))
    new = np.where(background, 0, new)
    for kind, numbers, painted in ((Erase, old, changed & ~empty & (new == 0)), (Draw, new, changed & (new != 0))):
        for number in np.unique(numbers[painted]).tolist():
            region = Region.from_mask(painted & (numbers == number), origin)
            # A pixel that the object has before and after.
            kept = np.argwhere((before == number) & (after == number))[:1].tolist()
            corrections.append(kind(region, tuple(kept[0]) if kept else None, plane=plane))
    return corrections


def fill_encircled(before: NDArray[np.uint32], after: NDArray[Any]) -> NDArray[Any]:
    """What was painted into a plane, with the background that strokes enclose.

    That is ``after``, in which every object that was painted with also has the background that it newly encloses.
    Holes that it had before, and other objects in it, stay.

    Examples
    --------
    >>> ring = np.array([[5, 5, 5], [5, 0, 5], [5, 5, 5]])
    >>> fill_encircled(np.zeros((3, 3), np.uint32), ring).tolist()
    [[5, 5, 5], [5, 5, 5], [5, 5, 5]]
    """
    numbers = np.unique(after[before != after])
    filled = after
    for number in numbers[(numbers != 0) & (numbers != BACKGROUND_NUMBER)].tolist():
        here = window(extent(after == number))
        now, was = after[here] == number, before[here] == number
        enclosed = ndimage.binary_fill_holes(now) & ~ndimage.binary_fill_holes(was) & (after[here] == 0)
        if enclosed.any():
            filled = after.copy() if filled is after else filled
            filled[here][enclosed] = number
    return filled
