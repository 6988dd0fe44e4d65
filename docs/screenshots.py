"""Pictures of every widget on a real image, for the README and the tutorial.

    GRD_DATA=... python tests/with_display.py python docs/screenshots.py [live correct distill inspect measure evaluate]

Opens napari, docks one widget after another under the name it has in the menu,
presses its button, waits for what comes of it, and writes
``docs/images/<widget>.png``. The field is from BBBC039v1 (Caicedo et al. 2019),
available from the Broad Bioimage Benchmark Collection (Ljosa et al. 2012), CC0;
it is one of those that the built-in model was not trained on.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image, Labels, Layer
from PIL import Image as Picture
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QDockWidget, QScrollArea, QWidget
from tifffile import imwrite

import napari_grd as grd
from napari_grd._napari.correct.tool_descriptions import KINDS
from napari_grd._napari.docks import show_widget
from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.worker import stop_all
from napari_grd.corrections.kinds import Accept, SplitLine
from napari_grd.corrections.region import Region
from napari_grd.corrections.tools import ToolPreview
from napari_grd.io.atomic import atomic_path
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image

FIELD = "IXMtest_H11_s6_w19DF4.tif"
WINDOW = (1400, 900)
LARGEST = 400_000  # bytes of a picture
PATIENCE = 1500  # seconds that a widget may take
LESSONS = 160  # steps of the distillation that is shown, so that its curves have a shape


@dataclass(frozen=True, eq=False)
class Field:
    """A real image with the nuclei that people found in it."""

    image: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]


# Scenes: each ends its first part when the picture can be taken, and its second when it has put everything away.


def live(viewer: Any, field: Field) -> Iterator[None]:
    """Instances where one looks."""
    layer = show(viewer, field)
    widget = dock(viewer, "Live")
    press(widget, "Live")
    wait_until(lambda: "instances" in widget.readout.text())
    zoom(viewer, layer, 1.3)  # what was seen first took the loading of the model too
    QTest.qWait(5000)
    viewer.scene.camera.center = tuple(np.array(viewer.scene.camera.center) + 1)  # a pan, of which the time is shown
    QTest.qWait(5000)
    yield
    press(widget, "Live")


def distill(viewer: Any, field: Field) -> Iterator[None]:
    """Halfway through, with curves and a preview."""
    show(viewer, field)
    widget = dock(viewer, "Distill")
    with tempfile.TemporaryDirectory(prefix="napari-grd-") as runs:
        widget.runs.setText(runs)
        widget.form.set_value(widget.form.value().replace(steps=LESSONS, validate_every=LESSONS // 10))
        press(widget, "Distill")
        wait_until(lambda: len(widget.curves.points.get(("validation", "ap50"), [[]])[0]) >= 5)
        widen(viewer, widget, 470)
        widget.findChild(QScrollArea).ensureWidgetVisible(widget.curves)
        zoom(viewer, viewer.layers["preview: student"], 1)
        yield
        stop_all(60)


def inspect(viewer: Any, field: Field) -> Iterator[None]:
    """Embedding and instance graph, and the slider through the offsets."""
    layer = show(viewer, field)
    widget = dock(viewer, "Inspect")
    for box in widget.form.views.values():
        box.setChecked(True)
    press(widget, "Look inside")
    wait_until(lambda: idle(widget))
    viewer.dims.set_current_step(0, 7)
    zoom(viewer, layer, 1.3)
    yield


def measure(viewer: Any, field: Field) -> Iterator[None]:
    """A row for every object."""
    layer = show(viewer, field)
    viewer.add_labels(field.labels, name="manual nuclei")
    widget = dock(viewer, "Measure")
    press(widget, "Measure")
    wait_until(lambda: idle(widget))
    zoom(viewer, layer, 1.2)
    yield


def evaluate(viewer: Any, field: Field) -> Iterator[None]:
    """What the student got wrong, object by object."""
    layer = show(viewer, field)
    viewer.add_labels(field.labels, name="manual nuclei")
    viewer.add_labels(grd.segment(grd.load_model("nuclei"), field.image), name="student nuclei")
    widget = dock(viewer, "Evaluate")
    press(widget, "Evaluate")
    wait_until(lambda: idle(widget))
    zoom(viewer, layer, 1.2)
    yield


def correct(viewer: Any, field: Field) -> Iterator[None]:
    """Verified objects, a split, and what the next click would pick."""
    folder, layer, labels, widget = to_correct(viewer, field)
    zoom(viewer, layer, 3)
    objects = measured(labels.data)
    middle = np.array(labels.data.shape) / 2
    near = sorted(objects.values(), key=lambda one: float(np.hypot(*(one.pixel - middle))))
    for one in near[2:14]:
        widget.toolbox.apply([one])
    y0, x0, y1, x1 = near[1].region.box
    widget.toolbox.apply([SplitLine([(y0 - 2, (x0 + x1) / 2), (y1 + 1, (x0 + x1) / 2)])])
    widget.toolbox.review.go_on()
    wait_until(lambda: not widget.toolbox.review.reason.isHidden())
    zoom(viewer, layer, 3)
    press(widget, "Pick  K")
    widget.toolbox.controller.preview.show(ToolPreview(near[0].region), (), KINDS["pick"].color)
    viewer.layers.selection.active = labels
    yield
    press(widget, "Done")
    folder.cleanup()


SCENES: dict[str, Callable[[Any, Field], Iterator[None]]] = {
    scene.__name__: scene for scene in (live, correct, distill, inspect, measure, evaluate)
}


# What a person does


def measured(labels: np.ndarray[Any, Any]) -> dict[int, Accept]:
    """Every object as it would be accepted."""
    found = {}
    for number in np.unique(labels[labels > 0]).tolist():
        region = Region.from_mask(labels == number)
        y, x, length = region.runs[len(region.runs) // 2]
        found[number] = Accept((y, x + length // 2), region)
    return found


def to_correct(viewer: Any, field: Field) -> tuple[tempfile.TemporaryDirectory[str], Image, Labels, Any]:
    """The image in a folder of its own, beside which the corrections will lie, its layers, and Correct, begun."""
    folder = tempfile.TemporaryDirectory(prefix="napari-grd-")
    imwrite(Path(folder.name) / "nuclei.tif", field.image)
    (layer,) = viewer.open(Path(folder.name) / "nuclei.tif", plugin="napari")
    layer.contrast_limits = np.percentile(field.image, (0.5, 99.8)).tolist()
    labels = viewer.add_labels(grd.segment(grd.load_model("nuclei"), field.image), name="instances of nuclei")
    widget = dock(viewer, "Correct")
    press(widget, "Correct these labels")
    wait_until(lambda: widget.toolbox.session is not None and idle(widget))
    return folder, layer, labels, widget


def show(viewer: Any, field: Field) -> Image:
    """Drop the image on the window."""
    limits = np.percentile(field.image, (0.5, 99.8)).tolist()
    layer: Image = viewer.add_image(field.image, name="nuclei", contrast_limits=limits)
    return layer


def dock(viewer: Any, name: str) -> Any:
    """Open a widget from the menu."""
    return show_widget(viewer, name)


def press(widget: QWidget, text: str) -> None:
    """Click what has this on it."""
    (button,) = (button for button in widget.findChildren(QAbstractButton) if button.text() == text)
    button.click()


def zoom(viewer: Any, layer: Layer, times: float) -> None:
    """Go near, to the middle of what there is."""
    viewer.fit_to_view()
    viewer.scene.camera.zoom *= times
    viewer.layers.selection.active = layer


def widen(viewer: Any, widget: QWidget, width: int) -> None:
    """Pull at the border of a widget's dock."""
    dock = widget
    while not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    viewer.window._qt_window.resizeDocks([dock], [width], Qt.Orientation.Horizontal)
    QTest.qWait(200)


