"""A viewer with labels under correction, and a hand on the mouse."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent, QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_grd._napari.correct import storage
from napari_grd._napari.correct.widget import CorrectWidget
from napari_grd._napari.state import state_of
from napari_grd.data.simulate import nuclei_2d
from napari_grd.models.model import Model, ModelConfig

SHAPE = (96, 112)


@pytest.fixture(scope="session")
def tiny() -> Model:
    """A model that has learned nothing; its embedding is as good as any for the mouse."""
    torch.manual_seed(0)
    return Model.create(ModelConfig()).with_card(name="tiny")


@pytest.fixture
def picture() -> np.ndarray:
    return np.asarray(nuclei_2d(np.random.default_rng(0), SHAPE)[0])


@pytest.fixture
def blocks() -> np.ndarray:
    """Four objects: two that touch, one alone, and one that is a pixel away from it."""
    labels = np.zeros(SHAPE, np.uint32)
    labels[10:40, 10:30] = 1
    labels[10:40, 30:50] = 2
    labels[60:80, 20:40] = 3
    labels[60:80, 42:60] = 4
    return labels


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where corrections of images without a file go."""
    monkeypatch.setattr(storage, "user_data_path", lambda *_args, **_more: tmp_path / "data")
    return tmp_path / "data" / "corrections"


@pytest.fixture
def correct(viewer: Any, tiny: Model, data_folder: Path, qtbot: Any) -> Iterator[Callable[..., CorrectWidget]]:
    """Docks the widget; with labels it is started, and the network has been asked."""
    made: list[CorrectWidget] = []

    def dock(*, start: bool = True, model: bool = True) -> CorrectWidget:
        state = state_of(viewer)
        state.student = state.add(tiny, "tiny")
        widget = CorrectWidget(viewer)
        made.append(widget)
        viewer.window.add_dock_widget(widget, name="Correct")
        widget.form.model.set_name("tiny" if model else None)
        if start:
            begin(widget, qtbot)
        return widget

    yield dock
    for widget in made:
        widget.release()


def begin(widget: CorrectWidget, qtbot: Any) -> None:
    widget.start.click()
    qtbot.waitUntil(lambda: widget.toolbox.session is not None, timeout=60_000)
    qtbot.waitUntil(lambda: widget.bar.isHidden(), timeout=60_000)
    assert not widget.message.text() or "restored" in widget.message.text()


class Mouse:
    """Moves over the canvas of a shown window, in data coordinates of a layer."""

    def __init__(self, viewer: Any, layer: Any) -> None:
        viewer.window._qt_window.resize(900, 700)
        viewer.show()
        QTest.qWait(50)
        viewer.fit_to_view()
        QTest.qWait(50)
        self._viewer, self._layer = viewer, layer
        self._canvas = viewer.window._qt_viewer.canvas.native

    def _at(self, point: tuple[float, ...]) -> QPointF:
        world = np.array(self._layer.data_to_world(point), float)[-2:]
        camera = self._viewer.scene.camera
        y, x = (world - camera.center[-2:]) * camera.zoom + np.array(self._viewer.canvas.size) / 2
        return QPointF(x, y)

    def _send(self, kind: Any, point: tuple[float, ...], button: Any, buttons: Any, keys: Any) -> None:
        at = self._at(point)
        seen = QPointF(self._canvas.mapToGlobal(QPoint(int(at.x()), int(at.y()))))
        QApplication.sendEvent(self._canvas, QMouseEvent(kind, at, seen, button, buttons, keys))
        QApplication.processEvents()

    def move(self, point: tuple[float, ...], keys: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self._send(QEvent.Type.MouseMove, point, Qt.MouseButton.NoButton, Qt.MouseButton.NoButton, keys)
        QTest.qWait(40)  # the outline follows a little later

    def drag(self, points: list[tuple[float, ...]], keys: Any = Qt.KeyboardModifier.NoModifier) -> None:
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        self._send(QEvent.Type.MouseMove, points[0], none, none, keys)
        self._send(QEvent.Type.MouseButtonPress, points[0], left, left, keys)
        for point in points[1:]:
            self._send(QEvent.Type.MouseMove, point, none, left, keys)
        self._send(QEvent.Type.MouseButtonRelease, points[-1], left, none, keys)
        QTest.qWait(20)

    def click(self, point: tuple[float, ...], keys: Any = Qt.KeyboardModifier.NoModifier) -> None:
        self.drag([point], keys)

    def double_click(self, point: tuple[float, ...]) -> None:
        left, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        self.click(point)
        self._send(QEvent.Type.MouseButtonDblClick, point, left, left, keys)
        self._send(QEvent.Type.MouseButtonRelease, point, left, Qt.MouseButton.NoButton, keys)
        QTest.qWait(20)

    def wheel(self, point: tuple[float, ...], notches: int) -> None:
        at = self._at(point)
        seen = QPointF(self._canvas.mapToGlobal(QPoint(int(at.x()), int(at.y()))))
        none = Qt.KeyboardModifier.NoModifier
        for _ in range(abs(notches)):
            step = QPoint(0, 120 if notches > 0 else -120)
            phase = Qt.ScrollPhase.NoScrollPhase
            event = QWheelEvent(at, seen, QPoint(), step, Qt.MouseButton.NoButton, none, phase, False)
            QApplication.sendEvent(self._canvas, event)
        QTest.qWait(40)

    def key(self, key: Any, keys: Any = Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self._canvas, key, keys)
        QTest.qWait(20)

    def hold(self, key: Any, on: bool) -> None:
        (QTest.keyPress if on else QTest.keyRelease)(self._canvas, key)


@pytest.fixture
def mouse(viewer: Any) -> Callable[[Any], Mouse]:
    return lambda layer: Mouse(viewer, layer)
