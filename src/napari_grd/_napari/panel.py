"""Base of all widgets: message line, safe connections, buttons."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QDockWidget, QHBoxLayout, QLabel, QLayout, QPushButton, QVBoxLayout, QWidget

from napari_grd._napari.colors import ColoredLabel
from napari_grd._napari.column_scroll import ColumnScroll
from napari_grd._napari.state import state_of, unwrap
from napari_grd._napari.worker import Running, message_of
from napari_grd.errors import GrdError
from napari_grd.jobs import Result

MESSAGES = {"info": "#7fa8d8", "warning": "#d9a441", "error": "#e06c6c"}
"""Colors of messages by their kind; themes of a bright background darken them."""

_ROOM = 0.62  # of the height, for a panel that is worked with
_CANVAS = 50  # pixels that docks leave to the canvas: vispy divides by its size
_VERTICAL = Qt.Orientation.Vertical


class Panel(QWidget):
    """Base of the widgets: layout from the top, messages, and cleanup.

    What is in ``body`` scrolls where the dock is too low for it; the message below it is always seen.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer, or the proxy of it that napari gives to plugins.
    """

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self.viewer = unwrap(viewer)
        self.state = state_of(viewer)
        self.viewer.window._qt_viewer.canvas.native.setMinimumSize(_CANVAS, _CANVAS)
        column = QWidget()
        self.body = QVBoxLayout(column)
        self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.scroll = ColumnScroll(column)
        self.message = ColoredLabel()
        self.message.setContentsMargins(9, 0, 9, 6)
        stack(self, self.scroll, self.message)
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.message.hide()
        self._docked, self._new, self._roomy = False, True, False
        self._undo: list[Callable[[], Any]] = []
        self._jobs: list[Running[Any]] = []
        # Not a bound method: when this is emitted, the Python side of the widget may be deleted.
        self.destroyed.connect(partial(_let_go, self._undo, self._jobs))

    def say(self, text: str, kind: str = "info") -> None:
        """Show a line to the user; an empty text hides it. Kinds: info, warning, error."""
        self.message.show_text(text, MESSAGES[kind])
        self.message.setVisible(bool(text))

    def show_error(self, error: BaseException) -> None:
        """Show an error and its remedy."""
        self.say(message_of(error), "error")

    def attempt(self, act: Callable[[], Result]) -> Result | None:
        """What an act returns; None, with a message, if it raises a GrdError."""
        try:
            return act()
        except GrdError as error:
            self.show_error(error)
            return None

    def follow(self, signal: Any, callback: Callable[..., Any]) -> None:
        """Connect to an event of napari or psygnal for as long as the widget lives."""
        signal.connect(callback)
        self._undo.append(partial(_disconnect, signal, callback))

    def when_gone(self, callback: Callable[[], Any]) -> None:
        """Call a function when the widget is destroyed; it must not be a method of the widget."""
        self._undo.append(callback)

    def track(self, running: Running[Any]) -> None:
        """Stop a job when the widget is destroyed, without callbacks."""
        # Finished jobs would keep their data alive.
        self._jobs[:] = [job for job in self._jobs if job.running]
        self._jobs.append(running)

    def make_room(self) -> None:
        """Let the dock have most of the height that it shares with the docks above and below it."""
        docks, self._roomy = self._neighbors(), True
        if len(docks) > 1:
            height = sum(dock.height() for dock in docks)
            rest = round((1 - _ROOM) * height / (len(docks) - 1))
            sizes = [round(_ROOM * height) if dock.isAncestorOf(self) else rest for dock in docks]
            self.viewer.window._qt_window.resizeDocks(docks, sizes, _VERTICAL)

    def share_height(self) -> None:
        """Give every dock of the column the height that it needs, or an equal share of what the others leave.

        napari gives a new dock five times the height of the one above it, however little is in it. Where a panel
        has been given room, it stays so.
        """
        docks = self._neighbors()
        if len(docks) > 1 and not any(panel._roomy for dock in docks for panel in dock.findChildren(Panel)):
            sizes = shares([_needed(dock) for dock in docks], sum(dock.height() for dock in docks))
            self.viewer.window._qt_window.resizeDocks(docks, sizes, _VERTICAL)

    def _neighbors(self) -> list[QDockWidget]:
        """The docks that share the height of the window with this one, and it; none while it floats or is closed."""
        window, own = self.viewer.window._qt_window, dock_of(self)
        if own is None:
            return []
        area = window.dockWidgetArea(own)
        docks = [
            dock
            for dock in window.findChildren(QDockWidget)
            if not dock.isHidden() and not dock.isFloating() and window.dockWidgetArea(dock) == area
        ]
        return docks if own in docks and not any(window.tabifiedDockWidgets(dock) for dock in docks) else []

    def showEvent(self, event: QShowEvent | None) -> None:
        """Called by Qt."""
        super().showEvent(event)
        if self._new and self._docked:
            self._new = False
            QTimer.singleShot(0, self, self.share_height)  # when it has been laid out with the heights of napari

    def changeEvent(self, event: QEvent) -> None:
        """Called by Qt. When a dock is closed, napari drops the widget; connections would keep it alive."""
        if event.type() == QEvent.Type.ParentChange:
            if self._docked and self.parent() is None:
                self.deleteLater()
            self._docked = self.parent() is not None
        super().changeEvent(event)

    def release(self) -> None:
        """Release connections and jobs."""
        _let_go(self._undo, self._jobs)


def dock_of(widget: QWidget) -> QDockWidget | None:
    """The dock that a widget is in."""
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parentWidget()
    return parent


def shares(needed: Sequence[int], height: int) -> list[int]:
    """Divide a height: what needs less than an equal share gets what it needs, the others share the rest equally.

    Parameters
    ----------
    needed : sequence of int
        What each part needs.
    height : int
        What there is.

    Returns
    -------
    list of int
        The height of each part; more than it needs if there is more.

    Examples
    --------
    >>> shares([100, 500, 900], 900)
    [100, 400, 400]
    """
    left, parts = height, [0] * len(needed)
    for rank, number in enumerate(sorted(range(len(needed)), key=needed.__getitem__)):
        parts[number] = min(needed[number], left // (len(needed) - rank))
        left -= parts[number]
    return [part + left // len(needed) for part in parts]


def _needed(dock: QDockWidget) -> int:
    """The height of a dock in which nothing of a panel has to be scrolled."""
    panel = dock.findChild(Panel)
    if panel is None:
        return int(dock.sizeHint().height())
    return int(dock.height() - panel.scroll.viewport().height() + panel.body.sizeHint().height())


def heading(text: str) -> QLabel:
    """A small bold title inside a widget."""
    label = QLabel(text)
    label.setStyleSheet("font-weight: bold; margin-top: 6px;")
    return label


def row(*parts: QWidget, stretch: Sequence[int] | None = None) -> QHBoxLayout:
    """Widgets side by side, as wide as they want to be; labels, or those with a stretch factor, take the rest."""
    layout = QHBoxLayout()
    factors = [int(isinstance(part, QLabel)) for part in parts] if stretch is None else stretch
    for part, factor in zip(parts, factors, strict=True):
        layout.addWidget(part, factor)
    if stretch is None and not any(factors):
        layout.addStretch(1)
    return layout


def stack(widget: QWidget, *parts: QWidget | QLayout) -> None:
    """Lay out the parts of a widget below each other, without margins."""
    layout = QVBoxLayout(widget)
    layout.setContentsMargins(0, 0, 0, 0)
    for part in parts:
        if isinstance(part, QLayout):
            layout.addLayout(part)
        else:
            layout.addWidget(part)


def button(text: str, tip: str, clicked: Callable[[], Any]) -> QPushButton:
    """A button with its tooltip, connected."""
    made = QPushButton(text)
    made.setToolTip(tip)
    made.clicked.connect(lambda _checked=False: clicked())
    return made


def check_box(text: str, tip: str, *, on: bool = False) -> QCheckBox:
    """A check box with its tooltip."""
    made = QCheckBox(text)
    made.setToolTip(tip)
    made.setChecked(on)
    return made


def _let_go(undo: list[Callable[[], Any]], jobs: list[Running[Any]]) -> None:
    while jobs:
        jobs.pop().drop()
    while undo:
        undo.pop()()


def _disconnect(signal: Any, callback: Callable[..., Any]) -> None:
    try:
        signal.disconnect(callback)
    except (ValueError, TypeError, RuntimeError):
        return  # its owner, say a layer, was deleted first
