"""The mouse on the canvas, told to the gesture that is in hand."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from qtpy.QtCore import QTimer

from napari_grd._napari.correct.gestures import Gesture, Place, Sketch
from napari_grd._napari.correct.preview import Preview
from napari_grd._napari.correct.subject import Subject
from napari_grd._napari.viewport import displayed_axes
from napari_grd.corrections import Correction

_PAUSE = 15  # milliseconds between two previews: as often as a screen can show them
_STILL = 4.0  # points of the screen that a click may move


class Pointer:
    """Follows the mouse for one layer until :meth:`stop`.

    Parameters
    ----------
    viewer : ViewerModel
    subject : Subject
    said : callable
        Called with every correction.
    told : callable
        Called with what a gesture has to say to the user, after each click or stroke.
    """

    def __init__(
        self,
        viewer: Any,
        subject: Subject,
        said: Callable[[Correction], object],
        told: Callable[[str], object],
    ) -> None:
        self._viewer = viewer
        self._subject = subject
        self._said = said
        self._told = told
        self._gesture: Gesture | None = None
        self._color = "white"
        self._at: Place | None = None
        self._held = False
        self.preview = Preview(viewer, subject)
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self._show)
        viewer.mouse_move_callbacks.append(self._moved)
        viewer.mouse_drag_callbacks.append(self._pressed)
        viewer.mouse_wheel_callbacks.append(self._turned)

    def use(self, gesture: Gesture | None, color: str = "white") -> None:
        """Take up a gesture; None: the mouse moves the camera again."""
        if self._gesture is not None:
            self._gesture.forget()
        self._gesture, self._color = gesture, color
        self._timer.stop()
        self._hold_camera()
        if gesture is None:
            self.preview.remove()
        else:
            self.preview.clear()

    def hold(self, on: bool) -> None:
        """While it is held, the mouse moves the camera whatever is in hand."""
        self._held = on
        self._hold_camera()

    def renew(self) -> None:
        """What lies under the pointer may have changed."""
        if self._gesture is not None and self._at is not None:
            self._timer.start()

    def stop(self) -> None:
        """Let go of the mouse."""
        self.use(None)
        for callbacks, callback in (
            (self._viewer.mouse_move_callbacks, self._moved),
            (self._viewer.mouse_drag_callbacks, self._pressed),
            (self._viewer.mouse_wheel_callbacks, self._turned),
        ):
            if callback in callbacks:
                callbacks.remove(callback)

    def _hold_camera(self) -> None:
        draws = self._gesture is not None and self._gesture.draws and not self._held
        if str(self._subject.layer.mode) == "pan_zoom":  # napari's tools hold it themselves
            self._subject.layer.mouse_pan = not draws

    def _is_on(self) -> bool:
        layer = self._subject.layer
        return (
            self._gesture is not None
            and not self._held
            and self._viewer.layers.selection.active is layer
            and displayed_axes(self._viewer, layer) == (layer.ndim - 2, layer.ndim - 1)
        )

    def _place(self, event: Any) -> Place:
        plane, point = self._subject.place(event.position)
        modifiers = event.modifiers  # of keys that are equal to their names
        # Many desktops move windows at Alt-click.
        alt = "Alt" in modifiers or "Control" in modifiers
        return Place(plane, point, shift="Shift" in modifiers, alt=alt)

    def _moved(self, _viewer: Any, event: Any) -> None:
        if self._is_on():
            self._at = self._place(event)
            # Not restarted by later moves: these are only what it will show.
            if not self._timer.isActive():
                self._timer.start()

    def _show(self) -> None:
        if self._gesture is not None and self._at is not None and self._is_on():
            self.preview.show(self._gesture.hover(self._at), self._at.plane, self._color)

    def _turned(self, _viewer: Any, event: Any) -> None:
        if self._gesture is None or event.modifiers or not self._is_on():
            return
        self._at = self._place(event)
        if self._gesture.wheel(self._at, float(np.sign(event.delta[1]))):
            event.handled = True
            self.renew()

    def _pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        gesture = self._gesture
        if gesture is None or event.button != 1 or not self._is_on():
            return
        places, start, dragged = [self._place(event)], np.array(event.pos, float), False
        yield
        while event.type == "mouse_move":
            dragged = dragged or float(np.abs(np.array(event.pos) - start).max()) > _STILL
            if gesture.draws and not self._held:
                places.append(self._place(event))
                line = tuple(place.point for place in places)
                self.preview.show(Sketch(line=line), places[0].plane, self._color)
            yield
        if gesture is not self._gesture:  # another was taken up meanwhile
            return
        if not dragged:
            found = gesture.click(places[0])
        elif gesture.draws:
            found = gesture.stroke([*places, self._place(event)])
            self.preview.clear()
        else:
            return
        self._told(gesture.says)
        if found is not None:
            self._said(found)
        self.renew()
