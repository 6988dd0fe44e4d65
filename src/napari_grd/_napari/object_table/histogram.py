"""A column of the table as a histogram; a click on a bar selects an object in it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QWidget

from napari_grd._napari.colors import GRAPHICS, background_of, readable

BAR, CHOSEN = "#56b4e9", "#e69f00"
"""Colors of objects, and of the selected one; by Okabe and Ito, for color-blind people too."""

_BINS = 40
_HEIGHT = 60


class Histogram(QWidget):
    """Bars of the values of a column.

    Parameters
    ----------
    on_click : callable
        Called with the row of an object in the bar that was clicked: of those in it the next one at every click.
    """

    def __init__(self, on_click: Callable[[int], object]) -> None:
        super().__init__()
        self._on_click = on_click
        self._values: NDArray[np.float64] = np.zeros(0)
        self._edges: NDArray[np.float64] = np.zeros(0)
        self.counts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._chosen: int | None = None
        self._last = (-1, -1)  # bar and number of clicks on it
        self.setFixedHeight(_HEIGHT)
        self.setToolTip("Objects by this value. Click a bar to go from one of its objects to the next.")
        self.hide()

    def show_values(self, values: NDArray[Any]) -> None:
        """Show other values, one a row; those that are not finite are left out."""
        self._values, self._chosen, self._last = np.asarray(values, np.float64), None, (-1, -1)
        finite = self._values[np.isfinite(self._values)]
        self.setVisible(len(finite) > 1)
        if len(finite):
            counts, self._edges = np.histogram(finite, bins=min(_BINS, max(1, 2 * int(np.sqrt(len(finite))))))
            self.counts = counts.astype(np.int64)
        else:
            self._edges, self.counts = np.zeros(0), np.zeros(0, np.int64)
        self.update()

    def choose(self, row: int | None) -> None:
        """Mark the bar of a row."""
        self._chosen = None if row is None or row >= len(self._values) else self._bar_of(self._values[row])
        self.update()

    def rows_of(self, bar: int) -> NDArray[np.int64]:
        """The rows of the objects in a bar."""
        inside = np.isfinite(self._values)
        bars = np.full(len(self._values), -1)
        bars[inside] = [self._bar_of(value) for value in self._values[inside]]
        return np.flatnonzero(bars == bar)

    def _bar_of(self, value: float) -> int | None:
        if not np.isfinite(value) or not len(self.counts):
            return None
        return int(np.clip(np.searchsorted(self._edges, value, side="right") - 1, 0, len(self.counts) - 1))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        background = background_of(self)
        plain, chosen = (QColor(readable(color, background, GRAPHICS)) for color in (BAR, CHOSEN))
        width = self.width() / max(1, len(self.counts))
        for bar, count in enumerate(self.counts.tolist()):
            if count:
                height = max(2.0, (self.height() - 2) * count / int(self.counts.max()))
                box = QRectF(bar * width, self.height() - height, max(1.0, width - 1), height)
                painter.fillRect(box, chosen if bar == self._chosen else plain)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not len(self.counts):
            return
        bar = int(np.clip(event.position().x() * len(self.counts) // max(1, self.width()), 0, len(self.counts) - 1))
        rows = self.rows_of(bar)
        if len(rows):
            clicks = self._last[1] + 1 if self._last[0] == bar else 0
            self._on_click(int(rows[clicks % len(rows)]))
            self._last = (bar, clicks)


def summary(heading: str, values: NDArray[Any]) -> str:
    """A column in one line.

    Examples
    --------
    >>> summary("area [px²]", np.array([1.0, 2.0, 9.0, np.nan]))
    'area [px²]: median 2, mean 4, from 1 to 9, 3 objects'
    """
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return f"{heading}: no values"
    middle, mean, low, high = (
        f"{value:.4g}" for value in (np.median(numbers), numbers.mean(), numbers.min(), numbers.max())
    )
    return f"{heading}: median {middle}, mean {mean}, from {low} to {high}, {len(numbers):,} objects"
