"""Mouse events on the canvas, passed to the active tool, and the preview of what it would do."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from napari.layers import Vectors
from numpy.typing import NDArray
from qtpy.QtCore import QTimer

from napari_grd._napari.correct.target import CorrectionTarget, Plane
from napari_grd._napari.viewport import displayed_axes
from napari_grd.corrections import Correction, Region
from napari_grd.corrections.tools import CorrectionTool, Position, ToolPreview

_WIDTH = 2.5  # points of the screen
_NAME = "correcting"


class PreviewLayer:
    """A layer of lines above all others, present while a tool is active.

    Lines as Vectors: new ones every few milliseconds are too much for Shapes.

    Parameters
    ----------
    viewer : ViewerModel
    target : CorrectionTarget
    """

    def __init__(self, viewer: Any, target: CorrectionTarget) -> None:
        self._viewer = viewer
        self._target = target
        self._shown = False
        self.layer: Vectors | None = None

    def show(self, sketch: ToolPreview, plane: Plane, color: str) -> None:
        """Draw a sketch in place of the one before."""
        parts = []
        if sketch.region is not None:
            parts.append(_outline(sketch.region))
        if len(sketch.line) > 1:
            parts.append(_path(sketch.line))
        if not parts and not self._shown:
            return
        layer = self._there()
        self._shown = bool(parts)
        found = np.concatenate(parts) if parts else np.zeros((0, 2, 2))
        lifted = self._target.lift(found, plane)
        if len(lifted):
            lifted[:, 1, list(self._target.plane_axes)] = 0  # steps stay in the plane
        layer.data = lifted
        if len(lifted):
            zoom = max(float(self._viewer.scene.camera.zoom), 1e-9)
            layer.edge_color = color
            layer.edge_width = _WIDTH / zoom / max(self._target.pixel_size, 1e-9)

    def clear(self) -> None:
        """Show nothing."""
        self.show(ToolPreview(), (0,) * len(self._target.plane_axes), "white")

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer, self._shown = self.layer, None, False
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _there(self) -> Vectors:
        if self.layer is None or self.layer not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            empty = np.zeros((0, 2, self._target.layer.ndim))
            self.layer = Vectors(empty, name=_NAME, vector_style="line", **self._target.options())
            self._viewer.layers.append(self.layer)
            self._viewer.layers.selection.active = active
        return self.layer


_PAUSE = 15  # milliseconds between two previews: as often as a screen can show them
_STILL = 4.0  # points of the screen that a click may move


class Pointer:
    """Follows the mouse for one layer until :meth:`stop`.

    Parameters
    ----------
    viewer : ViewerModel
    target : CorrectionTarget
    on_correction : callable
        Called with every correction.
    on_message : callable
        Called with the tool's message after each click or stroke.
    """

    def __init__(
        self,
        viewer: Any,
        target: CorrectionTarget,
        on_correction: Callable[[Correction], object],
        on_message: Callable[[str], object],
    ) -> None:
        self._viewer = viewer
        self._target = target
        self._on_correction = on_correction
        self._on_message = on_message
        self._tool: CorrectionTool | None = None
        self._color = "white"
        self._at: Position | None = None
        self._held = False
        self.preview = PreviewLayer(viewer, target)
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self._show)
        viewer.mouse_move_callbacks.append(self._moved)
        viewer.mouse_drag_callbacks.append(self._pressed)
        viewer.mouse_wheel_callbacks.append(self._turned)

    def use(self, tool: CorrectionTool | None, color: str = "white") -> None:
        """Take up a tool; None: the mouse moves the camera again."""
        if self._tool is not None:
            self._tool.forget()
        self._tool, self._color = tool, color
        self._timer.stop()
        self._hold_camera()
        if tool is None:
            self.preview.remove()
        else:
            self.preview.clear()

    def hold(self, on: bool) -> None:
        """While held, the mouse moves the camera with any tool."""
        self._held = on
        self._hold_camera()

    def renew(self) -> None:
        """What lies under the pointer may have changed."""
        if self._tool is not None and self._at is not None:
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
        draws = self._tool is not None and self._tool.draws and not self._held
        if str(self._target.layer.mode) == "pan_zoom":  # napari's tools hold it themselves
            self._target.layer.mouse_pan = not draws

    def _is_on(self) -> bool:
        layer = self._target.layer
        return (
            self._tool is not None
            and not self._held
            and self._viewer.layers.selection.active is layer
            and displayed_axes(self._viewer, layer) == (layer.ndim - 2, layer.ndim - 1)
        )

    def _place(self, event: Any) -> Position:
        plane, point = self._target.place(event.position)
        modifiers = event.modifiers  # of keys that are equal to their names
        # Many desktops move windows at Alt-click.
        alt = "Alt" in modifiers or "Control" in modifiers
        return Position(plane, point, shift="Shift" in modifiers, alt=alt)

    def _moved(self, _viewer: Any, event: Any) -> None:
        if self._is_on():
            self._at = self._place(event)
            # Not restarted by later moves: these are only what it will show.
            if not self._timer.isActive():
                self._timer.start()

    def _show(self) -> None:
        if self._tool is not None and self._at is not None and self._is_on():
            self.preview.show(self._tool.hover(self._at), self._at.plane, self._color)

    def _turned(self, _viewer: Any, event: Any) -> None:
        if self._tool is None or event.modifiers or not self._is_on():
            return
        self._at = self._place(event)
        if self._tool.wheel(self._at, float(np.sign(event.delta[1]))):
            event.handled = True
            self.renew()

    def _pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        tool = self._tool
        if tool is None or event.button != 1 or not self._is_on():
            return
        places, start, dragged = [self._place(event)], np.array(event.pos, float), False
        yield
        while event.type == "mouse_move":
            dragged = dragged or float(np.abs(np.array(event.pos) - start).max()) > _STILL
            if tool.draws and not self._held:
                places.append(self._place(event))
                line = tuple(place.point for place in places)
                self.preview.show(ToolPreview(line=line), places[0].plane, self._color)
            yield
        if tool is not self._tool:  # another was chosen meanwhile
            return
        if not dragged:
            found = tool.click(places[0])
        elif tool.draws:
            found = tool.stroke([*places, self._place(event)])
            self.preview.clear()
        else:
            return
        self._on_message(tool.message)
        if found is not None:
            self._on_correction(found)
        self.renew()


def _outline(region: Region) -> NDArray[np.float64]:
    """The outline of a region along the edges of pixels, as lines: (N, 2, 2), start and step of each, in y, x.

    A pixel's center has whole numbers, as napari draws it.

    Examples
    --------
    >>> _outline(Region([(0, 0, 1)])).tolist()[0]
    [[-0.5, -0.5], [0.0, 1.0]]
    """
    y0, x0, y1, x1 = region.box
    mask = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.int8)
    for y, x, length in region.runs:
        mask[y - y0 + 1, x - x0 + 1 : x - x0 + 1 + length] = 1
    across = np.add(np.argwhere(np.diff(mask, axis=0)), (0.5, -0.5))
    along = np.add(np.argwhere(np.diff(mask, axis=1)), (-0.5, 0.5))
    starts = np.add(np.concatenate([across, along]), (y0 - 1, x0 - 1))
    steps = np.repeat([(0.0, 1.0), (1.0, 0.0)], [len(across), len(along)], axis=0)
    return np.stack([starts, steps], axis=1)


def _path(points: Any) -> NDArray[np.float64]:
    """A line through points (N, 2), in the same form."""
    corners = np.asarray(points, np.float64)
    return np.stack([corners[:-1], np.diff(corners, axis=0)], axis=1)
