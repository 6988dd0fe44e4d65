"""What was said so far in a plane, so that one more word costs what it is about and no more."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_grd.graph.constraints import Constraints
from napari_grd.graph.merging import remaining
from napari_grd.graph.pairs import keys

Box = tuple[int, int, int, int]
"""First row and column, and those behind the last: y0, x0, y1, x1."""


@dataclass(frozen=True, eq=False)
class Said:
    """Constraints of a plane, gesture by gesture. It never changes: what was said before a gesture can be kept.

    Attributes
    ----------
    parts : tuple
        What still counts of each gesture.

    Examples
    --------
    >>> said = Said().then(Constraints.join_stroke([(1, 1), (1, 3)])).then(Constraints.split_points((1, 1), (5, 5)))
    >>> len(said.near((0, 0, 2, 2)).apart), len(said.near((7, 7, 9, 9)).apart)
    (1, 0)
    """

    parts: "tuple[_Part, ...]" = ()
    _boxes: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 4), np.int64))

    @property
    def constraints(self) -> Constraints:
        """All that counts."""
        return Constraints.union([part.constraints for part in self.parts])

    def near(self, box: Box) -> Constraints:
        """Those of the gestures that name a pixel near a box, whole."""
        return Constraints.union([self.parts[at].constraints for at in self._meeting(box)])

    def then(self, later: Constraints) -> "Said":
        """What counts after one more gesture, the later word against the earlier ones."""
        new = _Part(later)
        if not len(new.named):
            return self
        concerned = self._concerned(new)
        changed = remaining([self.parts[at].constraints for at in concerned], later)
        parts = list(self.parts)
        for at, left in zip(concerned, changed, strict=True):
            parts[at] = _Part(left)
        parts = [part for part in (*parts, new) if len(part.named)]
        return Said(tuple(parts), np.array([part.box for part in parts], np.int64))

    def _meeting(self, box: Box) -> list[int]:
        y0, x0, y1, x1 = box
        boxes = self._boxes
        meets = (boxes[:, 0] < y1) & (boxes[:, 2] > y0) & (boxes[:, 1] < x1) & (boxes[:, 3] > x0)
        found: list[int] = np.flatnonzero(meets).tolist()
        return found

    def _concerned(self, new: "_Part") -> list[int]:
        """Gestures that a later one could take something back from.

        They name a pixel that it names, or one that hangs together with it by links.
        """
        taken: set[int] = set()
        followed: set[int] = set()
        todo: list[tuple[Box, NDArray[np.int64]]] = [(new.box, new.named)]
        while todo:
            box, pixels = todo.pop()
            for at in self._meeting(box):
                if at in followed or not _meet(self.parts[at].named, pixels):
                    continue
                taken.add(at)
                if _meet(self.parts[at].linked, pixels):
                    followed.add(at)
                    todo.append((self.parts[at].box, self.parts[at].linked))
        return sorted(taken)


@dataclass(frozen=True, eq=False)
class _Part:
    """What counts of one gesture."""

    constraints: Constraints

    @cached_property
    def named(self) -> NDArray[np.int64]:
        """Numbers of all its pixels."""
        return keys(self.constraints.pixels)

    @cached_property
    def linked(self) -> NDArray[np.int64]:
        """Numbers of those that are linked."""
        return np.unique(keys(self.constraints.together))

    @cached_property
    def box(self) -> Box:
        """Around them."""
        return box_of(self.constraints.pixels)


def box_of(pixels: NDArray[np.int64]) -> Box:
    """The box around pixels ``(N, 2)``, at least one.

    Examples
    --------
    >>> box_of(np.array([[3, 4], [5, 1]]))
    (3, 1, 6, 5)
    """
    (y0, x0), (y1, x1) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
    return y0, x0, y1 + 1, x1 + 1


def around(boxes: Sequence[Box]) -> Box:
    """The box around boxes, at least one.

    Examples
    --------
    >>> around([(0, 5, 2, 6), (1, 1, 3, 2)])
    (0, 1, 3, 6)
    """
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)


def _meet(first: NDArray[np.int64], second: NDArray[np.int64]) -> bool:
    """Whether two sorted arrays have a number in common."""
    if len(first) > len(second):
        first, second = second, first
    if not len(first):
        return False
    at = np.minimum(np.searchsorted(second, first), len(second) - 1)
    return bool((second[at] == first).any())
