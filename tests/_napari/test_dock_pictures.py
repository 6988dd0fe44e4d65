"""Each dock looks as in its picture: a control that is moved or missing is seen, another font is not.

    python tests/with_display.py pytest tests/_napari/test_dock_pictures.py --new-pictures

draws the pictures anew, after a change that was meant.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QWidget
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from napari_grd._napari.correct.widget import CorrectWidget
from napari_grd._napari.distill.widget import DistillWidget
from napari_grd._napari.evaluate.widget import EvaluateWidget
from napari_grd._napari.inspect.widget import InspectWidget
from napari_grd._napari.live.widget import LiveWidget
from napari_grd._napari.measure.widget import MeasureWidget
from napari_grd._napari.panel import dock_of

PICTURES = Path(__file__).parent / "pictures"
WIDGETS = (LiveWidget, CorrectWidget, DistillWidget, InspectWidget, MeasureWidget, EvaluateWidget)
WIDTH = 380  # of a dock, in pixels
ROW = 14  # rows of a picture that a control takes
HALF = 2  # pictures are stored at half the size
BAND, DRIFT = 6, 2  # rows of a picture that are compared at once; rows that a band may be lower or higher than the last
SLACK = 20  # rows that a band may be lower or higher at all
TOLERATED = 0.2  # largest difference, of the contrast of the picture
BESIDE = (5, 13)  # rows and columns of the place in which a pixel is looked for


def picture(panel: Any) -> np.ndarray[Any, Any]:
    """All of a panel, also what is scrolled out of sight, in gray from 0 to 1."""
    column: QWidget = panel.scroll.widget()
    image = column.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    size = (WIDTH // HALF, round(image.height() * WIDTH / image.width()) // HALF)
    drawn = Image.fromarray(rows[:, : image.width()].copy()).resize(size, Image.Resampling.BOX)
    return np.asarray(drawn, np.float32) / 255


def difference(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """How far a picture shows what another one does not, near the same place: 0 to 1, of the contrast.

    Letters are blurred to the bar that they are in any font, and may be a little beside their place. Rows of another
    font are a little higher: each band is compared where it fits best, near the place of the band above it. A control
    that is missing is no drift.
    """
    blurred = [gaussian_filter(each, 2) for each in (one, other)]
    return max(_lacks(*blurred), _lacks(*blurred[::-1])) / (float(np.ptp(blurred[0])) or 1.0)


def _lacks(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """How far pixels of one are brighter or darker than all pixels near their place in the other."""
    low, high = minimum_filter(other, BESIDE), maximum_filter(other, BESIDE)
    offsets = np.arange(-SLACK, SLACK + 1)
    cost = np.where(np.abs(offsets) <= DRIFT, 0.0, np.inf)
    for start in range(0, min(len(one), len(other)) - BAND + 1, BAND):
        here, band = np.full(len(offsets), np.inf), one[start : start + BAND]
        for at, begin in enumerate(start + offsets):
            if 0 <= begin <= len(other) - BAND:
                place = slice(begin, begin + BAND)
                here[at] = np.maximum(band - high[place], low[place] - band).max(initial=0)
        near = [cost[max(0, at - DRIFT) : at + DRIFT + 1].min() for at in range(len(offsets))]
        cost = np.maximum(near, here)
    return float(cost.min())


@pytest.fixture
def window(viewer: Any) -> Any:
    """An image and its labels, as each widget finds them."""
    viewer.theme = "dark"
    viewer.window._qt_window.resize(1400, 950)
    viewer.add_image(np.zeros((64, 64), np.float32), name="cells")
    labels = np.zeros((64, 64), np.uint16)
    labels[8:20, 8:20], labels[30:50, 30:50] = 1, 2
    viewer.add_labels(labels, name="cells manual")
    viewer.window._qt_window.show()
    return viewer


def opened(window: Any, kind: Any, qtbot: Any) -> Any:
    """A widget in a dock, when what it finds out by itself is shown."""
    panel = kind(window)
    window.window.add_dock_widget(panel, area="right")
    if kind is DistillWidget:
        panel._estimate._ask = lambda: None  # the time is another one on every machine
        panel.runs.setText("runs")
        panel.cost.setText("About a minute on this computer")
        panel.student.say("0.30 M parameters, about 80 ms for 512 x 512 pixels on this CPU")
        qtbot.waitUntil(lambda: panel.teacher.config and panel.teacher.options.editors, timeout=20_000)
    if kind is LiveWidget:
        panel._loader._loading.silence()
        panel.form.show_fit("")
    window.window._qt_window.resizeDocks([dock_of(panel)], [WIDTH], Qt.Orientation.Horizontal)
    seen = [picture(panel)]

    def settled() -> bool:
        QTest.qWait(300)
        seen.append(picture(panel))
        return len(seen) > 5 and all(np.array_equal(seen[-1], before) for before in seen[-5:-1])

    qtbot.waitUntil(settled, timeout=20_000)
    return panel


def test_docks_look_as_in_their_pictures(window: Any, request: pytest.FixtureRequest, qtbot: Any) -> None:
    new, found = request.config.getoption("--new-pictures"), {}
    for kind in WIDGETS:
        panel = opened(window, kind, qtbot)
        drawn, path = picture(panel), PICTURES / f"{kind.__name__.removesuffix('Widget').lower()}.png"
        if new:
            PICTURES.mkdir(exist_ok=True)
            Image.fromarray((255 * drawn).astype(np.uint8)).save(path, optimize=True)
        stored = np.asarray(Image.open(path), np.float32) / 255
        found[path.stem] = difference(stored, drawn)
        window.window.remove_dock_widget(panel)
    assert all(value < TOLERATED for value in found.values()), found


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.png")), ids=lambda path: path.stem)
def test_what_is_missing_is_seen_and_what_is_a_little_beside_its_place_is_not(path: Path) -> None:
    stored = np.asarray(Image.open(path), np.float32) / 255
    assert difference(stored, stored) == 0
    assert difference(stored, np.roll(stored, (1, 2), (0, 1))) < TOLERATED
    drawn = np.flatnonzero(np.ptp(stored[:, 2:-2], axis=1) > 0.2)
    low = int(drawn[0])
    missing = np.concatenate([stored[:low], stored[low + ROW :], np.repeat(stored[-1:], ROW, axis=0)])
    assert difference(stored, missing) > TOLERATED, "the first row, and the others have moved up"
    last = int(drawn[drawn < len(stored) - ROW][-1])
    erased = stored.copy()
    erased[last - ROW // 2 : last + 1] = stored[0, 0]
    assert difference(stored, erased) > TOLERATED
