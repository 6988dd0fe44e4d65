"""Links through planes: objects get other ids, and keep their pixels.

In no plane are two objects merged, so the constraints of every plane still hold.
"""

from collections.abc import Callable
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.correction import Correction, Plane


def new_ids(
    correction: Correction, labels: NDArray[np.integer[Any]], holds: Callable[[Plane, int], bool], fresh: int
) -> dict[Plane, dict[int, int]]:
    """The new id for each old one that changes by a link or unlink, plane by plane.

    A link gives the second object the first one's id: from its plane onward, away from the first plane, and in planes
    between the two that have only the second. Where another object has this id there, that one gets the ``fresh`` id,
    which is free, from that plane onward. An unlink gives the object the fresh id, from the second plane onward.
    Nothing changes if a pixel is background. ``holds`` tells whether a plane has an object of an id.

    Examples
    --------
    >>> labels = np.array([[[1, 0]], [[2, 1]], [[2, 1]]])
    >>> from napari_grd.corrections.kinds import Link
    >>> link = Link((0, 0), (0, 0), (1,), plane=(0,))
    >>> new_ids(link, labels, lambda plane, label: label in labels[plane], 3)
    {(1,): {2: 1, 1: 3}, (2,): {2: 1, 1: 3}}
    """
    first, second = (int(labels[(*plane, *pixel)]) for plane, pixel in correction.places)
    if not first or not second or (first == second) == correction.links:
        return {}
    between, onward = _planes(correction.plane, correction.places[-1][0], labels.shape)
    if not correction.links:
        return {plane: {first: fresh} for plane in onward if holds(plane, first)}
    free = takewhile(lambda plane: not holds(plane, first), reversed(between))
    changes = {plane: {second: first} for plane in (*free, *onward) if holds(plane, second)}
    met = False
    for plane in (plane for plane in onward if holds(plane, first)):
        met = met or plane in changes
        if met:
            changes.setdefault(plane, {})[first] = fresh
    return changes


def _planes(start: Plane, end: Plane, shape: tuple[int, ...]) -> tuple[list[Plane], list[Plane]]:
    """The planes between the two, and those from the second onward, both away from the first."""
    axis = next(axis for axis, (a, b) in enumerate(zip(start, end, strict=True)) if a != b)
    step = 1 if end[axis] > start[axis] else -1

    def along(begin: int, stop: int) -> list[Plane]:
        return [(*end[:axis], index, *end[axis + 1 :]) for index in range(begin, stop, step)]

    return along(start[axis] + step, end[axis]), along(end[axis], shape[axis] if step > 0 else -1)
