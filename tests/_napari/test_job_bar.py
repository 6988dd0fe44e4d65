"""One bar for a job, however many stages it has."""

from typing import Any

from napari_grd._napari.job_bar import JobBar
from napari_grd.jobs import Notice, Overall, Progress


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
