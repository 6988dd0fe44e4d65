"""Curves, and numbers where there is nothing to draw curves with."""

import gc
import sys
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QMenu

from napari_grd._napari.distill.curves import Curves
from napari_grd.jobs import StepMetrics

TRAIN = [
    StepMetrics(10, {"loss": 2.0, "agd": 0.5, "lr": 1e-3}),
    StepMetrics(20, {"loss": 1.0, "agd": 0.25, "lr": 1e-3}),
]
SCORES = StepMetrics(20, {"ap50": 0.75, "aji": 0.5, "voi_split": 3.0}, kind="validation")


@pytest.fixture
def curves(qtbot: Any) -> Curves:
    curves = Curves()
    qtbot.addWidget(curves)
    return curves


def test_points_are_kept_and_drawn(curves: Curves) -> None:
    curves.prepare()
    for event in (*TRAIN, SCORES):
        curves.add(event)
    assert curves.points == {
        ("train", "loss"): ([10, 20], [2.0, 1.0]),
        ("train", "agd"): ([10, 20], [0.5, 0.25]),
        ("validation", "ap50"): ([20], [0.75]),
        ("validation", "aji"): ([20], [0.5]),
    }
    steps, values = curves._lines["train", "agd"].getOriginalDataset()
    np.testing.assert_array_equal(steps, [10, 20])
    np.testing.assert_array_equal(values, [0.5, 0.25])
    assert "Loss 1<" in curves.legends["train"].text()
    assert "Affinity graph 0.25<" in curves.legends["train"].text()
    assert curves.legends["train"].text().count("color:") == 2
    assert curves.numbers.isHidden()
    curves.clear()
    assert not curves.points
    assert not curves.legends["train"].text()


def test_steps_that_come_again_replace_the_old_ones(curves: Curves) -> None:
    for event in (*TRAIN, TRAIN[1]):
        curves.add(event)
    assert curves.points["train", "loss"] == ([10, 20], [2.0, 1.0])


def test_without_pyqtgraph_the_latest_numbers_are_shown(curves: Curves, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyqtgraph", None)
    curves.prepare()
    for event in (*TRAIN, SCORES):
        curves.add(event)
    assert (
        curves.numbers.text() == "Loss at step 20: Loss 1, Affinity graph 0.25\nScores at step 20: AP50 0.75, AJI 0.5"
    )


def test_closed_plots_leave_no_menus_behind(qtbot: Any) -> None:
    def menus() -> int:
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        gc.collect()
        return sum(isinstance(widget, QMenu) for widget in QApplication.allWidgets())

    before = menus()
    curves = Curves()
    curves.prepare()
    assert menus() > before
    curves.close_plots()
    curves.deleteLater()
    assert menus() <= before
