"""Merges and splits that go on through all planes of a stack.

In the plane where the user drew, a correction is solved as any other. The other planes follow: a merged object has one
number in all of them, and a split object is divided from the parts in that plane on, by its shape in 3D.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.plane import PlaneLabels
from napari_grd.corrections.solve import Solved, rename, settle
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.flood import divide, narrowness


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
