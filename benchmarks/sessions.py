"""Does the window stand anything, in any order? Random sessions with all widgets.

    python tests/with_display.py python benchmarks/sessions.py --seeds 200

Each session is one window, in which 300 actions follow each other at random:
docks are opened and closed, layers come, go, and change, every button and tool
is used with real events, jobs start and are stopped. Models are small and have
learned nothing, images are small. What must not happen: a crash (faulthandler
prints where), a traceback, an error that is not one of the package's own, a
corrected layer that differs from its beginning after everything was undone, and
anything that still follows the mouse, or runs, at the end.
"""

import faulthandler
import gc
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, TextIO

import napari
import numpy as np
import torch
import typer
from napari.layers import Labels
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QMessageBox, QPushButton, QWidget

from napari_grd._napari.correct import storage
from napari_grd._napari.correct.tool_descriptions import Tool
from napari_grd._napari.correct.widget import CorrectWidget
from napari_grd._napari.distill.widget import DistillWidget
from napari_grd._napari.evaluate.widget import EvaluateWidget
from napari_grd._napari.inspect.widget import InspectWidget
from napari_grd._napari.live.widget import LiveWidget
from napari_grd._napari.measure.widget import MeasureWidget
from napari_grd._napari.outputs import made_by
from napari_grd._napari.panel import Panel
from napari_grd._napari.state import state_of
from napari_grd._napari.worker import stop_all
from napari_grd.config import DistillConfig, FineTuneConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.models.model import Model, ModelConfig
from reporting import hardware

ACTIONS = 300
SHAPE = (48, 56)
WIDGETS = {
    "Live": LiveWidget,
    "Correct": CorrectWidget,
    "Distill": DistillWidget,
    "Inspect": InspectWidget,
    "Measure": MeasureWidget,
    "Evaluate": EvaluateWidget,
}
_UNEXPECTED = re.compile(r"\b(?!Grd)[A-Z]\w*(Error|Exception): |Traceback")
_LEFT, _NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
_PLAIN, _CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier
_QUICK = DistillConfig().replace(
    steps=4,
    batch=1,
    patch=32,
    validate_every=2,
    device="cpu",
    **{
        "network.widths": (2, 4, 4, 4, 4),
        "assistant.network.widths": (2, 4, 4, 4, 4),
        "assistant.steps": 2,
        "bank.sample": 2,
    },
)


def untrained() -> dict[str, Model]:
    """A student, its teacher, and one whose embedding has another width."""
    made = {}
    for number, (name, width) in enumerate((("student", 16), ("teacher", 16), ("narrow", 8))):
        torch.manual_seed(number)
        made[name] = Model.create(ModelConfig(network={"embedding": width, "widths": (4, 4, 8, 8, 8)}))
    return made


