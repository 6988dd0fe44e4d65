"""Constraints of a plane by gesture; adding one costs time in proportion to what it concerns."""

from collections.abc import Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.region import BBox, around, box_of
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.merging import condensed, remaining
from napari_grd.graph.pairs import Ids, among, distinct, keys


@dataclass(frozen=True, eq=False)
class ConstraintHistory:
    """Immutable constraints of a plane, gesture by gesture, so that earlier states can be kept for undo.

    Attributes
    ----------
    parts : tuple
        What still counts of each gesture, or of several that link the same pixels.

    Examples
    --------
    >>> history = ConstraintHistory().then(Constraints.merge_stroke([(1, 1), (1, 3)]))
    >>> history = history.then(Constraints.split_points((1, 1), (5, 5)))
    >>> len(history.near((0, 0, 2, 2)).cannot_link), len(history.near((7, 7, 9, 9)).cannot_link)
    (1, 0)
    """

    parts: "tuple[_Part, ...]" = ()
    _boxes: Ids = field(default_factory=lambda: np.empty((0, 4), np.int64))

    @property
    def constraints(self) -> Constraints:
        """All that counts."""
        return Constraints.union([gesture for part in self.parts for gesture in part.gestures])

    def near(self, box: BBox) -> Constraints:
        """Those of the gestures that name a pixel near a box, whole, but each pair and pixel as often as it takes."""
        return Constraints.union([self.parts[index].constraints for index in self._meeting(box)])

    def then(self, later: Constraints) -> "ConstraintHistory":
        """What counts after one more gesture, the later word against the earlier ones."""
        new = _Part((later,))
        if not len(new.named):
            return self
        if self._agrees(new):
            return self._with(set(), [new])
        concerned = self._concerned(new)
        if _all_left([self.parts[index] for index in concerned], later):
            same = {index for index in concerned if _meet(self.parts[index].linked, new.linked)}
            return self._with(same, [_as_one([*(self.parts[index] for index in sorted(same)), new])])
        gestures = [gesture for index in concerned for gesture in self.parts[index].gestures]
        left = [_Part((gesture,)) for gesture in remaining(gestures, later) if len(gesture.named)]
        return self._with(set(concerned), [*left, new])

    def _with(self, gone: Set[int], new: "list[_Part]") -> "ConstraintHistory":
        """The same with other parts in the place of some."""
        stays = [index for index in range(len(self.parts)) if index not in gone]
        boxes = np.array([part.box for part in new], np.int64)
        return ConstraintHistory(
            (*(self.parts[index] for index in stays), *new), np.concatenate([self._boxes[stays], boxes])
        )

    def _meeting(self, box: BBox) -> list[int]:
        y0, x0, y1, x1 = box
        boxes = self._boxes
        meets = (boxes[:, 0] < y1) & (boxes[:, 2] > y0) & (boxes[:, 1] < x1) & (boxes[:, 3] > x0)
        meeting: list[int] = np.flatnonzero(meets).tolist()
        return meeting

    def _agrees(self, new: "_Part") -> bool:
        """Whether nothing can contradict it, which is soon seen of objects side by side."""
        near = [self.parts[index] for index in self._meeting(new.box)]
        if any(_meet(part.linked, new.linked) for part in near):  # soonest seen
            return False
        named = [part for part in near if _meet(part.named, new.named)]
        linked = [part for part in named if _meet(part.linked, new.named)]
        return not any(
            _both(part.linked, new.cannot_link)
            or _both(new.linked, part.cannot_link)
            or _meet(part.background, new.foreground)
            or _meet(part.foreground, new.background)
            for part in named
        ) and not any(
            _meet(self.parts[index].linked, part.linked)
            for part in linked
            for index in self._meeting(part.box)
            if self.parts[index] is not part
        )

    def _concerned(self, new: "_Part") -> list[int]:
        """Gestures that a later one could take something back from.

        They name a pixel that it names, or are linked with one that does. Where it links what was linked
        before, it could also join what others keep apart.
        """
        taken = self._naming(new.box, new.named)
        linked = {index for index in taken if _meet(self.parts[index].linked, new.named)}
        todo = list(linked)
        while todo:
            # Only those that are not known yet: strokes on one spot all meet each other.
            part = self.parts[todo.pop()]
            unknown = [index for index in self._meeting(part.box) if index not in linked]
            more = {index for index in unknown if _meet(self.parts[index].linked, part.linked)}
            linked |= more
            todo += more
        if any(_meet(self.parts[index].linked, new.linked) for index in linked):
            chain = [self.parts[index] for index in linked]
            pixels = distinct(np.concatenate([part.linked for part in chain]))
            taken |= self._naming(around([part.box for part in chain]), pixels, skip=taken | linked)
        return sorted(taken | linked)

    def _naming(self, box: BBox, pixels: Ids, skip: Set[int] = frozenset()) -> set[int]:
        unknown = [index for index in self._meeting(box) if index not in skip]
        return {index for index in unknown if _meet(self.parts[index].named, pixels)}


