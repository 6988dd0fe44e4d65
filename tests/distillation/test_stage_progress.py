"""Several stages are one whole: its bar never falls, its time left is of all that remains."""

import time

import pytest

from napari_grd.distillation.stage_progress import StageProgress
from napari_grd.jobs import Event, Job, Overall, Progress, StepMetrics, drain


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def overall(event: Event) -> Overall:
    assert isinstance(event, Progress)
    assert event.overall is not None
    return event.overall


def test_later_stages_are_expected_at_the_pace_so_far(clock: list[float]) -> None:
    progress = StageProgress({"Asking": 10, "Learning": 30})
    assert overall(progress.place(Progress("Asking", 0, 5))) == Overall(0.0, None)
    clock[0] += 4  # a fifth of the work took 4 seconds and not 2
    assert overall(progress.place(Progress("Asking", 1, 5, 16.0))) == Overall(0.05, 16 + 30 * 2)
    clock[0] += 16
    assert overall(progress.place(Progress("Asking", 5, 5, 0.0))) == Overall(0.25, 60)
    assert overall(progress.place(Progress("Learning", 0, 3))) == Overall(0.25, None)
    clock[0] += 5
    assert overall(progress.place(Progress("Learning", 1, 3, 10.0))) == Overall(0.5, 10)


def test_a_strange_stage_says_nothing_of_the_others(clock: list[float]) -> None:
    progress = StageProgress({"Asking": 1000, "Fitting": 10, "Learning": 30}, strange=("Asking",))
    progress.place(Progress("Asking", 0, 1))
    clock[0] += 1
    assert overall(progress.place(Progress("Asking", 1, 1))).seconds_left == 40
    progress.place(Progress("Fitting", 0, 10))
    clock[0] += 2
    assert overall(progress.place(Progress("Fitting", 1, 10, 18.0))).seconds_left == 18 + 60


def test_what_was_done_before_does_not_count_towards_the_pace(clock: list[float]) -> None:
    progress = StageProgress({"Fitting": 10, "Learning": 30})
    progress.place(Progress("Fitting", 8, 10))  # resumed
    clock[0] += 3
    found = overall(progress.place(Progress("Fitting", 9, 10, 3.0)))
    assert found.done == pytest.approx(0.225)
    assert found.seconds_left == pytest.approx(3 + 30 * 3)


def test_nothing_to_do_is_done(clock: list[float]) -> None:
    progress = StageProgress({"Asking": 10, "Learning": 30})
    assert overall(progress.place(Progress("Asking", 0, 0))).done == 0.25


def test_a_job_that_stops_early_still_fills_the_bar() -> None:
    closed = []

    def job() -> Job[str]:
        try:
            yield Progress("Asking", 1, 1)
            yield Progress("Learning", 1, 4)
            yield Progress("Validating", 0, 2)
            yield StepMetrics(1, {})
            return "model"
        finally:
            closed.append(True)

    events: list[Event] = []
    assert drain(StageProgress({"Asking": 1, "Learning": 1}).follow(job()), events.append) == "model"
    assert [overall(e).done for e in events if isinstance(e, Progress) and e.overall] == [0.5, 0.625, 1]
    assert events[2] == Progress("Validating", 0, 2)
    following = StageProgress({"Asking": 1}).follow(job())
    next(following)
    following.close()
    assert len(closed) == 2
