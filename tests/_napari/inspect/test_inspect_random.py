"""Inspect in any order of clicks, with layers that come and go: no crash, no traceback, nothing left to follow."""

import faulthandler
import os
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtTest import QTest

from napari_grd._napari.inspect.widget import InspectWidget
from napari_grd._napari.outputs import made_by
from napari_grd._napari.state import state_of
from napari_grd.data.simulate import nuclei_2d
from napari_grd.models.model import Model, ModelConfig

SHAPE = (48, 56)
SEEDS = range(int(os.environ.get("GRD_INSPECT_SEEDS", "1")))
ACTIONS = int(os.environ.get("GRD_INSPECT_ACTIONS", "60"))


@pytest.fixture(scope="module")
def models() -> list[Model]:
    """A student, its teacher, and one whose embedding has another width; none has learned anything."""
    made = []
    for number, width in enumerate((16, 16, 8)):
        torch.manual_seed(number)
        made.append(Model.create(ModelConfig(network={"embedding": width, "widths": (4, 4, 8, 8, 8)})))
    return made


class RandomUser:
    """Does one thing after another to the widget and its viewer."""

    def __init__(self, viewer: Any, widget: InspectWidget, seed: int) -> None:
        self.viewer, self.widget, self.rng = viewer, widget, np.random.default_rng(seed)

    def act(self) -> str:
        """Do something; its name."""
        names = [name for name in dir(self) if name.startswith("do_")]
        name = str(self.rng.choice(names))
        getattr(self, name)()
        QTest.qWait(int(self.rng.choice([0, 5, 60, 300])))
        return name

    def do_look(self) -> None:
        self.widget.look.click()

    def do_hover(self) -> None:
        self.widget.hover.click()

    def do_view(self) -> None:
        boxes = list(self.widget.form.views.values())
        boxes[self.rng.integers(len(boxes))].click()

    def do_eye(self) -> None:
        self._pick(self.widget.form.eye)

    def do_model(self) -> None:
        form = self.widget.form
        combo = form.student if self.rng.random() < 0.5 else form.teacher
        combo.set_name(str(self.rng.choice(["student", "teacher", "narrow"])))

    def do_region(self) -> None:
        self._pick(self.widget.form.region)

    def do_edges(self) -> None:
        self._pick(self.widget.form.edges)

    def do_stop(self) -> None:
        self.widget.bar.stop.click()

    def do_mouse(self) -> None:
        position = tuple(self.rng.uniform(-5, 60, self.viewer.dims.ndim))
        for callback in list(self.viewer.mouse_move_callbacks):
            callback(self.viewer, SimpleNamespace(position=position))

    def do_remove_result(self) -> None:
        results = [layer for layer in self.viewer.layers if made_by(layer)]
        if results:
            self.viewer.layers.remove(results[self.rng.integers(len(results))])

    def do_remove_any(self) -> None:
        if len(self.viewer.layers) and self.rng.random() < 0.4:
            self.viewer.layers.pop(int(self.rng.integers(len(self.viewer.layers))))

    def do_add(self) -> None:
        images = [layer for layer in self.viewer.layers if not made_by(layer)]
        if len(images) < 3:
            image, labels = nuclei_2d(np.random.default_rng(len(images)), SHAPE)
            if self.rng.random() < 0.3:
                self.viewer.add_labels(labels)
            else:
                self.viewer.add_image(np.stack([image] * 3) if self.rng.random() < 0.3 else image)

    def do_slider(self) -> None:
        if self.viewer.dims.ndim > 2:
            self.viewer.dims.set_current_step(0, int(self.rng.integers(10)))

    def do_display(self) -> None:
        if self.rng.random() < 0.3:
            self.viewer.dims.ndisplay = 5 - self.viewer.dims.ndisplay

    def _pick(self, combo: Any) -> None:
        combo.setCurrentIndex(int(self.rng.integers(combo.count())))


@pytest.mark.parametrize("seed", SEEDS)
def test_inspect_stands_any_order_of_clicks(viewer: Any, models: list[Model], qtbot: Any, seed: int) -> None:
    faulthandler.enable()
    state = state_of(viewer)
    for model, name in zip(models, ("student", "teacher", "narrow"), strict=True):
        state.add(model, name)
    state.student = "student"
    widget = InspectWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Inspect")
    widget.form.teacher.set_name("teacher")
    viewer.add_image(nuclei_2d(np.random.default_rng(9), SHAPE)[0])
    user, before = RandomUser(viewer, widget, seed), len(viewer.mouse_move_callbacks)
    done: list[str] = []
    with qtbot.captureExceptions() as errors:
        for _ in range(ACTIONS):
            done.append(user.act())
            assert not errors, (done[-10:], errors)
        qtbot.waitUntil(lambda: widget._running is None, timeout=60_000)
        if widget.hover.isChecked():
            widget.hover.click()
        qtbot.waitUntil(lambda: widget._running is None, timeout=60_000)
    assert not errors, done[-10:]
    assert len(viewer.mouse_move_callbacks) == before, "nothing follows the mouse any more"
    assert "Traceback" not in widget.message.text()
