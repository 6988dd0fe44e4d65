"""The live engine, with callbacks in the GUI thread."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Qt, Signal

if TYPE_CHECKING:
    from napari_grd.live.session import LiveSession


class _Relay(QObject):
    # Without a parent it lives as long as the engine refers to it, even after the widget is deleted.
    updated = Signal(object)
    failed = Signal(object, int)
    busy = Signal(str)


def open_session(
    on_update: Callable[[Any], None],
    on_error: Callable[[Exception, int], None],
    on_busy: Callable[[str], None],
) -> "LiveSession":
    """A session whose callbacks run in the GUI thread.

    Importing the engine imports torch: a worker should have done that before.
    """
    from napari_grd.live.session import LiveSession

    relay = _Relay()
    queued = Qt.ConnectionType.QueuedConnection
    relay.updated.connect(on_update, queued)
    relay.failed.connect(on_error, queued)
    relay.busy.connect(on_busy, queued)
    # Functions that refer to the relay: a bound signal alone would not keep it alive.
    return LiveSession(
        on_update=lambda update: relay.updated.emit(update),
        on_error=lambda error, generation: relay.failed.emit(error, generation),
        on_busy=lambda what: relay.busy.emit(what or ""),
    )
