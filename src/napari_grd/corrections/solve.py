"""From one correction to new labels of a plane, looking only at what it is about."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.edges import constraints_of_one
from napari_grd.corrections.evidence import PlaneEvidence
from napari_grd.corrections.kinds import Accept, Correction, Cut, Draw, Pick
from napari_grd.corrections.paint import paint
from napari_grd.corrections.plane import PlaneLabels
from napari_grd.corrections.said import Box, Said, around, box_of
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.resolve import reach, resolve

Labels = NDArray[np.uint32]

_MARGIN = 2
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Solved:
    """What a correction changes.

    Attributes
    ----------
    said : Said
        What counts now in the plane.
    box : tuple of int
        y0, x0, y1, x1: where labels differ; empty if they do not.
    before, after : uint32 array
        Labels of the box.
    """

    said: Said
    box: Box
    before: Labels
    after: Labels


def solve(plane: PlaneLabels, said: Said, correction: Correction, evidence: PlaneEvidence | None, above: int) -> Solved:
    """Make a correction in a plane.

    Parameters
    ----------
    plane : PlaneLabels
        Changed in place.
    said : Said
        What was said before, and holds.
    correction : Correction
        It fits the image.
    evidence : PlaneEvidence, optional
        What the network said; without it borders run half-way between what is told apart.
    above : int
        New ids are larger.

    Returns
    -------
    Solved
    """
    gesture = _constraints(plane, correction)
    now, log = said.then(gesture), _Log(plane)
    if _is_so(plane, correction, gesture):
        return log.solved(now)
    touched = gesture.pixels
    if correction.area is not None:
        box = _around_objects(plane, around([correction.area.box, *(_box_of(pixel) for pixel in correction.pixels)]))
        log.write(box, paint(plane.cut_out(box), correction, above + 1, box[:2]))
        touched = _violated(plane.labels, now.near(box))
    for _ in range(_ROUNDS):
        if not len(touched):
            break
        box, given = _scope(plane, now, touched)
        before = plane.cut_out(box)
        above = max(above, int(before.max()))
        local, here = given.cropped(box[:2], box[2:]), touched - np.array(box[:2])
        log.write(box, resolve(before, _embedding(evidence, box), local, here, above=above))
        touched = _violated(plane.labels, given)
    return log.solved(now)


class _Log:
    """Changes of a plane, with what was there before."""

    def __init__(self, plane: PlaneLabels) -> None:
        self._plane = plane
        self._box: Box = (0, 0, 0, 0)
        self._before: Labels = plane.labels[:0, :0]

    def write(self, box: Box, labels: Labels) -> None:
        """Change a part of the plane."""
        whole = around([box, self._box]) if self._before.size else box
        before = self._plane.cut_out(whole)
        y, x = self._box[0] - whole[0], self._box[1] - whole[1]
        before[y : y + self._before.shape[0], x : x + self._before.shape[1]] = self._before
        self._box, self._before = whole, before
        self._plane.write(box, labels)

    def solved(self, said: Said) -> Solved:
        """All changes, in the smallest box."""
        before, after = self._before, self._plane.cut_out(self._box)
        rows, columns = (np.flatnonzero((before != after).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return Solved(said, (0, 0, 0, 0), before[:0, :0], after[:0, :0])
        y0, x0, y1, x1 = int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1
        where, (y, x) = np.s_[y0:y1, x0:x1], self._box[:2]
        return Solved(said, (y + y0, x + x0, y + y1, x + x1), before[where].copy(), after[where].copy())


def _is_so(plane: PlaneLabels, correction: Correction, gesture: Constraints) -> bool:
    """Whether the labels say already what the correction says."""
    if len(_violated(plane.labels, gesture)):
        return False
    if isinstance(correction, Pick | Accept) or (isinstance(correction, Draw) and correction.pixel is None):
        label = int(plane.labels[correction.region.runs[0][:2]])
        box = plane.box(label)
        return box is not None and np.count_nonzero(plane.cut_out(box) == label) == correction.region.area
    return True


def _constraints(plane: PlaneLabels, correction: Correction) -> Constraints:
    """What it says, with the objects that are seen while a cut is drawn."""
    shape = plane.labels.shape
    if not isinstance(correction, Cut):
        return constraints_of_one(correction, shape)
    points = np.array(correction.stroke)
    low = np.clip(np.floor(points.min(axis=0)).astype(int) - _MARGIN, 0, shape)
    high = np.clip(np.ceil(points.max(axis=0)).astype(int) + _MARGIN + 1, 0, shape)
    if (low >= high).any():
        return Constraints()
    box = _around_objects(plane, (*low.tolist(), *high.tolist()))
    moved = replace(correction, stroke=tuple((y - box[0], x - box[1]) for y, x in correction.stroke))
    seen = plane.cut_out(box)
    return constraints_of_one(moved, seen.shape, seen).cropped((-box[0], -box[1]), (*shape,))


def _around_objects(plane: PlaneLabels, box: Box) -> Box:
    y0, x0, y1, x1 = box
    found = (plane.box(label) for label in np.unique(plane.labels[y0:y1, x0:x1]).tolist())
    return around([box, *(each for each in found if each is not None)])


def _scope(plane: PlaneLabels, said: Said, touched: NDArray[np.int64]) -> tuple[Box, Constraints]:
    """A box around all that could change, and what was said about it."""
    height, width = plane.labels.shape
    labels, pixels = np.unique(plane.labels[tuple(touched.T)]).astype(np.int64), touched[:0]
    labels = labels[labels > 0]
    while True:
        found = [plane.box(label) for label in labels.tolist()]
        y0, x0, y1, x1 = around(
            [box_of(np.concatenate([touched, pixels])), *(each for each in found if each is not None)]
        )
        box = (max(y0 - _MARGIN, 0), max(x0 - _MARGIN, 0), min(y1 + _MARGIN, height), min(x1 + _MARGIN, width))
        given = said.near(box)
        known = labels, pixels
        labels, pixels = reach(plane.labels, given, touched)
        if np.array_equal(labels, known[0]) and np.array_equal(pixels, known[1]):
            return box, given


def _violated(labels: Labels, given: Constraints) -> NDArray[np.int64]:
    """Pixels of constraints that do not hold."""

    def at(pixels: NDArray[np.int64]) -> Labels:
        found: Labels = labels[pixels[..., 0], pixels[..., 1]]
        return found

    links, apart = at(given.together), at(given.apart)
    parted = (links[:, 0] != links[:, 1]) | (links == 0).any(axis=1)
    joined = (apart[:, 0] == apart[:, 1]) & (apart[:, 0] > 0)
    return np.concatenate(
        [
            given.together[parted].reshape(-1, 2),
            given.apart[joined].reshape(-1, 2),
            given.foreground[at(given.foreground) == 0],
            given.background[at(given.background) > 0],
        ]
    )


def _embedding(evidence: PlaneEvidence | None, box: Box) -> NDArray[np.float32]:
    y0, x0, y1, x1 = box
    if evidence is None:
        return np.ones((y1 - y0, x1 - x0, 1), np.float32)
    return evidence.embedding[y0:y1, x0:x1]


def _box_of(pixel: tuple[int, int]) -> Box:
    return (*pixel, pixel[0] + 1, pixel[1] + 1)
