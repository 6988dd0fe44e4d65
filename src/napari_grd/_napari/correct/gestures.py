"""What is said with the mouse: clicks and strokes become corrections.

Nothing here knows napari. A gesture is told where the pointer is and answers
with a correction, with what to show meanwhile, or with a word to the user.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_grd._napari.correct.objects import Objects, Pixel, Plane, region_of
from napari_grd.corrections import Accept, Correction, Cut, Join, Region, Split

Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """Where the pointer is.

    Attributes
    ----------
    plane : tuple of int
    point : (float, float)
        y, x in pixels.
    shift, alt : bool
        Keys that are held.
    """

    plane: Plane
    point: Point
    shift: bool = False
    alt: bool = False

    @property
    def pixel(self) -> Pixel:
        """The pixel it is in."""
        return round(self.point[0]), round(self.point[1])


@dataclass(frozen=True)
class Sketch:
    """What to show of a gesture that is not finished: the outline of a region, and a line."""

    region: Region | None = None
    line: tuple[Point, ...] = ()


class Gesture:
    """One way to use the mouse.

    Attributes
    ----------
    draws : bool
        Whether a drag is a stroke. Otherwise it moves the camera.
    says : str
        A word to the user about the last click or stroke; empty if there is nothing to say.
    """

    draws = False

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.says = ""

    @property
    def busy(self) -> bool:
        """Whether something was begun that can be dropped."""
        return False

    def hover(self, at: Place) -> Sketch:
        """What a click here would be about."""
        return Sketch()

    def click(self, at: Place) -> Correction | None:
        """A press and release at one place."""
        return None

    def stroke(self, places: Sequence[Place]) -> Correction | None:
        """A drag, all of it; called only if the gesture draws."""
        return None

    def wheel(self, at: Place, notches: float) -> bool:
        """A turn of the wheel; True if it meant something."""
        return False

    def forget(self) -> None:
        """Begin anew: what was meant to be continued is not."""
        self.says = ""

    def inside(self, pixel: Pixel) -> bool:
        """Whether the planes have a pixel."""
        height, width = self.objects.labels.shape[-2:]
        return bool(0 <= pixel[0] < height and 0 <= pixel[1] < width)


class Stroking(Gesture):
    """A line across pieces of one object, or along the border of two; or two clicks."""

    draws = True

    def __init__(self, objects: Objects, kind: type[Join] | type[Cut]) -> None:
        super().__init__(objects)
        self._kind = kind
        self._first: Place | None = None

    @property
    def busy(self) -> bool:
        return self._first is not None

    def hover(self, at: Place) -> Sketch:
        if self._first is None or self._first.plane != at.plane:
            return Sketch()
        return Sketch(line=(self._first.point, at.point))

    def click(self, at: Place) -> Correction | None:
        first, self._first, self.says = self._first, None, ""
        if not self.inside(at.pixel):
            return None
        if first is None or first.plane != at.plane:
            self._first = at
            self.says = (
                "Now click the other piece." if self._kind is Join else "Now click in the other of the two objects."
            )
            return None
        if first.pixel == at.pixel:
            return None
        if self._kind is Cut:
            return Split(first.pixel, at.pixel, plane=at.plane)
        return Join((first.point, at.point), plane=at.plane)

    def stroke(self, places: Sequence[Place]) -> Correction | None:
        self.forget()
        points = thinned([place.point for place in places])
        if len(points) < 2 or not any(self.inside(place.pixel) for place in places):
            return None
        return self._kind(tuple(points), plane=places[0].plane)

    def forget(self) -> None:
        super().forget()
        self._first = None


class Accepting(Gesture):
    """The object under the pointer is right."""

    def hover(self, at: Place) -> Sketch:
        return Sketch(self._object(at))

    def click(self, at: Place) -> Correction | None:
        region = self._object(at)
        self.says = "" if region is not None else "There is no object here to accept."
        return None if region is None else Accept(at.pixel, region, plane=at.plane)

    def _object(self, at: Place) -> Region | None:
        if not self.inside(at.pixel):
            return None
        return region_of(self.objects.labels[at.plane], self.objects.object_at(at.pixel, at.plane))


def thinned(points: Sequence[Point], least: float = 0.75) -> list[Point]:
    """A stroke without points that are closer than this to the one before; its ends stay.

    Examples
    --------
    >>> thinned([(0, 0), (0, 0.1), (0, 1), (0, 1.2)])
    [(0, 0), (0, 1.2)]
    """
    kept = list(points[:1])
    for point in points[1:]:
        if _distance(kept[-1], point) >= least:
            kept.append(point)
    if len(points) > 1 and kept[-1] != points[-1]:
        kept[len(kept) - (len(kept) > 1) :] = [points[-1]]
    return kept if len(kept) < 2 or any(a != b for a, b in pairwise(kept)) else kept[:1]


def _distance(a: Point, b: Point) -> float:
    return float(np.hypot(a[0] - b[0], a[1] - b[1]))
