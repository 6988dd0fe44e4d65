"""How many actions does somebody need who opens the window for the first time, and is the result right?

    GRD_DATA=... python tests/with_display.py python benchmarks/newcomer.py

A script with a mouse and a keyboard, and nothing else, drops a phase contrast
image (usiigaci_phase, the first validation image with errors of all these kinds) on a real
napari window, lets Live segment it with the model that the window suggests,
merges two pieces, splits an object, draws three cells, lets the model learn
from that, saves the labels, and opens them again in another window. Each click,
stroke, shortcut, typed name and dropped file is an action. The places are those
of the worst errors by the manual labels, as a person would see them.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import napari
import numpy as np
import typer
from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QLineEdit, QScrollArea, QWidget
from scipy.ndimage import binary_erosion, distance_transform_edt
from skimage.measure import approximate_polygon, find_contours
from tifffile import imwrite

import napari_grd as grd
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from reporting import hardware, table

Labels = np.ndarray[Any, Any]
Point = tuple[float, float]

MOST = 40  # actions
DRAWN = 3  # cells
LIMIT = 400.0  # seconds; what takes longer is a dead end
_NONE, _LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
_PLAIN = Qt.KeyboardModifier.NoModifier
_COVERED, _MISSED = 0.6, 0.1  # share of a cell by which one object has it; by which it counts as missed


@dataclass
class Newcomer:
    """A mouse and a keyboard at the window of a viewer.

    Attributes
    ----------
    actions : list of str
        What was done so far.
    """

    viewer: Any
    actions: list[str] = field(default_factory=list)

    @property
    def _canvas(self) -> QWidget:
        return self.viewer.window._qt_viewer.canvas.native

    def drop(self, path: Path) -> None:
        """Drop a file on the canvas."""
        self.actions.append(f"drop {path.name}")
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        copy, target = Qt.DropAction.CopyAction, self.viewer.window._qt_viewer
        QApplication.sendEvent(target, QDragEnterEvent(QPoint(50, 50), copy, mime, _LEFT, _PLAIN))
        QApplication.sendEvent(target, QDropEvent(QPointF(50, 50), copy, mime, _LEFT, _PLAIN))
        rest(0.1)

    def menu(self, *names: str) -> None:
        """Open a menu of the window and go to one of its entries: a click for each name."""
        place: QWidget = self.viewer.window._qt_window.menuBar()
        for name in names:
            self.actions.append(f"menu {name}")
            (action,) = [each for each in place.actions() if each.text().replace("&", "") == name]
            QTest.mouseClick(place, _LEFT, pos=place.actionGeometry(action).center())
            place = action.menu() or place
        rest(0.1)

    def panel(self, kind: str) -> Any:
        """The widget of ours that is open under a name."""
        (panel,) = [
            docked for docked in self.viewer.window.dock_widgets.values() if type(docked).__name__ == f"{kind}Widget"
        ]
        return panel

    def click(self, part: Any) -> None:
        """Click a button, or the box of a check box."""
        self.actions.append(f"click {part.text()}")
        until(lambda: part.isVisible() and part.isEnabled(), part.text())
        around = part.parentWidget()
        while around is not None and not isinstance(around, QScrollArea):
            around = around.parentWidget()
        if around is not None:  # a turn of the wheel
            around.ensureWidgetVisible(part)
        at = part.rect().center()
        if part.isCheckable() and not hasattr(part, "setDefault"):
            at.setX(8)
        QTest.mouseClick(part, _LEFT, pos=at)
        rest(0.05)

    def key(self, key: Any) -> None:
        """Press a key over the canvas."""
        self.actions.append(f"key {Qt.Key(key).name.removeprefix('Key_')}")
        QTest.keyClick(self._canvas, key)
        rest(0.05)

    def stroke(self, points: list[Point]) -> None:
        """Draw from pixel to pixel of the image, or click one."""
        self.actions.append("click in the image" if len(points) == 1 else "stroke")
        self._mouse(QEvent.Type.MouseMove, points[0], _NONE, _NONE)
        rest(0.1)
        self._mouse(QEvent.Type.MouseButtonPress, points[0], _LEFT, _LEFT)
        for point in points[1:]:
            self._mouse(QEvent.Type.MouseMove, point, _NONE, _LEFT)
        self._mouse(QEvent.Type.MouseButtonRelease, points[-1], _LEFT, _NONE)
        rest(0.2)

    def save_as(self, path: Path) -> None:
        """Save the selected layer: two clicks in the menu, a name, a click."""
        asked: list[QFileDialog] = []

        def answer() -> None:
            dialog = QApplication.activeModalWidget()
            if not isinstance(dialog, QFileDialog):
                QTimer.singleShot(50, answer)
                return
            asked.append(dialog)
            line = dialog.findChild(QLineEdit)
            line.selectAll()
            QTest.keyClicks(line, str(path))
            QTimer.singleShot(300, confirm)

        def confirm() -> None:
            # A list of names that begin like this may be open: it takes the first click.
            if QApplication.activeModalWidget() is asked[0]:
                buttons = asked[0].findChild(QDialogButtonBox)
                (save,) = [
                    each for each in buttons.buttons() if buttons.buttonRole(each) == buttons.ButtonRole.AcceptRole
                ]
                QTest.mouseClick(save, _LEFT)
                QTimer.singleShot(300, confirm)

        QTimer.singleShot(50, answer)
        self.menu("File", "Save Selected Layers...")
        self.actions += [f"type {path.name}", "click Save"]
        until(lambda: bool(asked), "the dialog to save")

    def _mouse(self, kind: Any, point: Point, button: Any, buttons: Any) -> None:
        camera = self.viewer.scene.camera
        y, x = (np.array(point) - camera.center[-2:]) * camera.zoom + np.array(self.viewer.canvas.size) / 2
        seen = QPointF(self._canvas.mapToGlobal(QPoint(int(x), int(y))))
        QApplication.sendEvent(self._canvas, QMouseEvent(kind, QPointF(x, y), seen, button, buttons, _PLAIN))
        QApplication.processEvents()


def rest(seconds: float) -> None:
    """Let napari go on."""
    end = time.monotonic() + seconds
    until(lambda: time.monotonic() > end, "the time")


def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something; a newcomer would give up at some time."""
    end = time.monotonic() + LIMIT
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"A dead end: {what} never came.")
        QApplication.processEvents()
        time.sleep(0.01)


