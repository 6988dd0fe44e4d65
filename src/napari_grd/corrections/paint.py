"""What corrections that name pixels make of labels: these pixels, at once.

Nothing is computed from the embedding here. Who calls this looks afterwards
whether everything else that was said still holds.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.kinds import Accept, Correction, Erase, Pick, Remove

Labels = NDArray[np.uint32]

_OVER_CORNERS = np.ones((3, 3), bool)
_SPECK = 16  # pixels: what an outline that is a little smaller than the object leaves around it


def paint(labels: Labels, correction: Correction, fresh: int, origin: tuple[int, int] = (0, 0)) -> Labels:
    """Labels after a correction that names pixels.

    Parameters
    ----------
    labels : uint32 array, shape (H, W)
        A part of the plane that holds all objects the correction touches.
    correction : Correction
        One with an ``area``.
    fresh : int
        The first id that is free.
    origin : (int, int)
        Where in the plane the part begins.

    Returns
    -------
    uint32 array, shape (H, W)
        A copy. What the correction cuts off of an object becomes one of its own, specks under
        16 pixels that a pick, an acceptance or a brush leave become background.

    Examples
    --------
    >>> from napari_grd.corrections.region import Region
    >>> labels = np.array([[1, 1, 1, 0]], np.uint32)
    >>> paint(labels, Erase(Region([(0, 1, 1)]), (0, 0)), 5).tolist()
    [[1, 0, 5, 0]]
    """
    assert correction.area is not None
    result = labels.copy()
    inside = tuple((correction.area.pixels - origin).T)
    at = next(((y - origin[0], x - origin[1]) for y, x in correction.pixels), None)
    if isinstance(correction, Erase):
        result[inside] = 0
        number = 0
    elif isinstance(correction, Remove):
        assert at is not None
        number = 0
        result[inside] = np.where(labels[inside] == labels[at], 0, labels[inside])
        result[at] = labels[at]
    elif isinstance(correction, Pick | Accept) or at is None:
        number = _own(labels, inside) or fresh
        result[inside] = number
    else:
        number = int(labels[at]) or fresh
        result[inside] = result[at] = number
    fresh += number == fresh
    exact = isinstance(correction, Pick | Accept) or at is None
    for label in np.unique(labels[labels != result]).tolist():
        if label not in (0, number):
            fresh = _tidy(labels == label, result, label, fresh, specks=number == 0)
    if exact and number:
        rest = result == number
        rest[inside] = False
        fresh = _tidy(labels == number, result, 0, fresh, specks=False, left=rest)
    return result


def _own(labels: Labels, inside: tuple[NDArray[Any], ...]) -> int:
    """The object of which most lies in these pixels, and which has most of them; 0 if there is none."""
    found, counts = np.unique(labels[inside], return_counts=True)
    found, counts = found[found > 0], counts[found > 0]
    if not len(found):
        return 0
    label, count = int(found[counts.argmax()]), int(counts.max())
    return label if 2 * count > np.count_nonzero(labels == label) else 0


def _tidy(
    before: NDArray[np.bool_],
    result: Labels,
    label: int,
    fresh: int,
    *,
    specks: bool,
    left: NDArray[np.bool_] | None = None,
) -> int:
    """Number what is left of an object: its largest part keeps ``label`` (if not 0), others get new ids.

    Parts that it had before stay with the largest. ``specks``: whether small parts are kept, too.
    Returns the next free id.
    """
    left = result == label if left is None else left
    parts, count = ndimage.label(left, _OVER_CORNERS)
    if not count or (count == 1 and label and specks):
        return fresh
    sizes = np.bincount(parts.reshape(-1), minlength=count + 1)[1:]
    old, _ = ndimage.label(before, _OVER_CORNERS)
    old_sizes = np.bincount(old.reshape(-1))
    largest = int(sizes.argmax()) + 1
    for part in range(1, count + 1):
        here = parts == part
        untouched = sizes[part - 1] == old_sizes[old[here][0]]
        if sizes[part - 1] < _SPECK and not specks and not untouched:
            result[here] = 0
        elif label and (untouched or part == largest):
            result[here] = label
        else:
            result[here] = fresh
            fresh += 1
    return fresh