def idle(widget: QWidget) -> bool:
    """Whether no job of a widget runs."""
    return all(bar.isHidden() for bar in widget.findChildren(JobBar))


def wait_until(ready: Callable[[], bool]) -> None:
    """Let napari go on until something has come of it."""
    end = time.monotonic() + PATIENCE
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("The widget is not ready; start it in napari to see why.")
        QTest.qWait(100)


# The pictures


@contextmanager
def window(field: Field, scene: Callable[[Any, Field], Iterator[None]]) -> Iterator[Any]:
    """A viewer in which a scene has been set."""
    viewer = napari.Viewer()
    viewer.theme = "dark"
    viewer.window.resize(*WINDOW)
    parts = scene(viewer, field)
    try:
        next(parts)
        QTest.qWait(1000)  # the last drawing
        yield viewer
        next(parts, None)
    finally:
        parts.close()
        stop_all()
        viewer.close()


def save(pixels: np.ndarray[Any, Any], path: Path) -> None:
    """Write a picture with few colors, so that it is small."""
    picture = Picture.fromarray(pixels).convert("RGB")
    for colors in (256, 128, 64):
        with atomic_path(path) as temporary:
            # The default method gives a color of few pixels, a legend's say, to a neighbor of another hue.
            few = picture.quantize(colors, method=Picture.Quantize.FASTOCTREE, dither=Picture.Dither.NONE)
            few.save(temporary, format="PNG", optimize=True)
        if path.stat().st_size < LARGEST:
            return


def read_field() -> Field:
    """The field that all pictures show."""
    root = os.environ.get("GRD_DATA")
    if not root:
        sys.exit("Set GRD_DATA to the folder of real images, e.g. GRD_DATA=/data/grd.")
    folder = Path(root) / "bbbc039_nuclei"
    return Field(read_image(folder / "images" / FIELD).pixels, read_label_image(folder / "labels" / FIELD))


def main() -> None:
    """Take the pictures that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("widgets", nargs="*", choices=[*SCENES, []], help="default: all")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="folder of the pictures")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    field = read_field()
    for name in arguments.widgets or SCENES:
        with window(field, SCENES[name]) as viewer:
            save(viewer.window.screenshot(flash=False, canvas_only=False), arguments.out / f"{name}.png")
        print(arguments.out / f"{name}.png", flush=True)


if __name__ == "__main__":
    main()
