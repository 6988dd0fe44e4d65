"""Deferred calls: one per turn of the event loop, so that the window stays responsive."""

from collections import deque
from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

_PAUSE = 50  # milliseconds between two calls: time to draw and to handle the mouse


class DeferredCalls(QObject):
    """Runs calls in the order they were added, with pauses between them.

    Parameters
    ----------
    parent : QObject
        Pending calls are dropped when it is destroyed.

    Examples
    --------
    Adding layers, each of which takes a while::

        deferred = DeferredCalls(widget)
        for layer in layers:
            deferred.add(lambda layer=layer: viewer.add_layer(layer))
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: deque[Callable[[], object]] = deque()
        self._timer = QTimer(self)
        self._timer.setInterval(_PAUSE)
        self._timer.timeout.connect(self._next)

    def add(self, thing: Callable[[], object]) -> None:
        """Run a function after those added before it."""
        self._waiting.append(thing)
        if not self._timer.isActive():
            self._timer.start()

    def clear(self) -> None:
        """Drop the pending calls."""
        self._waiting.clear()
        self._timer.stop()

    def _next(self) -> None:
        thing = self._waiting.popleft()
        if not self._waiting:
            self._timer.stop()
        thing()
