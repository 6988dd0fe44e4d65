"""The active tool: its keys, its mouse events and preview, and the mode of the layer that goes with it."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
from qtpy.QtCore import QObject, QTimer

from napari_grd._napari.correct.overlays import PreviewLayer
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.tool_descriptions import Tool
from napari_grd._napari.viewport import displayed_axes
from napari_grd.corrections.correction import Correction
from napari_grd.corrections.painting import BACKGROUND_NUMBER
from napari_grd.corrections.tools import CorrectionTool, PickTool, Position, ToolPreview

_OF_MODE = {"erase": Tool.ERASE, "paint": Tool.DRAW, "fill": Tool.DRAW, "polygon": Tool.DRAW}
_BEGINS = ("paint", "polygon")
_PAUSE = 15  # milliseconds between two previews: as often as a screen can show them
_STILL = 4.0  # points of the screen that a click may move
ONLY_IN_2D = "Corrections are made in 2D. Switch the display back to 2D to go on."


class ToolController:
    """Takes up tools for one session, and follows mouse and keys, until :meth:`stop`.

    ``keys`` says what further keys do while the labels are the selected layer, ``in_volume`` whether objects are merged
    and split in all planes of the stack. After each click or stroke there is a message, which may be empty.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        keys: Mapping[str, Callable[[], object]],
        parent: QObject,  # owns the timers, which must be there until stop()
        *,
        on_correction: Callable[[Correction], object],
        on_message: Callable[[str], object],
        on_tool_changed: Callable[[Tool], object],
        in_volume: Callable[[], bool],
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._layer = session.layer
        self._on_correction = on_correction
        self._on_message = on_message
        self._on_tool_changed = on_tool_changed
        self.tool = Tool.NAVIGATE
        self._tools: dict[Tool, CorrectionTool] = {
            tool: tool.mouse(session.editor, in_volume) for tool in Tool if tool.mouse is not None
        }
        self._active: CorrectionTool | None = None
        self._at: Position | None = None
        self._held = self._taking = False
        self._given: Literal["no", "once", "kept"] = "no"  # whether strokes take the selected number
        self._selected = 1  # what was selected before the background
        self.preview = PreviewLayer(viewer, session.target)
        self._later = QTimer(parent, singleShot=True, interval=_PAUSE)
        self._away = QTimer(parent, singleShot=True, interval=0)
        self._later.timeout.connect(self._show)
        self._away.timeout.connect(self._put_away)
        self._keys: dict[str, Callable[[], object]] = {tool.key: partial(self.take, tool) for tool in Tool}
        self._keys |= {"Escape": self.forget, **keys}
        for key, call in self._keys.items():
            self._layer.bind_key(key, lambda _layer, call=call: call() and None, overwrite=True)
        self._layer.bind_key("Space", self._hold, overwrite=True)
        self._callbacks = (
            (viewer.mouse_move_callbacks, self._moved),
            (viewer.mouse_drag_callbacks, self._pressed),
            (viewer.mouse_drag_callbacks, self._begin_drawing),
            (viewer.mouse_wheel_callbacks, self._scrolled),
        )
        for callbacks, callback in self._callbacks:
            callbacks.append(callback)
        self._layer.events.mode.connect(self._mode_changed)
        self._layer.events.selected_label.connect(self._number_changed)
        viewer.layers.selection.events.active.connect(self._active_changed)

    def take(self, tool: Tool) -> None:
        """Take up a tool, and select the layer that it works on. In the 3D view, only the camera can be moved."""
        self._session.take_painted()
        if refused := self._viewer.dims.ndisplay == 3 and tool is not Tool.NAVIGATE:
            tool = Tool.NAVIGATE
        self.tool = tool
        if tool is not Tool.NAVIGATE:
            self._viewer.layers.selection.active = self._layer
        self._set("mode", tool.mode)
        self._use(self._tools.get(tool))
        self._given = "no"
        if tool is Tool.DRAW:  # go on with the picked object, or begin a new one
            pick = self._tools[Tool.PICK]
            assert isinstance(pick, PickTool)
            picked = pick.picked_object(self._session.target.current_plane(self._viewer))
            self._select(picked or self._next_number())
            self._given = "once" if picked else "no"
        elif tool is Tool.BACKGROUND:
            self._select(BACKGROUND_NUMBER)
        else:
            self._put_background_away()
        self._on_tool_changed(tool)
        if refused:
            self._on_message(ONLY_IN_2D)

    def _select(self, number: int) -> None:
        """Paint with a number from now on."""
        if number == BACKGROUND_NUMBER != self._layer.selected_label:
            self._selected = int(self._layer.selected_label)
        self._set("selected_label", number)

    def _set(self, name: str, value: Any) -> None:
        """Set the mode or number of the layer, which means nothing by the user."""
        self._taking = True
        try:
            setattr(self._layer, name, value)
        finally:
            self._taking = False

    def drawn(self, number: int) -> None:
        """Go on with the color of the object that was drawn, whose number is the editor's."""
        if self.tool is Tool.DRAW:
            self._select(number)

    def _next_number(self) -> int:
        return int(self._session.editor.labels.max()) + 1

    def _begin_drawing(self, _viewer: Any, event: Any) -> None:
        """Let a stroke that begins on an object extend it, and any other one make a new object.

        Called before napari's own tool draws. Where the user selected an object, all strokes extend that one.
        """
        mode, layer = str(self._layer.mode), self._layer
        if self.tool is not Tool.DRAW or mode not in _BEGINS or event.button != 1:
            return
        if self._viewer.layers.selection.active is not layer or (
            mode == "polygon" and layer._overlays["polygon"].points  # the next corner of one that was begun
        ):
            return
        self._session.take_painted()
        if self._given != "no":
            self._given = "kept" if self._given == "kept" else "no"
            return
        self._select(self._tools[Tool.PICK].number_at(self._place(event)) or self._next_number())

    def _number_changed(self, event: Any) -> None:
        """An object that the user selected is drawn into until a tool is taken up, a new number is used once."""
        if not self._taking and not self._session.selecting:
            self._given = "kept" if self._layer.selected_label < self._next_number() else "once"
        self._mode_changed(event)

    def _put_background_away(self) -> None:
        """Select the object again that was selected before the background."""
        if self._layer.selected_label == BACKGROUND_NUMBER:
            self._select(self._selected)

    def forget(self) -> None:
        """Drop what was begun; with nothing begun, put the tool away."""
        if self._active is not None and self._active.busy:
            self._active.forget()
            self.renew()
        else:
            self.take(Tool.NAVIGATE)

    def renew(self) -> None:
        """What lies under the pointer may have changed."""
        if self._active is not None and self._at is not None:
            self._later.start()

    def stop(self) -> None:
        """Give mouse and keys back."""
        self._away.stop()
        self._viewer.layers.selection.events.active.disconnect(self._active_changed)
        self._layer.events.mode.disconnect(self._mode_changed)
        self._layer.events.selected_label.disconnect(self._number_changed)
        self._put_background_away()
        self._layer.mode = "pan_zoom"
        self._use(None)
        for callbacks, callback in self._callbacks:
            if callback in callbacks:
                callbacks.remove(callback)
        for key in (*self._keys, "Space"):
            self._layer.bind_key(key, None)
        self._later.deleteLater()
        self._away.deleteLater()

    def _use(self, tool: CorrectionTool | None) -> None:
        """Take up a tool for the mouse; None: the mouse moves the camera again."""
        if self._active is not None:
            self._active.forget()
        self._active = tool
        self._later.stop()
        self._hold_camera()
        if tool is None:
            self.preview.remove()
        else:
            self.preview.clear()

    def _hold(self, _layer: Any) -> Iterator[None]:
        """While the key is held, the mouse moves the camera with any tool."""
        for held in (True, False):
            self._set("mode", "pan_zoom" if held else self.tool.mode)
            self._held = held
            self._hold_camera()
            if held:
                yield

    def _hold_camera(self) -> None:
        draws = self._active is not None and self._active.draws and not self._held
        if str(self._layer.mode) == "pan_zoom":  # napari's tools hold it themselves
            self._layer.mouse_pan = not draws

    def _mode_changed(self, _event: Any) -> None:
        """Napari's own buttons and keys take up tools, too."""
        mode = str(self._layer.mode)
        tool = _OF_MODE.get(mode, Tool.NAVIGATE)
        if tool is Tool.DRAW and self._layer.selected_label == BACKGROUND_NUMBER:
            tool = Tool.BACKGROUND
        of_brush = mode == "pick" and self.tool in (Tool.DRAW, Tool.BACKGROUND)
        of_mouse = mode == "pan_zoom" and self.tool in self._tools  # another object was selected
        if self._taking or tool is self.tool or of_brush or of_mouse:
            return
        self.tool = tool
        if tool is not Tool.BACKGROUND:
            self._put_background_away()
        self._use(None)
        self._on_tool_changed(tool)
        if self._viewer.dims.ndisplay == 3:  # napari's brush fails there on labels of one plane
            self._away.start()  # when napari's buttons have followed

    def _active_changed(self, _event: Any) -> None:
        # Whoever adds a layer and selects the one before again means nothing by it.
        if self.tool is not Tool.NAVIGATE:
            self._away.start()

    def _put_away(self) -> None:
        if self._viewer.dims.ndisplay == 3:
            self.take(self.tool)  # refused, with a word
        elif self._viewer.layers.selection.active is not self._layer:
            self.take(Tool.NAVIGATE)

    def _is_on(self) -> bool:
        return (
            self._active is not None
            and not self._held
            and self._viewer.layers.selection.active is self._layer
            and displayed_axes(self._viewer, self._layer) == (self._layer.ndim - 2, self._layer.ndim - 1)
        )

    def _place(self, event: Any) -> Position:
        plane, point = self._session.target.place(event.position)
        modifiers = event.modifiers  # of keys that are equal to their names
        # Many desktops move windows at Alt-click.
        alt = "Alt" in modifiers or "Control" in modifiers
        return Position(plane, point, shift="Shift" in modifiers, alt=alt)

    def _moved(self, _viewer: Any, event: Any) -> None:
        if self._is_on():
            self._at = self._place(event)
            # Not restarted by later moves: these are only what it will show.
            if not self._later.isActive():
                self._later.start()

    def _show(self) -> None:
        if self._active is not None and self._at is not None and self._is_on():
            self.preview.show(self._active.hover(self._at), self._at.plane, self.tool.color)

    def _scrolled(self, _viewer: Any, event: Any) -> None:
        if self._active is None or event.modifiers or not self._is_on():
            return
        self._at = self._place(event)
        if self._active.wheel(self._at, float(np.sign(event.delta[1]))):
            event.handled = True
            self.renew()

    def _pressed(self, _viewer: Any, event: Any) -> Iterator[None]:
        tool = self._active
        if tool is None or event.button != 1 or not self._is_on():
            return
        places, start, dragged = [self._place(event)], np.array(event.pos, float), False
        yield
        while event.type == "mouse_move":
            dragged = dragged or float(np.abs(np.array(event.pos) - start).max()) > _STILL
            if tool.draws and not self._held:
                places.append(self._place(event))
                line = tuple(place.point for place in places)
                self.preview.show(ToolPreview(line=line), places[0].plane, self.tool.color)
            yield
        if tool is not self._active or (
            dragged and not tool.draws
        ):  # another was chosen meanwhile, or the camera moved
            return
        answer = tool.stroke([*places, self._place(event)]) if dragged else tool.click(places[0])
        if dragged:
            self.preview.clear()
        self._on_message(answer if isinstance(answer, str) else "")
        if not isinstance(answer, str):
            self._on_correction(answer)
        self.renew()
