"""Draining, cancelling and timing a job, without a thread."""

import time
from pathlib import Path

import pytest

from napari_grd.errors import Cancelled, GrdError, GrdWarning
from napari_grd.jobs import Event, FileSaved, Job, Notice, Overall, Progress, Stopwatch, drain, relay, without_notices


class Recorder:
    """A job of three steps that notes what happens to it."""

    def __init__(self) -> None:
        self.steps = 0
        self.closed = False

    def job(self) -> Job[str]:
        try:
            yield FileSaved(Path("a/checkpoint"))
            for _ in range(3):
                self.steps += 1
                yield Progress("Working", self.steps, 3)
            yield FileSaved(Path("a/model"), kind="model")
            return "result"
        finally:
            self.closed = True


def test_events_in_order_then_the_result() -> None:
    events: list[Event] = []
    recorder = Recorder()
    assert drain(recorder.job(), events.append) == "result"
    assert [type(event).__name__ for event in events] == ["FileSaved", *["Progress"] * 3, "FileSaved"]
    assert recorder.closed


def test_cancelling_closes_the_job_and_names_the_checkpoint() -> None:
    recorder = Recorder()
    with pytest.raises(Cancelled) as caught:
        drain(recorder.job(), cancelled=lambda: recorder.steps == 2)
    assert recorder.steps == 2
    assert recorder.closed
    assert caught.value.checkpoint == Path("a/checkpoint")


def test_a_failing_listener_closes_the_job() -> None:
    recorder = Recorder()

    def fail(event: Event) -> None:
        raise RuntimeError("listener")

    with pytest.raises(RuntimeError, match="listener"):
        drain(recorder.job(), fail)
    assert recorder.closed


def test_errors_pass_through() -> None:
    def job() -> Job[None]:
        yield Progress("Working", 0, 1)
        raise GrdError("broken.", "Mend it.")

    with pytest.raises(GrdError, match="broken"):
        drain(job())


def test_events_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Progress("a", 1, 2).done = 2  # type: ignore[misc]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_time_left_from_the_pace(clock: list[float]) -> None:
    watch = Stopwatch("Working", 10)
    assert watch.progress(0).seconds_left is None
    clock[0] += 8
    assert watch.progress(4) == Progress("Working", 4, 10, pytest.approx(12))
    assert watch.elapsed == 8


def test_a_resumed_job_does_not_count_what_was_done(clock: list[float]) -> None:
    watch = Stopwatch("Working", 10, done=6)
    assert watch.progress(6).seconds_left is None
    clock[0] += 4
    assert watch.progress(8).seconds_left == pytest.approx(4)


def test_a_relayed_job_keeps_its_result_and_changes_its_events() -> None:
    recorder = Recorder()
    events: list[Event] = []
    relayed = relay(recorder.job(), lambda event: Progress("All", 0, 1) if isinstance(event, FileSaved) else event)
    plain = drain(Recorder().job())
    assert drain(relayed, events.append) == plain
    assert events[0] == Progress("All", 0, 1)
    assert len(events) == recorder.steps + 2
    assert recorder.closed


def test_closing_a_relayed_job_closes_the_inner_one() -> None:
    recorder = Recorder()
    relayed = relay(recorder.job(), lambda event: event)
    next(relayed)
    relayed.close()
    assert recorder.closed


def test_a_stage_of_a_whole_shows_the_whole() -> None:
    alone, part = Progress("Working", 3, 3, 0.0), Progress("Working", 3, 3, 0.0, Overall(0.5, 9.0))
    assert (alone.share, alone.left, alone.over) == (1, 0, True)
    assert (part.share, part.left, part.over) == (0.5, 9, False)
    assert Progress("Nothing to do", 0, 0).over


def _noticing() -> Job[str]:
    yield Notice("The image is dark.")
    return "done"


def test_a_notice_is_an_event_and_a_warning() -> None:
    events: list[Event] = []
    with pytest.warns(GrdWarning, match="The image is dark"):
        assert drain(_noticing(), events.append) == "done"
    assert events == [Notice("The image is dark.")]


def test_a_front_end_that_shows_notices_itself_gets_no_warning() -> None:
    assert drain(_noticing(), warn=False) == "done"  # warnings are errors here


def test_a_job_within_another_may_keep_its_notices_to_itself() -> None:
    events: list[Event] = []

    def telling() -> Job[str]:
        yield Progress("Working", 0, 1)
        yield from _noticing()
        return "over"

    assert drain(without_notices(telling()), events.append) == "over"
    assert events == [Progress("Working", 0, 1)]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("Unable to allocate 22.4 GiB for an array"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried to have 9 bytes"
        ),
        RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:223:\nstd::bad_alloc"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
    ],
)
def test_memory_that_runs_out_is_told_with_advice(error: Exception) -> None:
    def job() -> Job[None]:
        yield Progress("Working", 0, 1)
        raise error

    with pytest.raises(GrdError, match=r"Memory has run out.*smaller tile.*smaller batch") as caught:
        drain(job())
    assert isinstance(caught.value, MemoryError)
    assert "\n" not in str(caught.value)


def test_another_error_stays_what_it_is() -> None:
    def job() -> Job[None]:
        yield Progress("Working", 0, 1)
        raise RuntimeError("The sizes do not match")

    with pytest.raises(RuntimeError, match="sizes"):
        drain(job())
