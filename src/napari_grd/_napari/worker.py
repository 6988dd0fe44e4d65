"""Jobs in a thread of napari's pool, with all callbacks in the GUI thread.

napari's generator worker provides the thread pool, ``quit`` and the wait when napari closes. It is changed in four
places, each with a test:

* A RuntimeError of a generator worker is interpreted as a deleted worker and nothing is emitted; torch's out-of-memory
  is a RuntimeError.
* After ``quit`` the generator stays suspended until it is collected, and its
  clean-up then runs in whatever thread that happens in. A job saves its
  checkpoint there, so it is closed in its own thread.
* napari's relay of errors is not called with every Qt binding, so a job's error is stored as its outcome and delivered
  here.
* Every worker swaps Python's global warning filters for as long as it runs.
  Two that overlap leave them swapped for good.
"""

import sys
import threading
import time
import weakref
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from napari.qt.threading import GeneratorWorker
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QApplication

from napari_grd.errors import GrdError, out_of_memory
from napari_grd.jobs import Event, Job, Progress

Result = TypeVar("Result")
_LEAST_PAUSE = 0.05  # seconds between two Progress events; more would only load the GUI thread
# Seconds for which a thread may hold Python's lock while another waits. Drawing releases it at each of hundreds of
# OpenGL calls; at Python's 5 ms, a draw during a training took a third of a second.
_SWITCH = 0.0005
_CLOSING = 30.0  # seconds that closing napari waits for checkpoints to be written


@dataclass(frozen=True)
class _Done:
    result: Any


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class _Stopped:
    pass


_Outcome = _Done | _Failed | _Stopped


class _Relay(QObject):
    """Carries objects from the worker's thread to the GUI thread, in order."""

    posted = Signal(object)


class _JobWorker(GeneratorWorker):
    """Runs one job; see the module's docstring for what differs from the base."""

    def __init__(self, make: Callable[[], Job[Any]], post: Callable[[Event | _Outcome], None]) -> None:
        def events() -> Generator[Event, None, Any]:
            return (yield from make())  # so that `make` is called in the worker's thread

        super().__init__(events)
        self._post = post
        self.ended = threading.Event()

    def run(self) -> None:
        """Called by Qt in the worker's thread. The base's version swaps global warning filters."""
        self._running = True
        try:
            self._post(self.work())
        finally:
            self._running = False
            self.ended.set()
            with suppress(RuntimeError):  # the program ends, and Qt has deleted the worker's signals
                # The base waits for these two before it drops the worker.
                self.finished.emit()
                self._finished.emit(self)

    def work(self) -> _Outcome:
        outcome: _Outcome
        try:
            outcome = self._iterate()
        except Exception as error:
            outcome = _Failed(error)
        try:
            self._gen.close()
        except Exception as error:  # saving the checkpoint may fail, say on a full disk
            if not isinstance(outcome, _Failed):
                outcome = _Failed(error)
        return outcome

    def _iterate(self) -> _Outcome:
        last = 0.0
        while not self.abort_requested:
            try:
                event = next(self._gen)
            except StopIteration as stop:
                return _Done(stop.value)
            if isinstance(event, Progress) and event.done < event.total:
                now = time.monotonic()
                if now - last < _LEAST_PAUSE:
                    continue
                last = now
            self._post(event)
        return _Stopped()


