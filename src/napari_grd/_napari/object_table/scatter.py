"""Two columns of the table as points; a click on a point selects its object."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QWidget

from napari_grd._napari.colors import GRAPHICS, background_of, readable
from napari_grd._napari.object_table.histogram import BAR, CHOSEN
from napari_grd._napari.panel import row, stack

_HEIGHT = 80
_RADIUS, _MARGIN = 2.5, 5.0
_REACH = 12.0  # pixels from a point at which a click still means it
_MOST = 20_000  # points that are drawn


class Points(QWidget):
    """Objects as points.

    Parameters
    ----------
    on_click : callable
        Called with the row of the object that was clicked.
    """

    def __init__(self, on_click: Callable[[int], object]) -> None:
        super().__init__()
        self._on_click = on_click
        self.rows: NDArray[np.int64] = np.zeros(0, np.int64)
        self._places = np.zeros((0, 2))  # from 0 to 1, of y upward
        self._chosen: int | None = None
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_values(self, across: NDArray[Any], up: NDArray[Any]) -> None:
        """Show other values, one a row; rows with a value that is not finite are left out."""
        values = np.stack([across, up], axis=1).astype(np.float64) if len(across) else np.zeros((0, 2))
        self.rows = np.flatnonzero(np.isfinite(values).all(axis=1))
        values = values[self.rows]
        low, span = (values.min(axis=0), np.ptp(values, axis=0)) if len(values) else (0.0, np.ones(2))
        self._places = np.where(span > 0, (values - low) / np.where(span > 0, span, 1), 0.5)
        self.update()

    def choose(self, row: int | None) -> None:
        """Mark the point of a row."""
        self._chosen = row
        self.update()

    def place_of(self, row: int) -> QPointF:
        """Where the point of a row is drawn."""
        return self._drawn()[int(np.flatnonzero(self.rows == row)[0])]

    def _drawn(self) -> list[QPointF]:
        room = np.array([self.width(), self.height()]) - 2 * _MARGIN
        drawn = _MARGIN + (self._places * (1, -1) + (0, 1)) * room
        return [QPointF(x, y) for x, y in drawn.tolist()]

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        background = background_of(self)
        plain, chosen = (QColor(readable(color, background, GRAPHICS)) for color in (BAR, CHOSEN))
        painter.setPen(QPen(plain, 1))
        painter.drawRect(QRectF(0.5, 0.5, self.width() - 1, self.height() - 1))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(plain)
        drawn = self._drawn()
        for point in drawn[:: 1 + len(drawn) // _MOST]:
            painter.drawEllipse(point, _RADIUS, _RADIUS)
        painter.setBrush(chosen)
        if self._chosen is not None and self._chosen in self.rows:
            painter.drawEllipse(self.place_of(self._chosen), 2 * _RADIUS, 2 * _RADIUS)
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton or not len(self.rows):
            return
        room = np.array([self.width(), self.height()]) - 2 * _MARGIN
        drawn = _MARGIN + (self._places * (1, -1) + (0, 1)) * room
        away = np.hypot(*(drawn - (event.position().x(), event.position().y())).T)
        nearest = int(away.argmin())
        if away[nearest] <= _REACH:
            self._on_click(int(self.rows[nearest]))


class ScatterPlot(QWidget):
    """Points of the described column, and of another one that is chosen above them.

    Parameters
    ----------
    on_click : callable
        Called with the row of the object that was clicked.
    """

    changed = Signal()

    def __init__(self, on_click: Callable[[int], object]) -> None:
        super().__init__()
        self.column = QComboBox()
        self.column.setToolTip(
            "The column that is drawn upward; the one whose heading was clicked last is drawn across."
        )
        self.column.setMinimumContentsLength(8)
        self.column.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.points = Points(on_click)
        self.points.setToolTip("A point for every object. Click one to see its object and row.")
        stack(self, row(QLabel("against"), self.column, stretch=(0, 1)), self.points)
        self.column.currentIndexChanged.connect(lambda _index: self.changed.emit())

    def offer(self, headings: Sequence[str], preferred: tuple[str, ...]) -> None:
        """Offer these columns; the chosen one stays, if it is among them.

        Parameters
        ----------
        headings : sequence of str
        preferred : tuple of str
            Beginnings of the headings of which one is chosen first.
        """
        if headings == [self.column.itemText(row) for row in range(self.column.count())]:
            return
        before = self.column.currentText()
        begins = next((heading for heading in headings if heading.startswith(preferred)), "")
        self.column.blockSignals(True)
        self.column.clear()
        self.column.addItems(headings)
        self.column.setCurrentText(before if before in headings else begins)
        self.column.blockSignals(False)
