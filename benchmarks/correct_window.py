"""How long until a person sees what a tool means, and what it did?

    GRD_DATA=... python tests/with_display.py python benchmarks/correct_window.py

Drives a real napari window: a mosaic of bbbc039_nuclei of 1024 x 1024 pixels,
segmented by the built-in nuclei student and context in Correct. Real mouse
events go to the canvas. What is timed begins when the mouse moves or its
button is let go, and ends when the canvas has been drawn with the new outline
or the new labels. Every tool is undone before the next.
"""

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import napari
import numpy as np
import typer
from napari.layers import Layer
from qtpy.QtCore import QEvent, QPoint, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy.ndimage import distance_transform_edt, find_objects, maximum_position
from tifffile import imwrite

import napari_grd as grd
from napari_grd._napari.correct.tool_descriptions import Tool
from reporting import hardware, table
from segment import mosaic

SIZE = 1024
STROKE = 12  # pixels; what is shorter is taken for a click
LIMIT = 30.0  # seconds; what takes longer is an error
Point = tuple[float, float]
NONE, LEFT = Qt.MouseButton.NoButton, Qt.MouseButton.LeftButton
PLAIN, ALT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier,
)


class Window:
    """A napari with Correct open on labels, and a hand on the mouse."""

    def __init__(self, image: Path, labels: np.ndarray) -> None:
        self.viewer = napari.Viewer()
        self.viewer.open(image, plugin="napari")
        self.layer = self.viewer.add_labels(labels, name="nuclei")
        _, self.widget = self.viewer.window.add_plugin_dock_widget("napari-grd", "Correct")
        self.canvas = self.viewer.window._qt_viewer.canvas.native
        self.drawn = 0
        self.viewer.window._qt_viewer.canvas._scene_canvas.events.draw.connect(self._on_draw)
        self.viewer.window._qt_window.resize(1500, 950)
        self.widget.form.model.set_name("nuclei")
        self.widget.start.click()
        self.until(lambda: self.widget.toolbox.session is not None)
        self.until(lambda: self.widget.toolbox.session.context.predictions.of(()) is not None)
        self.until(self.widget.bar.isHidden)
        self.viewer.fit_to_view()
        self.rest(1.0)

    def _on_draw(self, _event: Any) -> None:
        self.drawn += 1

    def until(self, true: Callable[[], bool]) -> None:
        """Run the event loop until something is true."""
        end = time.perf_counter() + LIMIT
        while not true():
            QApplication.processEvents()
            if time.perf_counter() > end:
                raise TimeoutError(self.widget.message.text() or "Nothing happened.")
            time.sleep(0.0005)

    def rest(self, seconds: float) -> None:
        """Run the event loop for a while."""
        end = time.perf_counter() + seconds
        self.until(lambda: time.perf_counter() > end)

    def drawn_after(self, layer: Layer, act: Callable[[], None]) -> float:
        """Milliseconds from an action until a layer has got new data, and these were drawn."""
        renewed: list[object] = []
        layer.events.set_data.connect(renewed.append)
        start = time.perf_counter()
        act()
        self.until(lambda: bool(renewed))
        drawn = self.drawn
        self.until(lambda: self.drawn > drawn)
        took = 1000 * (time.perf_counter() - start)
        layer.events.set_data.disconnect(renewed.append)
        return took

    def send(self, kind: Any, point: Point, button: Any, buttons: Any, keys: Any = PLAIN) -> None:
        """A mouse event at a pixel of the image."""
        camera = self.viewer.scene.camera
        y, x = (np.array(point) - camera.center[-2:]) * camera.zoom + np.array(self.viewer.canvas.size) / 2
        seen = QPointF(self.canvas.mapToGlobal(QPoint(int(x), int(y))))
        QApplication.sendEvent(self.canvas, QMouseEvent(kind, QPointF(x, y), seen, button, buttons, keys))

    def hover(self, point: Point) -> None:
        """Move without a button."""
        self.send(QEvent.Type.MouseMove, point, NONE, NONE)

    def press(self, points: list[Point], keys: Any = PLAIN) -> None:
        """Press at the first point, and move over the others."""
        self.hover(points[0])
        self.rest(0.1)
        self.send(QEvent.Type.MouseButtonPress, points[0], LEFT, LEFT, keys)
        for point in points[1:]:
            self.send(QEvent.Type.MouseMove, point, NONE, LEFT, keys)
            self.rest(0.02)

    def let_go(self, point: Point, keys: Any = PLAIN) -> None:
        """Release the button."""
        self.send(QEvent.Type.MouseButtonRelease, point, LEFT, NONE, keys)

    def click(self, point: Point, keys: Any = PLAIN) -> None:
        """Press and release, untimed."""
        self.press([point], keys)
        self.let_go(point, keys)

    def tool(self, points: list[Point], keys: Any = PLAIN) -> float:
        """Milliseconds from the release of a click or stroke to its labels on the screen."""
        self.press(points, keys)
        return self.drawn_after(self.layer, lambda: self.let_go(points[-1], keys))

    def undo(self) -> float:
        """Milliseconds from Ctrl+Z to the labels before on the screen."""
        return self.drawn_after(self.layer, lambda: QTest.keyClick(self.canvas, Qt.Key.Key_Z, CTRL))