class Running(Generic[Result]):
    """A running job. Created by :func:`run_job`."""

    def __init__(
        self,
        make: Callable[[], Job[Result]],
        on_event: Callable[[Event], None] | None,
        on_done: Callable[[Result], None] | None,
        on_error: Callable[[BaseException], None] | None,
        on_stopped: Callable[[], None] | None,
    ) -> None:
        self._on_event = on_event
        self._on_done = on_done
        self._on_error = on_error or notify_error
        self._on_stopped = on_stopped
        self._silent = False
        self._delivered = False
        self._relay = _Relay()
        # Queued, so that it runs in the thread this object lives in: the GUI's.
        self._relay.posted.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._worker = _JobWorker(make, self._post)
        _running.add(self)
        self._worker.start()

    @property
    def running(self) -> bool:
        """Whether the job's end has not been delivered yet."""
        return not self._delivered

    def stop(self) -> None:
        """Ask the job to stop at its next event; it is closed in its own thread, then ``on_stopped`` is called."""
        self._worker.quit()

    def silence(self) -> None:
        """Disable all callbacks: their owner was deleted."""
        self._silent = True

    def drop(self) -> None:
        """Stop the job without callbacks: nobody wants its result any more."""
        self.silence()
        self.stop()

    def wait(self, seconds: float) -> bool:
        """Block until the job has ended; False at the timeout."""
        return self._worker.ended.wait(seconds)

    def _post(self, item: Event | _Outcome) -> None:
        """Called in the worker's thread."""
        try:
            self._relay.posted.emit(item)
        except RuntimeError:
            return  # Qt deleted the relay when the application ended

    def _deliver(self, item: Event | _Outcome) -> None:
        if isinstance(item, _Done | _Failed | _Stopped):
            self._delivered = True
            _running.discard(self)
        if self._silent:
            return
        if isinstance(item, _Done):
            _call(self._on_done, item.result)
        elif isinstance(item, _Failed):
            self._on_error(item.error)
        elif isinstance(item, _Stopped):
            if self._on_stopped is not None:
                self._on_stopped()
        else:
            _call(self._on_event, item)


def run_job(
    make: Callable[[], Job[Result]],
    *,
    on_event: Callable[[Event], None] | None = None,
    on_done: Callable[[Result], None] | None = None,
    on_error: Callable[[BaseException], None] | None = None,
    on_stopped: Callable[[], None] | None = None,
) -> Running[Result]:
    """Run a job in a worker thread.

    Parameters
    ----------
    make : callable
        Creates the job. It is called in the worker thread, so it may read files or make slow imports.
    on_event : callable, optional
        Called with every event, but at most 20 Progress events per second.
    on_done : callable, optional
        Called with the job's result.
    on_error : callable, optional
        Called with the job's error. Default: a napari notification.
    on_stopped : callable, optional
        Called when the job was stopped and closed.

    Returns
    -------
    Running
        Exactly one of ``on_done``, ``on_error`` and ``on_stopped`` ends it. All callbacks run in the GUI thread.
    """
    _watch_application()
    return Running(make, on_event, on_done, on_error, on_stopped)


def run_call(
    function: Callable[[], Result],
    *,
    on_done: Callable[[Result], None] | None = None,
    on_error: Callable[[BaseException], None] | None = None,
) -> Running[Result]:
    """Run a function without progress in a worker thread; otherwise as :func:`run_job`."""

    def job() -> Job[Result]:
        yield from ()
        return function()

    return run_job(job, on_done=on_done, on_error=on_error)


def message_of(error: BaseException) -> str:
    """An error message for the user: problem and remedy, or Python's message."""
    if isinstance(error, GrdError):
        return str(error)
    if short := out_of_memory(error):
        return str(short)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def notify_error(error: BaseException) -> None:
    """Show an error as a napari notification."""
    show_error(message_of(error))


def stop_all(seconds: float = _CLOSING) -> None:
    """Stop every running job and wait for its checkpoint."""
    jobs = list(_running)
    for job in jobs:
        job.drop()
    deadline = time.monotonic() + seconds
    for job in jobs:
        job.wait(max(0.0, deadline - time.monotonic()))


def _call(callback: Callable[[Any], None] | None, value: Any) -> None:
    if callback is not None:
        callback(value)


_running: set[Running[Any]] = set()
_watched: "weakref.WeakSet[Any]" = weakref.WeakSet()


def _watch_application() -> None:
    app = QApplication.instance()
    if app is not None and app not in _watched:
        _watched.add(app)
        sys.setswitchinterval(_SWITCH)
        app.aboutToQuit.connect(stop_all)
