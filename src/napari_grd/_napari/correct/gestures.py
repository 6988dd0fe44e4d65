"""What is said with the mouse: clicks and strokes become corrections.

Nothing here knows napari. A gesture is told where the pointer is and answers
with a correction, with what to show meanwhile, or with a word to the user.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from napari_grd._napari.correct.objects import Objects, Pixel, Plane, region_of
from napari_grd.corrections import Accept, Add, Correction, Cut, Erase, Join, Pick, Region, Remove, Split

_MOST_GROWTH = 12  # notches of the wheel

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

    def _inside(self, pixel: Pixel) -> bool:
        height, width = self.objects.labels.shape[-2:]
        return bool(0 <= pixel[0] < height and 0 <= pixel[1] < width)


class Picking(Gesture):
    """Take what the embedding gives at a pixel, add to it, take away from it.

    Parameters
    ----------
    objects : Objects
    piece : callable
        ``piece(pixel, plane, growth)``: the part of the object there that the embedding finds like the pixel.
    """

    def __init__(self, objects: Objects, piece: Callable[[Pixel, Plane, float], Region | None]) -> None:
        super().__init__(objects)
        self._piece = piece
        self.growth = 0.0
        self.picked: tuple[Plane, Pixel] | None = None

    @property
    def busy(self) -> bool:
        return self.picked is not None or self.growth != 0

    def hover(self, at: Place) -> Sketch:
        if not at.alt:
            return Sketch(self._candidate(at))
        taken = self._taken_away(at)
        return Sketch(None if taken is None else taken.area)

    def wheel(self, at: Place, notches: float) -> bool:
        if not self._inside(at.pixel):
            return False
        self.growth = float(np.clip(self.growth + notches, -_MOST_GROWTH, _MOST_GROWTH))
        return True

    def click(self, at: Place) -> Correction | None:
        self.says = ""
        made = self._taken_away(at) if at.alt else self._taken(at)
        self.growth = 0.0
        if isinstance(made, Remove):
            self.picked = (at.plane, made.pixel)
        return made

    def forget(self) -> None:
        super().forget()
        self.growth, self.picked = 0.0, None

    def picked_object(self, plane: Plane) -> int:
        """The number of the object that was picked last in a plane, 0: none."""
        pixel = self._picked(plane)
        return 0 if pixel is None else self.objects.object_at(pixel, plane)

    def _candidate(self, at: Place) -> Region | None:
        return self.objects.candidate(at.pixel, at.plane, self.growth) if self._inside(at.pixel) else None

    def _picked(self, plane: Plane) -> Pixel | None:
        """A pixel of the picked object, as long as there is one."""
        if self.picked is None or self.picked[0] != plane or not self.objects.object_at(self.picked[1], plane):
            return None
        return self.picked[1]

    def _taken(self, at: Place) -> Correction | None:
        region = self._candidate(at)
        if region is None:
            self.says = "There is nothing here to pick. Turn the wheel to grow, or draw it."
            return None
        picked = self._picked(at.plane)
        if at.shift and picked is not None:
            return Add(picked, region, plane=at.plane)
        self.picked = (at.plane, at.pixel)
        number = self.objects.object_at(at.pixel, at.plane)
        if region == region_of(self.objects.labels[at.plane], number):
            self.says = f"Object {number} is picked: Shift-click adds to it, Alt-click takes away."
            return None
        return Pick(at.pixel, region, self.growth, plane=at.plane)

    def _taken_away(self, at: Place) -> Remove | Erase | None:
        """A part of the picked object, or a whole object."""
        number = self.objects.object_at(at.pixel, at.plane) if self._inside(at.pixel) else 0
        whole = region_of(self.objects.labels[at.plane], number)
        if whole is None:
            self.says = "There is no object here to take away from."
            return None
        if number == self.picked_object(at.plane):
            part = self._piece(at.pixel, at.plane, self.growth)
            rest = None if part is None else _without(whole, part)
            if part is not None and rest is not None:
                picked = self._picked(at.plane)
                anchor = picked if picked is not None and picked in rest else (rest.runs[0][0], rest.runs[0][1])
                return Remove(anchor, part, plane=at.plane)
        return Erase(whole, plane=at.plane)


def _without(whole: Region, part: Region) -> Region | None:
    """What is left of a region; None if nothing is."""
    y0, x0, y1, x1 = whole.box
    left = whole.mask((y1, x1))
    part.paint(left, False)
    left = left[y0:, x0:]
    return Region.from_mask(left, (y0, x0)) if left.any() else None


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
        if not self._inside(at.pixel):
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
        if len(points) < 2 or not any(self._inside(place.pixel) for place in places):
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
        if not self._inside(at.pixel):
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
