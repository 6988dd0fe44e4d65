"""Apply one correction to the labels of a plane, looking only at what it concerns."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.correction import Correction
from napari_grd.corrections.plane import Labels, PlaneLabels
from napari_grd.corrections.predictions import PlanePrediction
from napari_grd.corrections.region import BBox, around, box_of, extent, window
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.resolve import reach, resolve

_OVER_CORNERS = np.ones((3, 3), bool)
_SPECK = 16  # pixels: what an outline that is a little smaller than the object leaves around it


def paint(labels: Labels, correction: Correction, fresh: int, origin: tuple[int, int] = (0, 0)) -> Labels:
    """A copy of labels after a correction that has an ``area``; ``fresh`` is the first id that is free.

    The labels are the part of the plane from ``origin`` on that holds all objects the correction touches. What it cuts
    off of an object becomes one of its own, specks under 16 pixels that a pick, an acceptance or a brush leave become
    background.

    Examples
    --------
    >>> from napari_grd.corrections.kinds import Erase
    >>> from napari_grd.corrections.region import Region
    >>> labels = np.array([[1, 1, 1, 0]], np.uint32)
    >>> paint(labels, Erase(Region([(0, 1, 1)]), (0, 0)), 5).tolist()
    [[1, 0, 5, 0]]
    """
    assert correction.area is not None
    result = labels.copy()
    inside = tuple((correction.area.pixels - origin).T)
    anchor = next(((y - origin[0], x - origin[1]) for y, x in correction.pixels), None)
    exact = correction.whole is not None or anchor is None
    if correction.clears_one:
        assert anchor is not None
        number = 0
        result[inside] = np.where(labels[inside] == labels[anchor], 0, labels[inside])
        result[anchor] = labels[anchor]
    elif correction.clears:
        number = 0
        result[inside] = 0
    elif exact:
        number = _own(labels, inside) or fresh
        result[inside] = number
    else:
        number = int(labels[anchor]) or fresh
        result[inside] = result[anchor] = number
    fresh += number == fresh
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
    ids, counts = np.unique(labels[inside], return_counts=True)
    ids, counts = ids[ids > 0], counts[ids > 0]
    if not len(ids):
        return 0
    label, count = int(ids[counts.argmax()]), int(counts.max())
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


_MARGIN = 2
_ROUNDS = 3


class Solved:
    """What a correction changes in a plane, beginning with its constraints, and all that it takes to undo it.

    The plane is changed through :meth:`write` only, until :meth:`finish`; then ``before`` and ``after`` are the labels
    of the box in which they differ, which is empty if they do not.
    """

    def __init__(self, plane: PlaneLabels, gesture: Constraints) -> None:
        self.plane = plane
        self.box: BBox = (0, 0, 0, 0)
        self.before = self.after = plane.labels[:0, :0]
        self._earlier = plane.history
        self._history = plane.history = plane.history.then(gesture)

    def write(self, box: BBox, labels: Labels) -> "Solved":
        """Change a part of the plane, and keep what was there before."""
        whole = around([box, self.box]) if self.before.size else box
        before = self.plane.cut_out(whole)
        y, x = self.box[0] - whole[0], self.box[1] - whole[1]
        before[y : y + self.before.shape[0], x : x + self.before.shape[1]] = self.before
        self.box, self.before = whole, before
        self.plane.write(box, labels)
        return self

    def finish(self) -> "Solved":
        """Keep the smallest box of all changes, and the constraints that hold now."""
        after, (y, x) = self.plane.cut_out(self.box), self.box[:2]
        y0, x0, y1, x1 = differ = extent(self.before != after)
        self.box = (y + y0, x + x0, y + y1, x + x1)
        self.before, self.after = (each[window(differ)].copy() for each in (self.before, after))
        self.plane.accepted = None
        return self

    def undo(self) -> None:
        """Bring back what was before."""
        self.plane.history = self._earlier
        self.plane.write(self.box, self.before)

    def redo(self) -> None:
        """Make the change again."""
        self.plane.history = self._history
        self.plane.write(self.box, self.after)


def solve(plane: PlaneLabels, correction: Correction, prediction: PlanePrediction | None, above: int) -> Solved:
    """Make a correction in a plane, which is changed in place; new ids are larger than ``above``.

    Without a prediction, boundaries run half-way between the objects that are separated.
    """
    gesture = _constraints(plane, correction)
    solved = Solved(plane, gesture)
    if _is_so(plane, correction, gesture):
        return solved.finish()
    if correction.area is None:
        return settle(solved, above, prediction, gesture.pixels)
    pixels = (box_of(np.array([pixel])) for pixel in correction.pixels)
    box = _around_objects(plane, around([correction.area.box, *pixels]))
    return settle(solved.write(box, paint(plane.cut_out(box), correction, above + 1, box[:2])), above, prediction)


def rename(plane: PlaneLabels, ids: Mapping[int, int], gesture: Constraints | None = None) -> Solved:
    """Give objects of a plane other ids, all at once."""
    box = plane.box_around(ids)
    before = plane.cut_out(box)
    after = before.copy()
    for old, new in ids.items():
        after[before == old] = new
    return Solved(plane, gesture or Constraints()).write(box, after)


def settle(
    solved: Solved,
    above: int,
    prediction: PlanePrediction | None = None,
    touched: NDArray[np.int64] | None = None,
) -> Solved:
    """Change a plane until its constraints hold at these pixels, or everywhere that it was changed so far."""
    plane = solved.plane
    if touched is None:
        touched = violated(plane.labels, plane.history.near(solved.box))
    for _ in range(_ROUNDS):
        if not len(touched):
            break
        box, given = _scope(plane, touched)
        before = plane.cut_out(box)
        above = max(above, int(before.max()))
        local, here = given.cropped(box[:2], box[2:]), touched - np.array(box[:2])
        embedding = np.ones((*before.shape, 1), np.float32) if prediction is None else prediction.embedding[window(box)]
        solved.write(box, resolve(before, embedding, local, here, above=above))
        touched = violated(plane.labels, given)
    return solved.finish()


def _is_so(plane: PlaneLabels, correction: Correction, constraints: Constraints) -> bool:
    """Whether the labels already agree with the correction."""
    if len(violated(plane.labels, constraints)):
        return False
    return correction.whole is None or plane.label_of(correction.whole) > 0


def _constraints(plane: PlaneLabels, correction: Correction) -> Constraints:
    """Its constraints, of a split line with the objects that it crosses."""
    shape = plane.labels.shape
    if not correction.crosses_objects:
        return correction.constraints(shape)
    points = np.array(correction.line)
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - _MARGIN, 0, shape)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + _MARGIN + 1, 0, shape)
    if (low >= high).any():
        return Constraints()
    box = _around_objects(plane, (*low.tolist(), *high.tolist()))
    moved = replace(correction, **{"stroke": points - box[:2]})
    seen = plane.cut_out(box)
    return moved.constraints(seen.shape, seen).cropped((-box[0], -box[1]), (*shape,))


def _around_objects(plane: PlaneLabels, box: BBox) -> BBox:
    return plane.box_around(np.unique(plane.labels[window(box)]).tolist(), box)


def _scope(plane: PlaneLabels, touched: NDArray[np.int64]) -> tuple[BBox, Constraints]:
    """A box around all that could change, and the constraints in it."""
    height, width = plane.labels.shape
    labels, pixels = np.unique(plane.labels[tuple(touched.T)]).astype(np.int64), touched[:0]
    labels = labels[labels > 0]
    while True:
        y0, x0, y1, x1 = plane.box_around(labels.tolist(), box_of(np.concatenate([touched, pixels])))
        box = (max(y0 - _MARGIN, 0), max(x0 - _MARGIN, 0), min(y1 + _MARGIN, height), min(x1 + _MARGIN, width))
        given = plane.history.near(box)
        previous = labels, pixels
        labels, pixels = reach(plane.labels, given, touched)
        if np.array_equal(labels, previous[0]) and np.array_equal(pixels, previous[1]):
            return box, given


def violated(labels: Labels, given: Constraints) -> NDArray[np.int64]:
    """Pixels of constraints that do not hold."""

    def labels_at(pixels: NDArray[np.int64]) -> Labels:
        values: Labels = labels[pixels[..., 0], pixels[..., 1]]
        return values

    links, cannot_link = labels_at(given.must_link), labels_at(given.cannot_link)
    parted = (links[:, 0] != links[:, 1]) | (links == 0).any(axis=1)
    joined = (cannot_link[:, 0] == cannot_link[:, 1]) & (cannot_link[:, 0] > 0)
    return np.concatenate(
        [
            given.must_link[parted].reshape(-1, 2),
            given.cannot_link[joined].reshape(-1, 2),
            given.foreground[labels_at(given.foreground) == 0],
            given.background[labels_at(given.background) > 0],
        ]
    )