def hovers(window: Window, places: np.ndarray, rng: np.random.Generator, rounds: int) -> list[float]:
    """From object to object, with Pick in hand."""
    window.widget.toolbox.controller.take(Tool.PICK)
    window.hover(places[0])
    preview = window.widget.toolbox.controller.preview
    window.until(lambda: preview.layer is not None)
    times = []
    for _ in range(rounds):
        window.rest(0.1)
        times.append(window.drawn_after(preview.layer, partial(window.hover, rng.choice(places))))
    return times


def gestures(window: Window, places: np.ndarray, boxes: list[Any], rng: np.random.Generator) -> dict[str, float]:
    """Milliseconds of one tool of each kind, on some object and its neighbor, each undone."""
    number = int(rng.integers(len(places)))
    (y, x), (rows, columns) = places[number], boxes[number]
    apart = np.abs(places - places[number]).sum(axis=1)
    near = places[np.argmin(np.where(apart > STROKE, apart, np.inf))]
    half = (columns.stop - columns.start) / 4
    ends = [(y, x - half), (y, x + half)]
    take = window.widget.toolbox.controller.take
    times = {}

    def made(name: str, points: list[Point], keys: Any = PLAIN) -> None:
        times[name] = window.tool(points, keys)
        window.rest(0.1)
        times["undo"] = window.undo()
        window.rest(0.1)

    take(Tool.MERGE)
    made("join, a stroke", [tuple(step) for step in np.linspace((y, x), near, 6)])
    take(Tool.SPLIT)
    made("cut, a stroke", [(step, x) for step in np.linspace(rows.start - 2, rows.stop + 1, 6)])
    window.click(ends[0])
    made("cut, the second of two clicks", ends[1:])
    take(Tool.PICK)
    made("remove, Alt and click", [(y, x)], ALT)
    return times


def main(
    data: Annotated[Path, typer.Option(envvar="GRD_DATA", help="folder that holds bbbc039_nuclei")],
    rounds: Annotated[int, typer.Option(help="gestures of each kind")] = 12,
) -> None:
    """Print the table."""
    print(hardware(), "\n", flush=True)
    image = mosaic(data / "bbbc039_nuclei", SIZE).image
    labels = grd.segment(grd.load_model("nuclei"), image)
    boxes = find_objects(labels)
    depth = distance_transform_edt(labels > 0)
    numbers = [number for number, box in enumerate(boxes, 1) if box is not None and labels[box].size >= 200]
    boxes = [boxes[number - 1] for number in numbers]
    places = np.array(maximum_position(depth, labels, numbers), float)
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        imwrite(Path(folder) / "mosaic.tif", image)
        window = Window(Path(folder) / "mosaic.tif", labels)
        print(f"{len(places)} objects; canvas {tuple(int(side) for side in window.viewer.canvas.size)}.\n", flush=True)
        hovers(window, places, rng, 3)  # compiles
        gestures(window, places, boxes, rng)
        times["hover, until the outline is drawn"] = hovers(window, places, rng, 4 * rounds)
        for _ in range(rounds):
            for name, took in gestures(window, places, boxes, rng).items():
                times[f"{name}, until labels are drawn"].append(took)
        window.widget.end()
        window.viewer.close()
    rows = [
        [name, len(each), statistics.median(each), float(np.quantile(each, 0.95)), max(each)]
        for name, each in times.items()
    ]
    print(table(["in a window", "times", "median ms", "p95 ms", "max ms"], rows))


if __name__ == "__main__":
    typer.run(main)