@dataclass(frozen=True, eq=False)
class _Part:
    """What counts of one gesture, or of several as one, which takes no more than the pixels that they name.

    Several are not kept as one where a newer part holds them, too: then they are put together again if need be.
    """

    gestures: tuple[Constraints, ...]

    @cached_property
    def constraints(self) -> Constraints:
        """All constraints of them."""
        return self.gestures[0] if len(self.gestures) == 1 else condensed(self.gestures)

    def forget(self) -> None:
        """Keep only what all else follows from."""
        for name in set(vars(self)) - {"gestures"}:
            del vars(self)[name]

    @cached_property
    def named(self) -> Ids:
        """Numbers of all its pixels."""
        return distinct(keys(self.constraints.named))

    @cached_property
    def linked(self) -> Ids:
        """Numbers of those that are linked."""
        return distinct(keys(self.constraints.must_link))

    @cached_property
    def foreground(self) -> Ids:
        """Positions of foreground constraints."""
        return distinct(np.append(self.linked, keys(self.constraints.foreground)))

    @cached_property
    def background(self) -> Ids:
        """Positions of background constraints."""
        return distinct(keys(self.constraints.background))

    @cached_property
    def cannot_link(self) -> Ids:
        """Cannot-link pairs, ``(N, 2)``."""
        return keys(self.constraints.cannot_link)

    @cached_property
    def box(self) -> BBox:
        """Around them."""
        return box_of(self.constraints.named)


def _as_one(parts: list[_Part]) -> _Part:
    """Several parts as one."""
    if len(parts) == 1:
        return parts[0]
    made = _Part(tuple(gesture for part in parts for gesture in part.gestures))
    vars(made)["constraints"] = condensed([part.constraints for part in parts])
    for part in parts:
        if len(part.gestures) > 1:
            part.forget()
    return made


def _all_left(parts: list[_Part], later: Constraints) -> bool:
    """Whether a later word takes nothing back."""
    before = [part.constraints for part in parts]
    return all(now is then for now, then in zip(remaining(before, later), before, strict=True))


def _meet(first: Ids, second: Ids) -> bool:
    """Whether two sorted arrays have a number in common."""
    if not (len(first) and len(second)) or first[0] > second[-1] or second[0] > first[-1]:
        return False
    return bool((among(first, second) if len(second) < len(first) else among(second, first)).any())


def _both(members: Ids, pairs: Ids) -> bool:
    """Whether both numbers of a pair are in a sorted array."""
    return bool(among(members, pairs).all(axis=1).any())


def constraints_of(
    corrections: Corrections, plane: tuple[int, ...] = (), labels: NDArray[np.integer[Any]] | None = None
) -> Constraints:
    """The corrections of a plane as constraints, later ones overriding earlier ones.

    Parameters
    ----------
    corrections : Corrections
        Of the image.
    plane : tuple of int
        Which plane.
    labels : integer array, shape (H, W), optional
        Objects of the plane: those that the end of a split line only touches are then not split.

    Returns
    -------
    Constraints
        In y, x.

    Notes
    -----
    ===================================  ==================================================================
    a merge, a split                     what :class:`~napari_grd.graph.constraints.Constraints` makes of it
    a pick, an acceptance, a new object  the pixels are linked, and separated from their neighbors
    added, drawn on an object            the pixels are linked with each other and with the object's pixel
    removed                              each of the pixels is separated from the object's pixel
    erased                               the pixels are background
    a link, an unlink                    nothing: they are about ids, not about pixels
    ===================================  ==================================================================

    Examples
    --------
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Merge, Split
    >>> made = Corrections(ImageRef((9, 9)), [Merge([(1, 1), (1, 3)]), Split((1, 1), (5, 5))])
    >>> constraints = constraints_of(made)
    >>> len(constraints.must_link), len(constraints.cannot_link)
    (2, 1)
    """
    history = ConstraintHistory()
    for correction in corrections.of_plane(plane):
        history = history.then(correction.constraints(corrections.image.plane_shape, labels))
    return history.constraints
