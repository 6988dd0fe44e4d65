"""Two kinds of work in threads: one that uses all processors, and one that uses one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets the first kind run alone, and the second side by side.

    A network divides each of its layers among all processors in equal parts. If one of them is busy with anything else,
    the others wait for it, layer by layer.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting = self._beside = 0
        self._alone = False

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nothing else runs, and let nothing else begin."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._alone and not self._beside)
            self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Wait for all that run, or wait to run, alone: then there is more to run side by side."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._beside += 1
        try:
            yield
        finally:
            with self._changed:
                self._beside -= 1
                self._changed.notify_all()
