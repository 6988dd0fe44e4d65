"""One bar for a job, however many stages it has."""

import time
from typing import Any
from unittest.mock import Mock

import pytest

from napari_grd._napari.job_bar import JobBar
from napari_grd.jobs import Job, Notice, Overall, Progress


def test_stages_of_a_whole_move_one_bar(qtbot: Any) -> None:
    bar = JobBar()
    qtbot.addWidget(bar)
    bar.show_event(Progress("Reading", 1, 4, 20.0))
    assert (bar.bar.value(), bar.bar.maximum(), bar.text.text()) == (1, 4, "Reading · 20 s left")
    for stage, done in (("Fitting", 0.25), ("Distilling", 0.5)):
        bar.show_event(Progress(stage, 1, 1, 0.0, Overall(done, 75.0)))
        assert bar.bar.value() / bar.bar.maximum() == done
        assert bar.text.text() == f"{stage} · 1 min 15 s left"


def test_what_a_job_tells_is_kept_once(qtbot: Any) -> None:
    bar = JobBar()
    qtbot.addWidget(bar)
    for message in ("Rescaled.", "Rescaled.", "Inverted."):
        bar.show_event(Notice(message))
    assert bar.notices == ["Rescaled.", "Inverted."]


@pytest.mark.parametrize("outcome", ["done", "failed", "stopped"])
def test_however_a_job_ends_the_bar_is_hidden_and_the_end_comes_first(qtbot: Any, outcome: str) -> None:
    def job() -> Job[int]:
        while outcome == "stopped":
            yield Progress("Waiting", 0, 2)
            time.sleep(0.01)
        yield Progress("Working", 1, 2)
        if outcome == "failed":
            raise ValueError("no")
        return 5

    panel, told = Mock(), []
    panel.show_error.side_effect = lambda error: told.append(str(error))
    bar = JobBar()
    qtbot.addWidget(bar)
    running = bar.run(
        panel,
        job,
        told.append,
        on_end=lambda: told.append(("end", bar.isHidden())),
        on_stopped=lambda: told.append("stopped"),
    )
    assert not bar.isHidden()
    panel.track.assert_called_once_with(running)
    if outcome == "stopped":
        bar.stop.click()
    qtbot.waitUntil(lambda: len(told) == 2, timeout=10_000)
    assert told == [("end", True), {"done": 5, "failed": "no", "stopped": "stopped"}[outcome]]
