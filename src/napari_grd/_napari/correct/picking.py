"""Picking an object, adding to it, taking away from it."""

from collections.abc import Callable

import numpy as np

from napari_grd._napari.correct.gestures import Gesture, Place, Sketch
from napari_grd._napari.correct.objects import Objects, Pixel, Plane, region_of
from napari_grd.corrections import Add, Correction, Erase, Pick, Region, Remove

_MOST_GROWTH = 12  # notches of the wheel


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
        if not self.inside(at.pixel):
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
        return self.objects.candidate(at.pixel, at.plane, self.growth) if self.inside(at.pixel) else None

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
        number = self.objects.object_at(at.pixel, at.plane) if self.inside(at.pixel) else 0
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