class RandomSession:
    """One random action after another in a window.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    seed : int
    models : dict of str to Model
        The only models of the window.
    folder : Path
        For all files that are written.
    """

    def __init__(self, viewer: Any, seed: int, models: dict[str, Model], folder: Path) -> None:
        self.viewer, self.rng, self.folder = viewer, np.random.default_rng(seed), folder
        state = state_of(viewer)
        state._models.clear()
        for name, model in models.items():
            state.add(model, name)
        state.student = "student"
        self.done: list[str] = []
        self.log: TextIO | None = None  # a crash leaves it
        self.problems: list[str] = []
        self.undone = 0
        self._opened = 0
        viewer.window._qt_window.resize(1000, 700)
        viewer.window._qt_window.show()
        self._following = [len(self._callbacks(kind)) for kind in ("move", "drag", "wheel")]
        self._names = [name for name in dir(self) if name.startswith("do_")]

    # What is there

    def _callbacks(self, kind: str) -> list[Any]:
        found: list[Any] = getattr(self.viewer, f"mouse_{kind}_callbacks")
        return found

    def panel(self, kind: type[Panel]) -> Any:
        """The open widget of a kind, or None."""
        return next((docked for docked in self.viewer.window.dock_widgets.values() if type(docked) is kind), None)

    def _some(self, things: Any) -> Any:
        things = list(things)
        return things[self.rng.integers(len(things))] if things else None

    def _maybe(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    # One action

    def act(self) -> None:
        """Do something, and see that nothing went wrong."""
        name = str(self.rng.choice(self._names))
        self.done.append(name)
        if self.log is not None:
            self.log.write(f"{len(self.done)} {name}\n")
            self.log.flush()
        getattr(self, name)()
        end = time.monotonic() + float(self.rng.choice([0, 0, 0.005, 0.02, 0.06]))
        QApplication.processEvents()
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.002)
        for panel in self.viewer.window.dock_widgets.values():
            if isinstance(panel, Panel) and _UNEXPECTED.search(panel.message.text()):
                self.problems.append(f"{type(panel).__name__} says: {panel.message.text()}")
                panel.say("")

    def do_open(self) -> None:
        kind = self._some(WIDGETS)
        if self.panel(WIDGETS[kind]) is None:
            self._opened += 1
            self.viewer.window.add_dock_widget(WIDGETS[kind](self.viewer), name=f"{kind} {self._opened}", area="right")

    def do_close(self) -> None:
        panel = self._some(docked for docked in self.viewer.window.dock_widgets.values() if isinstance(docked, Panel))
        if panel is not None and self._maybe(0.4):
            if isinstance(panel, CorrectWidget):
                self._undo_all(panel)
            self.viewer.window.remove_dock_widget(panel)

    def do_add(self) -> None:
        if len(self.viewer.layers) > 8:
            return
        image, labels = nuclei_2d(np.random.default_rng(int(self.rng.integers(3))), SHAPE)
        kind = self.rng.integers(6)
        if kind == 0:
            self.viewer.add_labels(labels, name="by hand")
        elif kind == 1:
            self.viewer.add_image(np.stack([image] * 3), name="stack")
        elif kind == 2:
            self.viewer.add_image(np.dstack([image >> 8] * 3).astype(np.uint8), rgb=True, name="rgb")
        elif kind == 3:
            self.viewer.add_shapes([np.array([[5, 5], [5, 40], [40, 40], [40, 5]])], shape_type="polygon")
        else:
            self.viewer.add_image(image, name="cells")

    def do_remove(self) -> None:
        layer = self._some(self.viewer.layers)
        if layer is not None and self._maybe(0.5):
            self.viewer.layers.remove(layer)

    def do_select(self) -> None:
        layer = self._some(self.viewer.layers)
        if layer is not None:
            self.viewer.layers.selection.active = layer

    def do_show_or_hide(self) -> None:
        layer = self._some(self.viewer.layers)
        if layer is not None:
            layer.visible = not layer.visible

    def do_rename(self) -> None:
        layer = self._some(self.viewer.layers)
        if layer is not None and self._maybe(0.3):
            layer.name = "renamed"

    def do_order(self) -> None:
        if len(self.viewer.layers) > 1:
            self.viewer.layers.move(0, len(self.viewer.layers))

    def do_slider(self) -> None:
        if self.viewer.dims.ndim > 2:
            self.viewer.dims.set_current_step(0, int(self.rng.integers(3)))

    def do_camera(self) -> None:
        self.viewer.scene.camera.zoom *= float(self.rng.choice([0.5, 1.5]))
        if self._maybe(0.5):
            self.viewer.fit_to_view()

    def do_display(self) -> None:
        if self._maybe(0.2):
            self.viewer.dims.ndisplay = 5 - self.viewer.dims.ndisplay

    def do_theme(self) -> None:
        if self._maybe(0.1):
            self.viewer.theme = str(self.rng.choice(["dark", "light"]))

    # Widgets

    def _pick(self, combo: Any) -> None:
        if combo.count() and combo.isEnabled():
            combo.setCurrentIndex(int(self.rng.integers(combo.count())))
            combo.activated.emit(combo.currentIndex())

    def _click(self, part: QWidget) -> None:
        if part.isVisible() and part.isEnabled():
            at = part.rect().center()
            if part.isCheckable() and not hasattr(part, "setDefault"):
                at.setX(8)
            QTest.mouseClick(part, _LEFT, pos=at)

    def do_live(self) -> None:
        live = self.panel(LiveWidget)
        if live is None:
            return
        form, controls = live.form, live.controls
        what = self.rng.integers(10)
        if what < 3:
            self._click(live.live)
        elif what == 3:
            self._pick(self._some([form.image, form.model, form.invert, form.range, controls.method]))
        elif what == 4:
            form.diameter.setValue(float(self.rng.choice([0, 8, 20])))
        elif what == 5:
            self._click(form.as_known)
        elif what == 6:
            self._some([controls.bias, controls.threshold]).setValue(float(self.rng.uniform(0.1, 0.8)))
        elif what == 7:
            form.contour.setValue(int(self.rng.integers(3)))
        elif what == 8:
            self._click(self._some([live.permanent.start, live.permanent.bar.stop, live.permanent.linked]))
        else:
            self._pick(live.permanent.region)

    def do_correct(self) -> None:
        correct = self.panel(CorrectWidget)
        if correct is None:
            return
        tools = correct.toolbox
        if tools.session is None:
            if self._maybe(0.3):
                self._pick(self._some([correct.form.labels, correct.form.image, correct.form.model]))
            self._click(correct.start)
        elif self._maybe(0.08):
            self._undo_all(correct)
            self._click(correct.start)
        elif self._maybe(0.1):
            self._click(
                self._some([tools.fill, tools.steps.undo, tools.steps.redo, tools.learn.revert, tools.learn.keep])
            )
        elif self._maybe(0.1):
            tools.learn.config = FineTuneConfig(steps=1, seconds=None, patch=32)
            tools.learn.best.setChecked(False)
            self._click(self._some([tools.learn.start, tools.learn.bar.stop]))
        else:
            tool = self._some(Tool)
            if tools.tools.buttons[tool].isEnabled():
                self._click(tools.tools.buttons[tool])

    def do_key(self) -> None:
        keys = ["K", "J", "C", "D", "E", "B", "A", "T", "Z", "N", "M", "Escape", "BracketLeft", "BracketRight"]
        key = getattr(Qt.Key, f"Key_{self.rng.choice(keys)}")
        QTest.keyClick(self._canvas, key)

    def do_undo(self) -> None:
        keys = _CTRL | Qt.KeyboardModifier.ShiftModifier if self._maybe(0.4) else _CTRL
        QTest.keyClick(self._canvas, Qt.Key.Key_Z, keys)

    def do_stroke(self) -> None:
        correct, active = self.panel(CorrectWidget), self.viewer.layers.selection.active
        session = None if correct is None else correct.toolbox.session
        if (
            self.viewer.dims.ndisplay == 3
            and isinstance(active, Labels)
            and (session is None or session.layer is not active)
        ):
            active.mode = "pan_zoom"  # napari's brush fails there on labels of one plane, also without a plugin
        places = self.rng.uniform(
            (0, 0), (self._canvas.width(), self._canvas.height()), (int(self.rng.integers(1, 5)), 2)
        )
        keys = self._some([_PLAIN, _PLAIN, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier])
        self._mouse(QEvent.Type.MouseMove, places[0], _NONE, _NONE, keys)
        self._mouse(QEvent.Type.MouseButtonPress, places[0], _LEFT, _LEFT, keys)
        for place in places[1:]:
            self._mouse(QEvent.Type.MouseMove, place, _NONE, _LEFT, keys)
        self._mouse(QEvent.Type.MouseButtonRelease, places[-1], _LEFT, _NONE, keys)

    do_another_stroke = do_stroke

    @property
    def _canvas(self) -> QWidget:
        canvas: QWidget = self.viewer.window._qt_viewer.canvas.native
        return canvas

    def _mouse(self, kind: Any, place: Any, button: Any, buttons: Any, keys: Any) -> None:
        at = QPointF(float(place[0]), float(place[1]))
        seen = QPointF(self._canvas.mapToGlobal(at.toPoint()))
        QApplication.sendEvent(self._canvas, QMouseEvent(kind, at, seen, button, buttons, keys))

    def do_inspect(self) -> None:
        inspect = self.panel(InspectWidget)
        if inspect is None:
            return
        form = inspect.form
        what = self.rng.integers(5)
        if what == 0:
            self._click(inspect.look)
        elif what == 1:
            self._click(inspect.hover)
        elif what == 2:
            self._click(self._some(form.views.values()))
        elif what == 3:
            self._pick(self._some([form.eye, form.student, form.teacher, form.region, form.edges]))
        else:
            self._click(inspect.bar.stop)

    def do_measure(self) -> None:
        measure = self.panel(MeasureWidget)
        if measure is None:
            return
        self._pick(self._some([measure.labels, measure.model]))
        self._click(self._some([measure.go, measure.go, measure.per_plane, measure.exclude_border, measure.bar.stop]))

    def do_evaluate(self) -> None:
        evaluate = self.panel(EvaluateWidget)
        if evaluate is None:
            return
        self._pick(self._some([evaluate.labels, evaluate.reference]))
        self._click(self._some([evaluate.go, evaluate.per_plane, evaluate.bar.stop]))

    def do_distill(self) -> None:
        distill = self.panel(DistillWidget)
        if distill is None:
            return
        distill.runs.setText(str(self.folder / "runs"))
        what = self.rng.integers(4)
        if what == 0:
            distill.form.set_value(_QUICK)
            self._click(distill.distill)
        elif what == 1:
            self._click(distill.bar.stop)
        elif what == 2:
            self._pick(distill.teacher.models)
        else:
            self._click(distill.form.advanced.findChild(QPushButton))

    def do_row(self) -> None:
        table = next(
            (docked for docked in self.viewer.window.dock_widgets.values() if hasattr(docked, "scatter")), None
        )
        if table is not None and table.view.model().rowCount():
            table.view.selectRow(int(self.rng.integers(table.view.model().rowCount())))
            table.view.horizontalHeader().sectionClicked.emit(int(self.rng.integers(table.view.model().columnCount())))
            self._click(self._some([table.histogram, table.scatter.points]))

    def do_remove_result(self) -> None:
        layer = self._some(layer for layer in self.viewer.layers if made_by(layer))
        if layer is not None:
            self.viewer.layers.remove(layer)

    # The end

    def _undo_all(self, correct: CorrectWidget) -> None:
        """Undo everything in Correct, and compare with the beginning."""
        session = correct.toolbox.session
        if session is None:
            return
        session.take_painted()
        for _ in range(1000):
            if session.corrections.undoable is None:
                break
            correct.toolbox.undo()
        else:
            self.problems.append("Undo has no end.")
        if correct.toolbox.session is not session:
            return
        self.undone += 1
        if len(session.corrections):
            self.problems.append(f"{len(session.corrections)} corrections are left after everything was undone.")
        if not np.array_equal(session.editor.labels, session.context.labels):
            self.problems.append("Labels differ from those at the beginning after everything was undone.")
        data = session.layer.data[0] if session.layer.multiscale else session.layer.data
        if not np.array_equal(np.asarray(data).reshape(session.target.shape), session.context.labels):
            self.problems.append("The layer differs from the beginning after everything was undone.")

    def end(self) -> None:
        """Undo everything, close all docks, and see what is left."""
        correct = self.panel(CorrectWidget)
        if correct is not None:
            self._undo_all(correct)
        for panel in list(self.viewer.window.dock_widgets.values()):
            self.viewer.window.remove_dock_widget(panel)
        stop_all(30)
        end = time.monotonic() + 20
        while any(thread.name == "grd-live" for thread in threading.enumerate()):
            QApplication.processEvents()
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
            time.sleep(0.01)
            if time.monotonic() > end:
                self.problems.append("Live runs after its dock was closed.")
                break
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        left = [len(self._callbacks(kind)) for kind in ("move", "drag", "wheel")]
        if left != self._following:
            self.problems.append(f"The mouse is followed by {left} functions, {self._following} at the beginning.")


