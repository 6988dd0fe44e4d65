"""The active tool: its keys, its mouse events, and the mode of the layer that goes with it."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from qtpy.QtCore import QTimer

from napari_grd._napari.correct.pointer import Pointer
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.tool_texts import KINDS, TEXTS, Tool
from napari_grd.corrections import Correction, Merge, SplitLine
from napari_grd.corrections.tools import AcceptTool, CorrectionTool, LinkTool, PickTool, StrokeTool


class LayerKeys:
    """Binds keys to one layer, before napari's own, and gives them back.

    Parameters
    ----------
    layer : Layer
        It has to be the selected one for its keys to work.
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._bound: list[str] = []

    def bind(self, key: str, call: Callable[[], object]) -> None:
        """Call something when a key is pressed."""
        self._layer.bind_key(key, lambda _layer: call() and None, overwrite=True)
        self._bound.append(key)

    def bind_hold(self, key: str, press: Callable[[], object], release: Callable[[], object]) -> None:
        """Call something when a key is pressed, and something else when it is let go."""

        def held(_layer: Any) -> Iterator[None]:
            press()
            yield
            release()

        self._layer.bind_key(key, held, overwrite=True)
        self._bound.append(key)

    def release(self) -> None:
        """Give all keys back."""
        while self._bound:
            self._layer.bind_key(self._bound.pop(), None)


_MODES = {Tool.DRAW: "paint", Tool.ERASE: "erase"}
_OF_MODE = {"erase": Tool.ERASE, "paint": Tool.DRAW, "fill": Tool.DRAW, "polygon": Tool.DRAW}
_KINDS = {Tool.PICK: "pick", Tool.MERGE: "join", Tool.SPLIT: "cut", Tool.ACCEPT: "accept", Tool.LINK: "link"}


class ToolController:
    """Takes up tools for one session until :meth:`stop`.

    Parameters
    ----------
    viewer : ViewerModel
    session : Session
    on_correction : callable
        Called with every correction that is made with the mouse.
    on_message : callable
        Called with a message about each click or stroke.
    on_tool_changed : callable
        Called with the active tool whenever it changes.
    """

    def __init__(
        self,
        viewer: Any,
        session: Session,
        *,
        on_correction: Callable[[Correction], object],
        on_message: Callable[[str], object],
        on_tool_changed: Callable[[Tool], object],
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._layer = session.layer
        self._on_tool_changed = on_tool_changed
        self._taking = False
        self.tool = Tool.NAVIGATE
        self.pick_tool = PickTool(session.editor)
        self._tools: dict[Tool, CorrectionTool] = {
            Tool.PICK: self.pick_tool,
            Tool.MERGE: StrokeTool(session.editor, Merge),
            Tool.SPLIT: StrokeTool(session.editor, SplitLine),
            Tool.ACCEPT: AcceptTool(session.editor),
            Tool.LINK: LinkTool(session.editor),
        }
        self.pointer = Pointer(viewer, session.target, on_correction, on_message)
        self.keys = LayerKeys(self._layer)
        for tool, text in TEXTS.items():
            self.keys.bind(text.key, partial(self.take, tool))
        self.keys.bind("Escape", self.forget)
        self.keys.bind_hold("Space", lambda: self._hold(True), lambda: self._hold(False))
        self._away = QTimer()
        self._away.setSingleShot(True)
        self._away.timeout.connect(self._put_away)
        self._layer.events.mode.connect(self._mode_changed)
        viewer.layers.selection.events.active.connect(self._active_changed)

    def take(self, tool: Tool) -> None:
        """Take up a tool, and select the layer that it works on."""
        self.tool = tool
        self._taking = True
        try:
            if tool is not Tool.NAVIGATE:
                self._viewer.layers.selection.active = self._layer
            self._layer.mode = _MODES.get(tool, "pan_zoom")
            self.pointer.use(self._tools.get(tool), KINDS[_KINDS[tool]].color if tool in _KINDS else "white")
        finally:
            self._taking = False
        if tool is Tool.DRAW:
            self._choose_label()
        self._on_tool_changed(tool)

    def forget(self) -> None:
        """Drop what was begun; with nothing begun, put the tool away."""
        tool = self._tools.get(self.tool)
        if tool is not None and tool.busy:
            tool.forget()
            self.pointer.renew()
        else:
            self.take(Tool.NAVIGATE)

    def changed(self) -> None:
        """Labels have changed, by whatever means."""
        self.pointer.renew()

    def stop(self) -> None:
        """Give mouse and keys back."""
        self._away.stop()
        self._viewer.layers.selection.events.active.disconnect(self._active_changed)
        self._layer.events.mode.disconnect(self._mode_changed)
        self._layer.mode = "pan_zoom"
        self.pointer.stop()
        self.keys.release()

    def _choose_label(self) -> None:
        """Go on with the picked object, or begin a new one."""
        plane = self._session.target.current_plane(self._viewer)
        number = self.pick_tool.picked_object(plane) or self._session.free_number()
        self._layer.selected_label = number

    def _hold(self, on: bool) -> None:
        self._taking = True
        try:
            self._layer.mode = "pan_zoom" if on else _MODES.get(self.tool, "pan_zoom")
            self.pointer.hold(on)
        finally:
            self._taking = False

    def _mode_changed(self, _event: Any) -> None:
        """Napari's own buttons and keys take up tools, too."""
        if self._taking:
            return
        mode = str(self._layer.mode)
        tool = _OF_MODE.get(mode, Tool.NAVIGATE)
        if tool is self.tool or (mode == "pick" and self.tool is Tool.DRAW):
            return
        self.tool = tool
        self.pointer.use(None)
        self._on_tool_changed(tool)

    def _active_changed(self, _event: Any) -> None:
        # Whoever adds a layer and selects the one before again means nothing by it.
        if self.tool is not Tool.NAVIGATE:
            self._away.start()

    def _put_away(self) -> None:
        if self._viewer.layers.selection.active is not self._layer:
            self.take(Tool.NAVIGATE)