@dataclass(frozen=True)
class Errors:
    """What is wrong in labels, as pixels to click and strokes to draw.

    Attributes
    ----------
    merge : (Point, Point)
        Pixels of two objects that are pieces of one cell.
    split : (Point, Point)
        Pixels of two cells that are one object.
    draw : list of list of Point
        Outlines of cells that were missed.
    """

    merge: tuple[Point, Point]
    split: tuple[Point, Point]
    draw: list[list[Point]]

    @classmethod
    def of(cls, labels: Labels, truth: Labels) -> "Errors":
        """Compare labels with the truth."""
        pixels = np.zeros((int(truth.max()) + 1, int(labels.max()) + 1), int)
        np.add.at(pixels, (truth.ravel(), labels.ravel()), 1)
        sizes = pixels.sum(axis=1)
        several, both, missed = [], [], []
        for cell in np.flatnonzero(sizes[1:]) + 1:
            parts = pixels[cell, 1:]
            strong = np.argsort(parts)[::-1][:2] + 1
            inside = pixels[cell, strong] / np.maximum(pixels[1:, strong].sum(axis=0), 1)
            if len(strong) == 2 and pixels[cell, strong[1]] and (inside > _COVERED).all():
                several.append((pixels[cell, strong[1]], cell, strong))
            if parts.sum() < _MISSED * sizes[cell]:
                missed.append((sizes[cell], cell))
        for number in range(1, pixels.shape[1]):
            cells = np.flatnonzero(pixels[1:, number] > _COVERED * np.maximum(sizes[1:], 1)) + 1
            if len(cells) >= 2:
                both.append((-len(cells), pixels[cells, number].min(), cells[:2], number))
        if not several or not both or len(missed) < DRAWN:
            raise ValueError(f"{len(several)} cells in pieces, {len(both)} merged, {len(missed)} missed: too few.")
        _, cell, pieces = max(several, key=lambda each: each[0])
        *_, cells, number = max(both, key=lambda each: each[:2])
        return cls(
            (_middle((labels == pieces[0]) & (truth == cell)), _middle((labels == pieces[1]) & (truth == cell))),
            (_middle((labels == number) & (truth == cells[0])), _middle((labels == number) & (truth == cells[1]))),
            [_outline(truth == cell) for _, cell in sorted(missed, reverse=True)[:DRAWN]],
        )


def _middle(mask: Labels) -> Point:
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), mask.shape)
    return float(y), float(x)


