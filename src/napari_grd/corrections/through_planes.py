"""Corrections of several planes: links, and merges and splits that go on through all planes of a stack.

A link gives objects other ids, and keeps their pixels: in no plane are two objects merged, so the constraints of every
plane still hold. A merge or split is solved as any other in the plane where the user drew. The other planes follow: a
merged object has one number in all of them, and a split object is divided from the parts in that plane on, by its shape
in 3D.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, pairwise, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.correction import Correction, Plane
from napari_grd.corrections.plane import PlaneLabels
from napari_grd.corrections.solve import Solved, rename, settle
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.flood import divide, narrowness


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


def through_planes(solved: Solved, stack: Sequence[PlaneLabels], z: int, above: int) -> list[Solved]:
    """Let the other planes of a stack follow what a correction changed in plane ``z``; new ids are above ``above``.

    Planes get constraints of their own: links and cannot-links of the deepest pixels of the objects. So later
    corrections keep to them, and earlier ones of these planes that contradict them no longer count.
    """
    changes: list[Solved] = []
    merged, split = _meaning(solved)
    for index, plane in enumerate(stack):
        there = {label: new for label, new in merged.items() if plane.holds(label)}
        if index != z and there:
            changes.append(_renamed(plane, there, above))
    for label, parts in split.items():
        changes += _divided(label, parts, stack, z, above)
    return changes


def _renamed(plane: PlaneLabels, merged: Mapping[int, int], above: int) -> Solved:
    """Give objects the numbers of those that they are part of."""
    links: list[tuple[tuple[int, int], tuple[int, int]]] = []
    for target in set(merged.values()):
        parts = [label for label in (target, *merged) if merged.get(label, label) == target and plane.holds(label)]
        links += pairwise(_inside(plane, label) for label in parts)
    gesture = Constraints(must_link=np.array(links, np.int64).reshape(-1, 2, 2))
    return settle(rename(plane, merged, gesture), above)


def _meaning(solved: Solved) -> tuple[dict[int, int], dict[int, list[int]]]:
    """Which objects of the plane became which other one, and which became several."""
    differ = (solved.before > 0) & (solved.after > 0) & (solved.before != solved.after)
    pairs, counts = np.unique(np.stack([solved.before[differ], solved.after[differ]]), axis=1, return_counts=True)
    pairs = pairs[:, np.argsort(counts, kind="stable")]  # the one that has most of it is the last word
    merged: dict[int, int] = {}
    split: dict[int, list[int]] = {}
    for before, after in pairs.T.tolist():
        if solved.plane.holds(before):
            split.setdefault(before, [before]).append(after)
        else:
            merged[before] = after
    return merged, split


def _divided(label: int, parts: list[int], stack: Sequence[PlaneLabels], z: int, above: int) -> list[Solved]:
    """Divide an object of other planes among its parts in one: each voxel goes to the nearest, on ways inside."""
    there = [index for index, plane in enumerate(stack) if index == z or plane.holds(label)]
    stack, z = stack[there[0] : there[-1] + 1], z - there[0]
    boxes = [box for plane in stack if (box := plane.box(label)) is not None]
    y0, x0, y1, x1 = box = stack[z].box_around(parts, *boxes)
    labels = np.stack([plane.labels[y0:y1, x0:x1] for plane in stack])
    seeds = np.zeros(labels.shape, np.int32)
    for number, part in enumerate(parts, 1):
        seeds[z][labels[z] == part] = number
    groups = ((labels == label) | (seeds > 0)).astype(np.int32)
    cells = divide(np.zeros((3, *groups.shape), np.float32), groups, seeds, 1.0, narrowness(groups))
    changes = []
    for index, plane in enumerate(stack):
        after = labels[index].copy()
        for number, part in enumerate(parts, 1):
            after[cells[index] == number] = part
        if index == z or (after == labels[index]).all():
            continue
        deepest = [_deepest(after == part) for part in parts if (after == part).any()]
        cannot_link = np.array(list(combinations(deepest, 2)), np.int64).reshape(-1, 2, 2) + np.array([y0, x0])
        changes.append(settle(Solved(plane, Constraints(cannot_link=cannot_link)).write(box, after), above))
    return changes


def _inside(plane: PlaneLabels, label: int) -> tuple[int, int]:
    """The deepest pixel of an object."""
    box = plane.box_around([label])
    y, x = _deepest(plane.cut_out(box) == label)
    return y + box[0], x + box[1]


def _deepest(mask: NDArray[np.bool_]) -> tuple[int, int]:
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return int(y), int(x)


def _planes(start: Plane, end: Plane, shape: tuple[int, ...]) -> tuple[list[Plane], list[Plane]]:
    """The planes between the two, and those from the second onward, both away from the first."""
    axis = next(axis for axis, (a, b) in enumerate(zip(start, end, strict=True)) if a != b)
    step = 1 if end[axis] > start[axis] else -1

    def along(begin: int, stop: int) -> list[Plane]:
        return [(*end[:axis], index, *end[axis + 1 :]) for index in range(begin, stop, step)]

    return along(start[axis] + step, end[axis]), along(end[axis], shape[axis] if step > 0 else -1)
