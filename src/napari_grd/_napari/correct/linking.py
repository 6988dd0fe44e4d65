"""Objects of two planes are one, or are not: two clicks, and the slider between them."""

from napari_grd._napari.correct.gestures import Gesture, Place, Sketch
from napari_grd._napari.correct.objects import Objects, region_of
from napari_grd.corrections import Correction, Link, Region, Unlink


class Linking(Gesture):
    """The object that was clicked in one plane, and one in another."""

    def __init__(self, objects: Objects) -> None:
        super().__init__(objects)
        self._first: Place | None = None

    @property
    def busy(self) -> bool:
        return self._first is not None

    def hover(self, at: Place) -> Sketch:
        return Sketch(self._object(at))

    def click(self, at: Place) -> Correction | None:
        number, first = self._number(at), self._first
        if not at.plane:
            self.says = "There is one plane only; links are for stacks and series."
            return None
        if not number:
            self.says = "There is no object here to link."
            return None
        if first is None or first.plane == at.plane or not self._number(first):
            self._first = at
            self.says = f"Now go to another plane and click what is object {number} there."
            return None
        if sum(a != b for a, b in zip(first.plane, at.plane, strict=True)) > 1:
            self.says = "Links run along one axis: move one slider only, then click."
            return None
        self._first = None
        same = self._number(first) == number
        if same != at.alt:
            self.says = f"These are {'one object' if same else 'two objects'} already."
            return None
        self.says = ""
        kind = Unlink if at.alt else Link
        return kind(first.pixel, at.pixel, at.plane, plane=first.plane)

    def forget(self) -> None:
        super().forget()
        self._first = None

    def _number(self, at: Place) -> int:
        return self.objects.object_at(at.pixel, at.plane) if self.inside(at.pixel) else 0

    def _object(self, at: Place) -> Region | None:
        return region_of(self.objects.labels[at.plane], self._number(at))
