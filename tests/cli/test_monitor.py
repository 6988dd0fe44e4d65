"""Progress bars follow the events, and nothing else."""

import io
import time

import pytest
from rich.console import Console

from napari_grd.cli import monitor
from napari_grd.cli.monitor import Monitor
from napari_grd.jobs import Metrics, Notice, Overall, Progress, Saved


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
        Metrics(1, {"loss": 0.5}),
        Progress("Validating", 0, 2),
        Metrics(1, {"ap50": 0.75}, kind="validation"),
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
    stopped = (Progress("Training", 5, 10), Saved(None, "model"))  # type: ignore[arg-type]
    shown = draw(*stopped, Progress("Distilling", 1, 2), terminal=False, monkeypatch=monkeypatch)
    assert "Distilling 1/2" in shown[-1]


@pytest.mark.parametrize("terminal", [True, False])
def test_stages_of_one_whole_share_a_bar(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = draw(
        Progress("Fitting", 1, 2, 30.0, Overall(0.25, 90.0)),
        Metrics(1, {"loss": 0.5}),
        Progress("Validating", 0, 2),
        Metrics(1, {"ap50": 0.75}, kind="validation"),
        Saved(None, "model"),  # type: ignore[arg-type]
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
