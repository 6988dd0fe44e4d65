"""Progress bars follow the events, and nothing else."""

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from napari_grd.cli import monitor
from napari_grd.cli.monitor import Monitor
from napari_grd.jobs import FileSaved, Notice, Overall, Progress, StepMetrics


def draw(*events: object, terminal: bool, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that show stages, oldest first."""
    monkeypatch.setattr(monitor, "_PATIENCE", -1.0)
    monkeypatch.setattr(monitor, "_PLAIN_EVERY", 0.0)
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, color_system=None)
    with Monitor(console) as drawn:
        for event in events:
            drawn.on_event(event)  # type: ignore[arg-type]
    return [line for line in text.getvalue().splitlines() if "/" in line]


@pytest.mark.parametrize("terminal", [True, False])
def test_stage_time_left_loss_and_scores_are_shown(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = draw(
        Progress("Training", 1, 10, 65.0),
        StepMetrics(1, {"loss": 0.5}),
        Progress("Validating", 0, 2),
        StepMetrics(1, {"ap50": 0.75}, kind="validation"),
        Progress("Training", 2, 10, 3661.0),
        terminal=terminal,
        monkeypatch=monkeypatch,
    )
    last = shown[-1]
    for part in ("Training", "2/10", "1:01:01 left", "loss 0.500", "AP50 0.750"):
        assert part in last
    assert "Validating" not in last


def test_a_stage_after_a_finished_one_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = draw(
        Progress("Asking", 2, 2, 0.0), Progress("Distilling", 1, 2, 9.0), terminal=True, monkeypatch=monkeypatch
    )
    frame = shown[-2:]
    assert "Asking" in frame[0]
    assert "took" in frame[0]
    assert "Distilling" in frame[1]


def test_a_training_that_stopped_early_does_not_swallow_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = (Progress("Training", 5, 10), FileSaved(None, "model"))  # type: ignore[arg-type]
    shown = draw(*stopped, Progress("Distilling", 1, 2), terminal=False, monkeypatch=monkeypatch)
    assert "Distilling 1/2" in shown[-1]


@pytest.mark.parametrize("terminal", [True, False])
def test_stages_of_one_whole_share_a_bar(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = draw(
        Progress("Fitting", 1, 2, 30.0, Overall(0.25, 90.0)),
        StepMetrics(1, {"loss": 0.5}),
        Progress("Validating", 0, 2),
        StepMetrics(1, {"ap50": 0.75}, kind="validation"),
        FileSaved(None, "model"),  # type: ignore[arg-type]
        Progress("Distilling", 1, 4, 30.0, Overall(0.625, 65.0)),
        terminal=terminal,
        monkeypatch=monkeypatch,
    )
    frame = shown[-1]
    assert all(part in frame for part in ("Distilling", "1/4", "1:05 left"))
    assert "AP50" not in frame  # the other network's
    if terminal:
        last = [line for line in shown if "Validating" not in line]
        assert not any("Fitting" in line and "Distilling" in line for line in last)
    else:
        assert "62% of all" in frame


def test_short_stages_are_not_shown() -> None:
    text = io.StringIO()
    with Monitor(Console(file=text, force_terminal=True, color_system=None)) as drawn:
        drawn.on_event(Progress("Reading", 1, 2))
        time.sleep(0.01)
        drawn.on_event(Progress("Reading", 2, 2))
    assert "Reading" not in text.getvalue()


def test_a_notice_is_a_line() -> None:
    text = io.StringIO()
    with Monitor(Console(file=text, width=120)) as drawn:
        drawn.on_event(Notice("Nothing stands out."))
    assert text.getvalue().strip() == "Note: Nothing stands out."


def interrupted(number: int, saved: list[str]) -> Any:
    try:
        yield Progress("Training", 1, 3)
        os.kill(os.getpid(), number)
        for step in (2, 3):
            yield Progress("Training", step, 3)
    finally:
        saved.append("saved")
    return "done"


@pytest.fixture
def not_ignored() -> Iterator[None]:
    """As in a terminal, even if the tests were started with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("not_ignored")
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", 1)])
def test_a_signal_stops_and_saves(number: signal.Signals, capsys: pytest.CaptureFixture[str]) -> None:
    before, saved = signal.getsignal(number), list[str]()
    with pytest.raises(SystemExit) as ended:
        monitor.run(interrupted(number, saved))
    assert ended.value.code == 128 + number
    assert saved == ["saved"]
    assert "Progress was saved" in capsys.readouterr().err
    assert signal.getsignal(number) == before


def test_a_job_that_can_finish_ends_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    finish = threading.Event()

    def job() -> Any:
        for step in range(100):
            yield Progress("Learning", step, 100)
            if finish.is_set():
                return step
            if step == 2:
                os.kill(os.getpid(), signal.SIGINT)
        return None

    before = signal.getsignal(signal.SIGINT)
    assert monitor.run(job(), finish=finish) == 3
    assert "Saving the best result so far" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
def test_a_hang_up_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert monitor.run(interrupted(signal.SIGHUP, [])) == "done"
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("not_ignored")
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="the system has no SIGHUP")
def test_after_a_hang_up_nobody_need_read_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class HungUp(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(monitor, "Console", lambda **_: Console(file=HungUp()))
    saved = list[str]()
    with pytest.raises(SystemExit) as ended:
        monitor.run(interrupted(signal.SIGHUP, saved))
    assert (ended.value.code, saved) == (129, ["saved"])


def test_a_job_runs_in_any_thread() -> None:
    def job() -> Any:
        yield Progress("Training", 1, 1)
        return "done"

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(monitor.run(job())))
    thread.start()
    thread.join()
    assert found == ["done"]
