"""Workers: every outcome arrives, in the GUI thread, and the job is closed in its own."""

import gc
import threading
import time
import warnings
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication

from napari_grd._napari.worker import message_of, run_call, run_job, stop_all
from napari_grd.errors import ImageError
from napari_grd.jobs import Job, Progress, StepMetrics


class Log:
    """What came back, and in which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.threads: set[threading.Thread] = set()

    def __getattr__(self, name: str) -> Any:
        def call(*values: Any) -> None:
            self.calls.append((name, values[0] if values else None))
            self.threads.add(threading.current_thread())

        return call

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


def run(make: Any, log: Log) -> Any:
    return run_job(make, on_event=log.event, on_done=log.done, on_error=log.error, on_stopped=log.stopped)


def counting(closed: list[threading.Thread], count: int = 3, pause: float = 0.0) -> Job[str]:
    try:
        for step in range(count):
            time.sleep(pause)
            yield StepMetrics(step, {"loss": 0.5})
        return "result"
    finally:
        closed.append(threading.current_thread())


def test_events_and_result_come_in_order_in_the_gui_thread(qtbot: Any) -> None:
    log, closed = Log(), []
    running = run(lambda: counting(closed), log)
    qtbot.waitUntil(lambda: not running.running)
    assert log.names() == ["event", "event", "event", "done"]
    assert log.calls[-1][1] == "result"
    assert log.threads == {threading.main_thread()}
    assert closed[0] is not threading.main_thread()


def test_a_stopped_job_is_closed_in_its_own_thread(qtbot: Any) -> None:
    log, closed = Log(), []
    running = run(lambda: counting(closed, count=10_000, pause=0.01), log)
    qtbot.waitUntil(lambda: "event" in log.names())
    running.stop()
    qtbot.waitUntil(lambda: not running.running)
    gc.collect()
    assert log.names()[-1] == "stopped"
    assert "done" not in log.names()
    assert len(closed) == 1
    assert closed[0] is not threading.main_thread()


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), ImageError("It is flat.", "Use another.")])
def test_every_error_arrives_even_a_runtime_error(qtbot: Any, error: Exception) -> None:
    def failing() -> Job[None]:
        yield Progress("Working", 0, 1)
        raise error

    log = Log()
    running = run(failing, log)
    qtbot.waitUntil(lambda: not running.running)
    assert log.calls[-1] == ("error", error)
    assert log.threads == {threading.main_thread()}


def test_an_error_before_the_first_event_and_one_while_closing_arrive(qtbot: Any) -> None:
    def unmade() -> Job[None]:
        raise ImageError("There is no image.", "Open one.")

    def unclosable() -> Job[None]:
        try:
            while True:
                time.sleep(0.01)
                yield StepMetrics(0, {})
        finally:
            raise OSError("disk full")

    log = Log()
    first = run(unmade, log)
    qtbot.waitUntil(lambda: not first.running)
    second = run(unclosable, log)
    qtbot.waitUntil(lambda: "event" in log.names())
    second.stop()
    qtbot.waitUntil(lambda: not second.running)
    assert [type(value) for name, value in log.calls if name == "error"] == [ImageError, OSError]


def test_without_a_handler_an_error_becomes_a_notification(viewer: Any, qtbot: Any) -> None:
    from napari.utils.notifications import notification_manager

    def fail() -> None:
        raise ImageError("The image is flat.", "Use another.")

    running = run_call(fail)
    qtbot.waitUntil(lambda: not running.running)
    assert "The image is flat. Use another." in notification_manager.records[-1].message


def test_progress_does_not_flood_the_gui_thread_but_its_end_arrives(qtbot: Any) -> None:
    def fast() -> Job[None]:
        for step in range(5000):
            yield Progress("Running", step + 1, 5000)

    log = Log()
    running = run(fast, log)
    qtbot.waitUntil(lambda: not running.running)
    events = [value for name, value in log.calls if name == "event"]
    assert len(events) < 100
    assert events[-1].done == 5000


def test_workers_that_overlap_leave_the_warning_filters_alone(qtbot: Any) -> None:
    before = (list(warnings.filters), warnings.showwarning)
    jobs = [run(lambda n=n: counting([], count=n, pause=0.02), Log()) for n in (4, 8)]
    qtbot.waitUntil(lambda: not any(job.running for job in jobs))
    assert (list(warnings.filters), warnings.showwarning) == before


def test_closing_the_application_stops_jobs_and_waits_for_them(qtbot: Any) -> None:
    log, closed = Log(), []
    run(lambda: counting(closed, count=10_000, pause=0.01), log)
    qtbot.waitUntil(lambda: "event" in log.names())
    stop_all(5)
    assert len(closed) == 1
    known = len(log.calls)
    QApplication.processEvents()
    assert len(log.calls) == known, "who asked is gone and must not be called back"


def test_messages_say_what_to_do() -> None:
    assert message_of(ImageError("It is flat.", "Use another.")) == "It is flat. Use another."
    assert "smaller" in message_of(RuntimeError("DefaultCPUAllocator: not enough memory: out of memory"))
    assert "smaller" in message_of(MemoryError())
    assert message_of(ValueError("odd")) == "ValueError: odd"
