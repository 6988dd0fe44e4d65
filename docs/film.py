"""Short films of correcting and of learning, for the documentation.

    GRD_DATA=... python tests/with_display.py python docs/film.py [correcting learning]

``docs/images/correcting.gif``: two nuclei that the student took for one are cut along the border that people drew,
right ones are accepted, and the next uncertain one is shown.

``docs/images/learning.gif``: yeast in phase contrast, on which the built-in `cells` was not trained. Fifteen cells are
drawn as in the reference, a model learns from them, and segments a later frame live. The frames are from YeastVision
(North Carolina State University, 2022, BSD-3-Clause).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from qtpy.QtTest import QTest
from scipy import ndimage
from screenshots import Field, dock, idle, measured, press, read_field, to_correct, wait_until, window
from tifffile import imwrite

import napari_grd as grd
from napari_grd._napari.correct.tool_descriptions import KINDS
from napari_grd._napari.worker import stop_all
from napari_grd.corrections.kinds import SplitLine
from napari_grd.corrections.tools import ToolPreview
from napari_grd.io.atomic import atomic_path

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from common import load
from learn import drawn

START = "cells"
SIZE = (640, 420)  # of a frame
SECONDS = 1.6  # that a frame stays
NEAR, WIDE = 5.0, 0.74  # screen pixels an image pixel
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class YeastFilm:
    """A frame of a film with the cells that were found in it, and a later frame."""

    image: Array
    labels: Array
    later: Array


def correcting(viewer: Any, field: Field) -> Iterator[str]:
    """One frame a caption."""
    folder, _, labels, widget = to_correct(viewer, field)
    labels.contour = 2
    toolbox = widget.toolbox
    line = border(np.asarray(labels.data), field.labels)
    viewer.scene.camera.center = tuple(np.mean(line, axis=0))
    viewer.scene.camera.zoom = NEAR
    yield "The student took two nuclei for one."

    press(widget, "Split  C")
    preview = toolbox.controller.preview
    for share in (0.35, 0.7, 1.0):
        end = tuple(np.asarray(line[0]) + share * np.subtract(line[1], line[0]))
        preview.show(ToolPreview(line=(line[0], end)), (), KINDS["cut"].color)
        yield "Split: drag along the border."
    preview.clear()
    toolbox.apply([SplitLine([line[0], line[1]])])
    yield "Two nuclei. All others are as they were."

    press(widget, "Accept  A")
    middle = np.mean(line, axis=0)
    objects = sorted(measured(np.asarray(labels.data)).values(), key=lambda one: float(np.hypot(*(one.pixel - middle))))
    for one in objects[:3]:
        toolbox.apply([one])
        yield "Accept: click what is right. Three or more, and the student can learn them."

    toolbox.review.go_on()
    wait_until(lambda: toolbox.review.next.isEnabled() and not toolbox.review.reason.isHidden())
    viewer.scene.camera.zoom = NEAR
    yield "N: on to the next one that the student is unsure of."
    press(widget, "Done")
    folder.cleanup()


def learning(viewer: Any, film: YeastFilm) -> Iterator[str]:
    """One frame a caption: from an image without labels to a model that segments another one live."""
    folder = tempfile.TemporaryDirectory(prefix="napari-grd-")
    imwrite(Path(folder.name) / "yeast.tif", film.image)
    (layer,) = viewer.open(Path(folder.name) / "yeast.tif", plugin="napari")
    layer.contrast_limits = limits(film.image)
    start = viewer.add_labels(grd.segment(START, film.image), name="cells")
    viewer.scene.camera.zoom = WIDE
    yield f"An image of a kind that the built-in model {START} was not trained on."

    viewer.layers.remove(start)
    widget = dock(viewer, "Correct")
    widget.form.model.set_name(START)
    press(widget, "Draw objects")
    wait_until(lambda: widget.toolbox.session is not None and idle(widget))
    corrections, _ = drawn(film.image, film.labels, "yx")
    draws = [one for one in corrections if one.draws]
    for count in (1, 5, 15):
        widget.toolbox.apply(draws[len(np.unique(widget.toolbox.session.layer.data)) - 1 : count])
        yield f"Draw some cells where there are no labels: {count} of 15."
    widget.toolbox.apply([one for one in corrections if not one.draws])
    yield "Some strokes with a large brush tell what is background."

    learn = widget.toolbox.learn
    learn.best.setChecked(False)  # from the model of the first picture
    began = time.monotonic()
    press(widget, "Learn")
    wait_until(lambda: learn._preview is not None or learn._running is None)
    yield f"Learn: the first improved labels, after {time.monotonic() - began:.0f} s."
    wait_until(lambda: learn._running is None and idle(widget))
    yield f"What was learned, after {time.monotonic() - began:.0f} s on two processor cores."

    press(widget, "Keep")
    wait_until(lambda: idle(widget))
    kept = widget.form.model.name()
    press(widget, "Done")
    folder.cleanup()
    viewer.layers.clear()
    layer = viewer.add_image(film.later, name="yeast, later frame", contrast_limits=limits(film.later))
    viewer.fit_to_view()
    viewer.scene.camera.zoom = WIDE
    yield "A later frame of the film, of which nothing was drawn."
    live = dock(viewer, "Live")
    live.form.image.set_layer(layer)
    live.form.model.set_name(kept)
    press(live, "Live")
    wait_until(lambda: "instances" in live.readout.text())
    QTest.qWait(4000)
    yield "The model segments it live."
    press(live, "Live")


def limits(image: Array) -> list[float]:
    """Contrast limits of a picture."""
    return [float(value) for value in np.percentile(image, (0.5, 99.8))]


def border(found: Array, drawn: Array) -> tuple[tuple[float, float], tuple[float, float]]:
    """A line between two nuclei that were drawn and came out as one, a little longer than their border."""
    for number, box in enumerate(ndimage.find_objects(found.astype(int)), start=1):
        inside = np.where(found[box] == number, drawn[box], 0)
        names, areas = np.unique(inside[inside > 0], return_counts=True)
        if len(names) < 2 or np.sort(areas)[-2] < 100:
            continue
        first, second = names[np.argsort(areas)[-2:]]
        contact = ndimage.binary_dilation(inside == first, iterations=2) & ndimage.binary_dilation(
            inside == second, iterations=2
        )
        points = np.argwhere(contact) + [side.start for side in box]
        center = points.mean(axis=0)
        along = np.linalg.svd(points - center, full_matrices=False)[2][0]
        reach = np.abs((points - center) @ along).max() + 4
        start, end = center - reach * along, center + reach * along
        return (float(start[0]), float(start[1])), (float(end[0]), float(end[1]))
    raise LookupError("The student merged no two nuclei of this image: choose another field.")


def frame(pixels: Array, caption: str) -> Picture.Image:
    """The middle of the canvas, with a caption below."""
    height, width = pixels.shape[:2]
    top, left = (height - SIZE[1]) // 2, (width - SIZE[0]) // 2
    picture = Picture.fromarray(pixels).convert("RGB").crop((left, top, left + SIZE[0], top + SIZE[1]))
    whole = Picture.new("RGB", (SIZE[0], SIZE[1] + 36), "#262930")
    whole.paste(picture, (0, 0))
    ImageDraw.Draw(whole).text((12, SIZE[1] + 8), caption, "white", ImageFont.load_default(16))
    return whole.quantize(64, method=Picture.Quantize.MEDIANCUT, dither=Picture.Dither.NONE)


def read_film() -> YeastFilm:
    """Early and late frames, of which the latter are validation images."""
    data = load("yeastvision_phase")
    return YeastFilm(*data.train[1], data.validation[0][0])


FILMS: dict[str, tuple[Callable[[], Any], Callable[[Any, Any], Iterator[str]]]] = {
    "correcting": (read_field, correcting),
    "learning": (read_film, learning),
}


def main() -> None:
    """Take the films that are asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", nargs="*", choices=[*FILMS, []], help="default: all")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="folder of the films")
    arguments = parser.parse_args()
    for name in arguments.films or FILMS:
        take(name, arguments.out / f"{name}.gif")


def take(name: str, path: Path) -> None:
    """Take a film."""
    read, story = FILMS[name]
    frames: list[Picture.Image] = []

    def scene(viewer: Any, subject: Any) -> Iterator[None]:
        for caption in story(viewer, subject):
            QTest.qWait(700)  # the last drawing
            frames.append(frame(viewer.window.screenshot(flash=False, canvas_only=True), caption))
        yield

    with window(read(), scene):
        stop_all()
    with atomic_path(path) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=frames[1:], duration=round(1000 * SECONDS), loop=0
        )
    print(path, f"{path.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
