"""A short film of correcting, for the tutorial.

    GRD_DATA=... python tests/with_display.py python docs/film.py

Two nuclei that the student took for one are cut along the border that people drew, right ones are accepted, and the
next uncertain one is shown. Writes ``docs/images/correcting.gif``.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from qtpy.QtTest import QTest
from scipy import ndimage
from screenshots import Field, measured, press, read_field, to_correct, wait_until, window

from napari_grd._napari.correct.tool_descriptions import KINDS
from napari_grd._napari.worker import stop_all
from napari_grd.corrections.kinds import SplitLine
from napari_grd.corrections.tools import ToolPreview
from napari_grd.io.atomic import atomic_path

SIZE = (640, 420)  # of a frame
SECONDS = 1.6  # that a frame stays
NEAR = 5.0  # screen pixels an image pixel
Array = np.ndarray[Any, Any]


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


def main() -> None:
    """Take the film."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "images", help="folder of the film")
    path = parser.parse_args().out / "correcting.gif"
    frames: list[Picture.Image] = []

    def scene(viewer: Any, field: Field) -> Iterator[None]:
        for caption in correcting(viewer, field):
            QTest.qWait(700)  # the last drawing
            frames.append(frame(viewer.window.screenshot(flash=False, canvas_only=True), caption))
        yield

    with window(read_field(), scene):
        stop_all()
    with atomic_path(path) as temporary:
        frames[0].save(
            temporary, format="GIF", save_all=True, append_images=frames[1:], duration=round(1000 * SECONDS), loop=0
        )
    print(path, f"{path.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