@contextmanager
def without_dialogs(folder: Path) -> Iterator[None]:
    """Dialogs are cancelled at once, and files of corrections go into a folder."""
    asked = {
        name: getattr(QFileDialog, name) for name in ("getSaveFileName", "getOpenFileName", "getExistingDirectory")
    }
    question, data = QMessageBox.question, storage.user_data_path
    for name in asked:
        setattr(QFileDialog, name, staticmethod(lambda *_a, _name=name, **_k: "" if "Exist" in _name else ("", "")))
    QMessageBox.question = staticmethod(lambda *_a, **_k: QMessageBox.StandardButton.No)
    storage.user_data_path = lambda *_a, **_k: folder
    try:
        yield
    finally:
        for name, function in asked.items():
            setattr(QFileDialog, name, function)
        QMessageBox.question, storage.user_data_path = question, data


def play(
    viewer: Any,
    seed: int,
    models: dict[str, Model],
    folder: Path,
    actions: int = ACTIONS,
    log: TextIO | None = None,
) -> list[str]:
    """A session with the actions of a seed; the problems that were found.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        An empty window.
    seed : int
    models : dict of str to Model
    folder : Path
        For files.
    actions : int
        How many.
    log : file, optional
        For the names of all actions.
    """
    gc.collect()
    gc.freeze()  # napari collects garbage whenever a layer goes: without walks through what was imported
    with without_dialogs(folder):
        session = RandomSession(viewer, seed, models, folder)
        session.log = log
        for _ in range(actions):
            session.act()
            if session.problems:
                break
        if not session.problems:
            session.end()
    where = f" (seed {seed}, action {len(session.done)}, after {', '.join(session.done[-6:])})"
    return [problem + where for problem in session.problems]


