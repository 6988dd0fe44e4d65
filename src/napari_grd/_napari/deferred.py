"""What may wait is done one thing a turn of the event loop, so that the window stays smooth."""

from collections import deque
from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

_PAUSE = 50  # milliseconds between two things: time to draw, and to answer the mouse


class DeferredCalls(QObject):
    """Does things in the order they came in, with pauses between them.

    Parameters
    ----------
    parent : QObject
        With it goes what has not been done.

    Examples
    --------
    Adding layers, each of which takes napari a while::

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
        """Do something when those before it are done."""
        self._waiting.append(thing)
        if not self._timer.isActive():
            self._timer.start()

    def clear(self) -> None:
        """Leave undone what has not been done."""
        self._waiting.clear()
        self._timer.stop()

    def _next(self) -> None:
        thing = self._waiting.popleft()
        if not self._waiting:
            self._timer.stop()
        thing()