def _outline(mask: Labels, brush: float = 2.0) -> list[Point]:
    """A stroke of a small brush along the outline of a cell, inside of it."""
    inner = binary_erosion(mask, iterations=round(brush / 2))
    ring = max(find_contours(np.pad(inner if inner.any() else mask, 1).astype(float), 0.5), key=len) - 1
    ring = approximate_polygon(ring, 0.7)
    return [(float(y), float(x)) for y, x in [*ring, ring[0]]]


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes
    ----------
    model : str
        The model that the window suggested.
    actions : list of str
        What was done, in all windows.
    segmented, corrected, reopened : array
        Labels of the model, with the corrections, and from the saved file in another window.
    errors : Errors
        What was corrected.
    learned : str
        What the panel said after learning.
    seconds : float
        From the image to the end.
    """

    model: str
    actions: list[str]
    segmented: Labels
    corrected: Labels
    reopened: Labels
    errors: Errors
    learned: str
    seconds: float


def work(
    viewer: Any,
    open_another: Callable[[], Any],
    image: Path,
    truth: Callable[[Labels], Labels],
    prepare: Callable[[Any], object] = lambda _panel: None,
) -> Outcome:
    """Do all of it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        An empty window.
    open_another : callable
        Opens a window, in which the saved labels are dropped.
    image : Path
        The image.
    truth : callable
        Returns the true labels, when the labels of the model are given.
    prepare : callable
        Called with the panel of Learn before it is used.
    """
    start = time.perf_counter()
    hand = Newcomer(viewer)
    viewer.window._qt_window.resize(1400, 900)
    viewer.window._qt_window.show()
    rest(0.2)
    hand.drop(image)
    until(lambda: len(viewer.layers) == 1, "the image")
    hand.menu("Plugins", "GRD", "Live (GRD)")
    live = hand.panel("Live")
    hand.click(live.live)
    until(lambda: "instance" in live.readout.text(), "Live")
    model = live.form.model.name()
    hand.menu("Plugins", "GRD", "Correct (GRD)")
    correct = hand.panel("Correct")
    hand.click(correct.start)
    until(lambda: correct.toolbox.session is not None and correct.bar.isHidden(), "the tools")
    layer = correct.toolbox.session.layer
    segmented = layer.data.copy()
    errors = Errors.of(segmented, truth(segmented))
    hand.key(Qt.Key.Key_J)
    hand.stroke([errors.merge[0], *np.linspace(*errors.merge, 5).tolist(), errors.merge[1]])
    hand.key(Qt.Key.Key_C)
    for place in errors.split:
        hand.stroke([place])
    hand.key(Qt.Key.Key_D)
    for _ in range(4):
        hand.key(Qt.Key.Key_BracketLeft)  # a smaller brush
    for outline in errors.draw:
        hand.stroke(outline)
    learn = correct.toolbox.learn
    prepare(learn)
    hand.click(learn.start)
    until(lambda: learn._running is None, "what was learned")
    learned = correct.message.text() or learn.scores.text()
    if learn.choice.isVisible():
        hand.click(learn.keep)
        until(correct.bar.isHidden, "the new prediction")
    corrected = layer.data.copy()
    hand.click(correct.start)  # Done
    saved = image.with_name("corrected.ome.tif")
    hand.save_as(saved)
    until(saved.exists, "the saved file")
    until(lambda: "Saving" not in viewer.status, "the saved file")
    other = Newcomer(open_another(), hand.actions)
    other.drop(saved)
    until(lambda: len(other.viewer.layers) == 1, "the saved labels")
    reopened = np.asarray(other.viewer.layers[0].data)
    if type(other.viewer.layers[0]).__name__ != "Labels":
        raise TypeError("The saved labels are opened as an image.")
    seconds = time.perf_counter() - start
    return Outcome(model, hand.actions, segmented, corrected, reopened, errors, learned, seconds)


def check(outcome: Outcome) -> list[str]:
    """What is not right; empty if all is."""
    wrong = []
    labels = outcome.corrected

    def at(labels: Labels, point: Point) -> int:
        return int(labels[tuple(round(value) for value in point)])

    (one, other), (first, second) = outcome.errors.merge, outcome.errors.split
    if not at(labels, one) or at(labels, one) != at(labels, other):
        wrong.append("The two pieces are not one object.")
    if at(labels, first) == at(labels, second) or not at(labels, first) * at(labels, second):
        wrong.append("The object is not split.")
    drawn = {at(labels, np.mean(outline, axis=0)) for outline in outcome.errors.draw}
    if len(drawn - {0}) < DRAWN or drawn & set(np.unique(outcome.segmented).tolist()):
        wrong.append("The three cells are not three new objects.")
    if not np.array_equal(outcome.reopened, labels):
        wrong.append("What was opened again are other labels.")
    if len(outcome.actions) > MOST:
        wrong.append(f"It took {len(outcome.actions)} actions.")
    return wrong


def main(
    data: Annotated[Path, typer.Option(envvar="GRD_DATA", help="folder that holds usiigaci_phase")],
    shown: Annotated[bool, typer.Option(help="print every action")] = False,
) -> None:
    """Print the table."""
    print(hardware(), "\n", flush=True)
    folder = data / "usiigaci_phase"
    for path in sorted((folder / "images").iterdir())[::5]:
        image = np.asarray(read_image(path).pixels)
        truth = read_label_image(next((folder / "labels").glob(f"{path.stem}.*")))
        with suppress(ValueError):  # too few errors of one kind
            Errors.of(grd.segment("phase", image), truth)
            break
    with tempfile.TemporaryDirectory() as where:
        part = Path(where) / f"{path.stem}.tif"
        imwrite(part, image)
        outcome = work(napari.Viewer(), napari.Viewer, part, lambda _labels: truth)
    print(f"{path.name}\n")
    rows = []
    for name, found in (("of the model", outcome.segmented), ("corrected, saved, opened again", outcome.reopened)):
        scores = grd.evaluate(truth, found)
        rows.append([name, int(len(np.unique(found)) - 1), scores.ap[0.5], scores.aji])
    print(table([f"{len(np.unique(truth)) - 1} cells; labels", "objects", "AP50", "AJI"], rows, digits=3))
    print(f"\nModel: {outcome.model}. {len(outcome.actions)} actions, {outcome.seconds:.0f} s. {outcome.learned}")
    if shown:
        print("\n".join(outcome.actions))
    print("\n".join(check(outcome)) or "All is right.")
    napari.Viewer.close_all()


if __name__ == "__main__":
    typer.run(main)
