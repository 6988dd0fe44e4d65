"""Correction tools: clicks and strokes become corrections.

A tool receives the position of the pointer and returns a correction, a preview or a message
to the user. Nothing here depends on napari or Qt.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_grd.corrections import kinds
from napari_grd.corrections.correction import Correction, Pixel, Plane, Point
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.region import Region


@dataclass(frozen=True)
class Position:
    """Where the pointer is, y, x in pixels of a plane, and which keys are held."""

    plane: Plane
    point: Point
    shift: bool = False
    alt: bool = False

    @property
    def pixel(self) -> Pixel:
        """The pixel it is in."""
        return round(self.point[0]), round(self.point[1])


@dataclass(frozen=True)
class ToolPreview:
    """What to show of a tool that is not finished: the outline of a region, and a line."""

    region: Region | None = None
    line: tuple[Point, ...] = ()


class CorrectionTool:
    """One way to use the mouse.

    Attributes
    ----------
    draws : bool
        Whether a drag is a stroke. Otherwise it moves the camera.
    first : Position or None
        The first of two clicks.
    in_volume : callable
        Returns whether objects are merged and split in all planes of the stack.
    """

    draws = False

    def __init__(self, edited: Editor, in_volume: Callable[[], bool] = lambda: False) -> None:
        self.edited, self.in_volume = edited, in_volume
        self.first: Position | None = None

    @property
    def busy(self) -> bool:
        """Whether something was begun that can be dropped."""
        return self.first is not None

    def hover(self, position: Position) -> ToolPreview:
        """What a click here would be about."""
        return ToolPreview()

    def click(self, position: Position) -> Correction | str:
        """What a press and release at one place means, or a message to the user, which may be empty."""
        return ""

    def stroke(self, places: Sequence[Position]) -> Correction | str:
        """What a drag, all of it, means; called only if the tool draws."""
        return ""

    def wheel(self, position: Position, notches: float) -> bool:
        """A turn of the wheel; True if it meant something."""
        return False

    def forget(self) -> None:
        """Start over: discard an unfinished gesture."""
        self.first = None

    def inside(self, pixel: Pixel) -> bool:
        """Whether the planes have a pixel."""
        height, width = self.edited.labels.shape[-2:]
        return bool(0 <= pixel[0] < height and 0 <= pixel[1] < width)

    def number_at(self, position: Position) -> int:
        """The object under the pointer, 0 for background."""
        return self.edited.object_at(position.pixel, position.plane) if self.inside(position.pixel) else 0

    def region_at(self, position: Position) -> Region | None:
        """The pixels of the object under the pointer."""
        return self.edited.region_at(position.pixel, position.plane) if self.inside(position.pixel) else None


class _StrokeTool(CorrectionTool, ABC):
    """A stroke, or two clicks."""

    draws = True
    second: str
    """Asks for the second click."""

    @abstractmethod
    def of_points(self, points: tuple[Point, ...], plane: Plane) -> Correction | str:
        """What a stroke means."""

    def of_clicks(self, first: Position, second: Position) -> Correction | str:
        """What two clicks mean."""
        return self.of_points((first.point, second.point), second.plane)

    def hover(self, position: Position) -> ToolPreview:
        if self.first is None or self.first.plane != position.plane:
            return ToolPreview()
        return ToolPreview(line=(self.first.point, position.point))

    def click(self, position: Position) -> Correction | str:
        first, self.first = self.first, None
        if not self.inside(position.pixel):
            return ""
        if first is None or first.plane != position.plane:
            self.first = position
            return self.second
        return "" if first.pixel == position.pixel else self.of_clicks(first, position)

    def stroke(self, places: Sequence[Position]) -> Correction | str:
        self.forget()
        points = thinned([place.point for place in places])
        if len(points) < 2 or not any(self.inside(place.pixel) for place in places):
            return ""
        return self.of_points(tuple(points), places[0].plane)


class MergeTool(_StrokeTool):
    """A line across pieces of one object, or a click on each of two; what changes nothing is no correction."""

    second = "Now click the other piece."

    def of_points(self, points: tuple[Point, ...], plane: Plane) -> Correction | str:
        kind = kinds.MergeVolume if self.in_volume() else kinds.Merge
        merge, labels = kind(points, plane=plane), self.edited.labels[plane]
        numbers = np.unique(labels[tuple(merge.passed(labels.shape).T)])
        if len(numbers) > 1:
            return merge
        if len(numbers) and numbers[0]:
            return f"This is one object already, {int(numbers[0])}: drag from one object into another."
        return "There are no objects here to merge."


class SplitTool(_StrokeTool):
    """A line along the border of two objects, or a click on each of them."""

    second = "Now click the other object."

    def of_points(self, points: tuple[Point, ...], plane: Plane) -> Correction | str:
        kind = kinds.SplitLineVolume if self.in_volume() else kinds.SplitLine
        return kind(points, plane=plane)

    def of_clicks(self, first: Position, second: Position) -> Correction | str:
        kind = kinds.SplitVolume if self.in_volume() else kinds.Split
        return kind(first.pixel, second.pixel, plane=second.plane)


class AcceptTool(CorrectionTool):
    """The object under the pointer is right."""

    def hover(self, position: Position) -> ToolPreview:
        return ToolPreview(self.region_at(position))

    def click(self, position: Position) -> Correction | str:
        region = self.region_at(position)
        if region is None:
            return "There is no object here to accept."
        number = self.number_at(position)
        if number in self.edited.accepted(position.plane).values():
            return f"Object {number} is verified already."
        return kinds.Accept(position.pixel, region, plane=position.plane)


_LEAST = 0.75  # pixels between two points of a stroke


def thinned(points: Sequence[Point]) -> list[Point]:
    """A stroke without points that are less than three quarters of a pixel from the one before; its ends stay.

    Examples
    --------
    >>> thinned([(0, 0), (0, 0.1), (0, 1), (0, 1.2)])
    [(0, 0), (0, 1.2)]
    """
    kept = list(points[:1])
    for point in points[1:]:
        if math.dist(kept[-1], point) >= _LEAST:
            kept.append(point)
    if len(points) > 1 and kept[-1] != points[-1]:
        kept[len(kept) - (len(kept) > 1) :] = [points[-1]]
    return kept if len(kept) < 2 or any(a != b for a, b in pairwise(kept)) else kept[:1]


_MOST_GROWTH = 12  # notches of the wheel


class PickTool(CorrectionTool):
    """Take what the embedding gives at a pixel, add to it, remove parts from it."""

    def __init__(self, edited: Editor, in_volume: Callable[[], bool] = lambda: False) -> None:
        super().__init__(edited, in_volume)
        self.growth = 0.0
        self.picked: tuple[Plane, Pixel] | None = None

    @property
    def busy(self) -> bool:
        return self.picked is not None or self.growth != 0

    def hover(self, position: Position) -> ToolPreview:
        if not position.alt:
            return ToolPreview(self._candidate(position))
        taken = self._removal(position)
        return ToolPreview(None if isinstance(taken, str) else taken.area)

    def wheel(self, position: Position, notches: float) -> bool:
        if not self.inside(position.pixel):
            return False
        self.growth = float(np.clip(self.growth + notches, -_MOST_GROWTH, _MOST_GROWTH))
        return True

    def click(self, position: Position) -> Correction | str:
        made = self._removal(position) if position.alt else self._pick(position)
        self.growth = 0.0
        if not isinstance(made, str) and made.pixels:
            self.picked = (position.plane, made.pixels[0])
        return made

    def forget(self) -> None:
        super().forget()
        self.growth, self.picked = 0.0, None

    def picked_object(self, plane: Plane) -> int:
        """The number of the object that was picked last in a plane, 0: none."""
        pixel = self._picked(plane)
        return 0 if pixel is None else self.edited.object_at(pixel, plane)

    def _candidate(self, position: Position) -> Region | None:
        inside = self.inside(position.pixel)
        return self.edited.candidate(position.pixel, position.plane, self.growth) if inside else None

    def _picked(self, plane: Plane) -> Pixel | None:
        """A pixel of the picked object, as long as there is one."""
        if self.picked is None or self.picked[0] != plane or not self.edited.object_at(self.picked[1], plane):
            return None
        return self.picked[1]

    def _pick(self, position: Position) -> Correction | str:
        region = self._candidate(position)
        if region is None:
            return "Nothing to pick here. Scroll to grow, or draw it."
        picked = self._picked(position.plane)
        if position.shift and picked is not None:
            return kinds.Add(picked, region, plane=position.plane)
        self.picked = (position.plane, position.pixel)
        number = self.number_at(position)
        if number and region == self.region_at(position):
            return f"Object {number} is picked: Shift-click adds to it, Alt-click removes from it."
        return kinds.Pick(position.pixel, region, self.growth, plane=position.plane)

    def _removal(self, position: Position) -> kinds.Remove | kinds.Erase | str:
        """A part of the picked object, or a whole object."""
        whole = self.region_at(position)
        if whole is None:
            return "There is no object here to remove from."
        if self.number_at(position) == self.picked_object(position.plane):
            part = self.edited.part_at(position.pixel, position.plane, self.growth)
            rest = None if part is None else whole.without(part)
            if part is not None and rest is not None:
                picked = self._picked(position.plane)
                anchor = picked if picked is not None and picked in rest else (rest.runs[0][0], rest.runs[0][1])
                return kinds.Remove(anchor, part, plane=position.plane)
        return kinds.Erase(whole, plane=position.plane)


class LinkTool(CorrectionTool):
    """The object that was clicked in one plane, and one in another."""

    def hover(self, position: Position) -> ToolPreview:
        return ToolPreview(self.region_at(position))

    def click(self, position: Position) -> Correction | str:
        number, first = self.number_at(position), self.first
        if not position.plane:
            return "There is only one plane; links are for stacks and series."
        if not number:
            return "There is no object here to link."
        if first is None or first.plane == position.plane or not self.number_at(first):
            self.first = position
            return f"Now go to another plane and click the object to link with object {number}."
        if sum(a != b for a, b in zip(first.plane, position.plane, strict=True)) > 1:
            return "Links run along one axis: move only one slider, then click."
        self.first = None
        same = self.number_at(first) == number
        if same != position.alt:
            return f"These are already {'one object' if same else 'two objects'}."
        kind = kinds.Unlink if position.alt else kinds.Link
        return kind(first.pixel, position.pixel, position.plane, plane=first.plane)
