"""A person who corrects a segmentation, simulated: knows the truth, and makes one click or stroke at a time."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from napari_grd.corrections.editor import Editor
from napari_grd.corrections.kinds import Correction, Draw, Erase, Merge, Pick, Split, SplitLine
from napari_grd.corrections.region import Region
from napari_grd.metrics.contingency import contingency
from napari_grd.metrics.matching import match_objects

IOU = 0.75
GROWTHS = (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0)  # as far as a person turns the wheel before painting


def without_small(labels: np.ndarray, min_size: int) -> np.ndarray:
    """Labels without the objects that scores ignore."""
    sizes = np.bincount(labels.reshape(-1))
    return np.where(sizes[labels] >= min_size, labels, 0)


@dataclass
class State:
    """What is wrong with labels."""

    labels: np.ndarray
    truth: np.ndarray
    min_size: int

    def __post_init__(self) -> None:
        found = without_small(self.labels, self.min_size)
        matches = match_objects(reference=self.truth, labels=found, iou=IOU)
        sizes = np.bincount(self.truth.reshape(-1))
        self.missed = sorted(matches.missed.tolist(), key=lambda label: -sizes[label])
        table = contingency(reference=self.truth, labels=found)
        of_missed = np.isin(table.reference_ids[table.reference_index], self.missed)
        concerned = set(table.label_ids[table.label_index[of_missed]].tolist())
        self.spurious = [label for label in matches.spurious.tolist() if label not in concerned]
        self.total = len(matches.pairs) + len(matches.missed) + len(matches.spurious)
        self.ap = len(matches.pairs) / self.total if self.total else 1.0

    @property
    def wrong(self) -> int:
        """Objects to repaint, and to erase, if there were nothing but a brush."""
        return len(self.missed) + len(self.spurious)


@dataclass
class User:
    """Corrects one image.

    ``way``: "strokes", "two clicks" (to part objects), or "brush" (nothing else, to compare with). What a gesture did
    not mend is taken back and painted; the gesture counts all the same.
    """

    editor: Editor
    truth: np.ndarray
    min_size: int
    way: str = "strokes"
    made: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    hopeless: set[int] = field(default_factory=set)

    def correct(self, goal: float, most: int = 500) -> None:
        """Correct the worst error until the goal is reached."""
        for _ in range(most):
            state = State(self.editor.labels, self.truth, self.min_size)
            if state.ap >= goal or not (state.missed or state.spurious):
                return
            if not state.missed:
                self._make(Erase(Region.from_mask(self.editor.labels == state.spurious[0])))
                continue
            worst = state.missed[0]
            if worst in self.hopeless or self.way == "brush":
                self._make(Draw(Region.from_mask(self.truth == worst)))
                continue
            gesture = self._gesture(worst)
            self._make(gesture)
            after = State(self.editor.labels, self.truth, self.min_size)
            if worst in after.missed and after.wrong >= state.wrong:
                self.hopeless.add(worst)
                if gesture.kind != "draw":
                    self.failed[gesture.kind] += 1
                    self.editor.undo()

    def _make(self, correction: Correction) -> None:
        self.editor.apply(correction)
        self.made[correction.kind] += 1

    def _gesture(self, worst: int) -> Correction:
        """What a person does who sees this object missed."""
        labels, here = self.editor.labels, self.truth == worst
        found, overlap = np.unique(labels[here], return_counts=True)
        found, overlap = found[found > 0], overlap[found > 0]
        sizes = np.array([np.count_nonzero(labels == label) for label in found])
        pieces = found[(2 * overlap > sizes) & (overlap >= 20)]
        if len(pieces) > 1:
            return Merge([_middle(here & (labels == label)) for label in pieces])
        for label in found[overlap.argsort()[::-1]].tolist():
            merged = self._also_in(label, worst)
            if merged:
                return self._part(label, worst, merged)
        return self._pick(here)

    def _also_in(self, label: int, worst: int) -> list[int]:
        """Other objects of which most lies in the label."""
        inside = self.truth[self.editor.labels == label]
        ids, counts = np.unique(inside[(inside > 0) & (inside != worst)], return_counts=True)
        return [
            int(each)
            for each, count in zip(ids, counts, strict=True)
            if 2 * count > np.count_nonzero(self.truth == each)
        ]

    def _part(self, label: int, worst: int, merged: list[int]) -> Correction:
        part = self.editor.labels == label
        here, others = part & (self.truth == worst), part & np.isin(self.truth, merged)
        if self.way == "two clicks":
            nearest = min(merged, key=lambda other: _gap(here, part & (self.truth == other)))
            return Split(_middle(here), _middle(part & (self.truth == nearest)))
        stroke = _border(here, others)
        return SplitLine(stroke) if len(stroke) > 1 else Split(_middle(here), _middle(others))

    def _pick(self, here: np.ndarray) -> Correction:
        """A click, with the wheel turned until it looks right; else the brush."""
        pixel = _middle(here)
        best, score = None, 0.0
        for growth in GROWTHS:
            region = self.editor.candidate(pixel, (), growth)
            if region is not None:
                mask = region.mask(here.shape)
                iou = (mask & here).sum() / (mask | here).sum()
                if iou > score:
                    best, score = Pick(pixel, region, growth), iou
        return best if best is not None and score >= IOU else Draw(Region.from_mask(here))


def _middle(mask: np.ndarray) -> tuple[int, int]:
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), mask.shape)
    return int(y), int(x)


def _gap(first: np.ndarray, second: np.ndarray) -> float:
    return float(ndimage.distance_transform_edt(~first)[second].min(initial=np.inf))


def _border(first: np.ndarray, second: np.ndarray) -> list[tuple[float, float]]:
    """A straight stroke where two masks come closest, drawn a little farther than that."""
    to_first, to_second = (ndimage.distance_transform_edt(~mask) for mask in (first, second))
    between = np.argwhere((np.abs(to_first - to_second) <= 1) & (to_first + to_second <= 8))
    if len(between) < 2:
        return []
    center = between.mean(axis=0)
    along = np.linalg.svd(between - center, full_matrices=False)[2][0]
    reach = (between - center) @ along
    return [tuple((center + end * along).tolist()) for end in (reach.min() - 4, reach.max() + 4)]