def main(
    seeds: Annotated[int, typer.Option(help="number of sessions")] = 200,
    first: Annotated[int, typer.Option(help="first seed")] = 0,
    actions: Annotated[int, typer.Option(help="actions in each")] = ACTIONS,
    log: Annotated[Path, typer.Option(help="file for the names of all actions")] = Path(os.devnull),
) -> None:
    """Print what each session found."""
    faulthandler.enable()
    print(hardware(), "\n", flush=True)
    models, errors, failed = untrained(), [], 0
    sys.excepthook = lambda kind, error, trace: errors.append((kind, error, trace))
    threading.excepthook = lambda args: errors.append((args.exc_type, args.exc_value, args.exc_traceback))
    for seed in range(first, first + seeds):
        start = time.monotonic()
        with TemporaryDirectory() as folder:
            viewer = napari.Viewer()
            with log.open("a") as names:
                names.write(f"seed {seed}\n")
                try:
                    problems = play(viewer, seed, models, Path(folder), actions, names)
                except Exception as error:  # of one of the calls of a session
                    problems = ["".join(traceback.format_exception(error))]
            try:
                viewer.close()
            except RuntimeError:  # of a window that has gone already
                pass
            except Exception as error:
                problems.append("".join(traceback.format_exception(error)))
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        for kind, error, trace in errors:
            problems.append("".join(traceback.format_exception(kind, error, trace)))
        errors.clear()
        failed += bool(problems)
        print(f"seed {seed}: {time.monotonic() - start:.0f} s", *(problems or ["nothing"]), sep="\n  ", flush=True)
    print(f"\n{seeds} sessions of {actions} actions, {failed} with problems.")
    if failed:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
