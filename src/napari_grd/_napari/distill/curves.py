"""Curves of losses and scores, updated during training."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_grd._napari.colors import GRAPHICS, ColoredLabel, background_of, readable
from napari_grd._napari.distill.form import title
from napari_grd.jobs import StepMetrics

SCORES = ("ap50", "aji", "sbd", "pq")
_HIDDEN = ("lr",)
_HEIGHT = 170
_COLORS = 9  # evenly spaced hues; one for each term of the loss


class Curves(QWidget):
    """Two plots: the terms of the loss, and the scores on validation images.

    Where pyqtgraph is not installed, the latest numbers are shown instead.

    Attributes
    ----------
    points : dict of (kind, name) to (list of int, list of float)
        Steps and values; kind is "train" or "validation".
    legends : dict of str to ColoredLabel
        Names in the colors of their curves with the latest values, by kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.points: dict[tuple[str, str], tuple[list[int], list[float]]] = {}
        self._pyqtgraph: Any = None
        self._plots: dict[str, Any] = {}
        self._lines: dict[tuple[str, str], Any] = {}
        self.legends: dict[str, ColoredLabel] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self.numbers = QLabel()
        self.numbers.setWordWrap(True)
        self.numbers.setToolTip("The latest terms of the loss, and scores on the validation images")
        self._column.addWidget(self.numbers)
        self.hide()

    def prepare(self) -> None:
        """Create the plots. The first call takes about half a second, so that it belongs to the start of a run.

        Only the thread of the window may import pyqtgraph: PySide looks up the classes of Qt without a lock while it
        paints, and fails where another thread defines one.
        """
        if self._plots:
            return
        try:
            import pyqtgraph
        except ImportError:
            return
        self._pyqtgraph = pyqtgraph
        self.numbers.hide()
        for kind in ("train", "validation"):
            self._plots[kind] = self._make_plot(kind)

    @property
    def close_plots(self) -> Callable[[], None]:
        """Return a function that closes the plots, without a reference to this widget, which may be deleted."""
        return partial(_close_all, self._plots)

    def clear(self) -> None:
        """Forget all points."""
        self.points.clear()
        for (kind, _), line in self._lines.items():
            self._plots[kind].removeItem(line)
        self._lines.clear()
        for legend in self.legends.values():
            legend.clear()
        self.hide()

    def add(self, event: StepMetrics) -> None:
        """Add the points of an event. A step that is repeated after a resume replaces the later points."""
        names = SCORES if event.kind == "validation" else [n for n in event.values if n not in _HIDDEN]
        for name in names:
            if name not in event.values:
                continue
            steps, values = self.points.setdefault((event.kind, name), ([], []))
            while steps and steps[-1] >= event.step:
                steps.pop()
                values.pop()
            steps.append(event.step)
            values.append(float(event.values[name]))
        self.show()
        self._draw(event.kind)

    def _draw(self, kind: str) -> None:
        if not self._plots:
            self.numbers.setText(self._latest())
            return
        series = {name: points for (k, name), points in self.points.items() if k == kind}
        words, background = [], background_of(self)
        for number, (name, (steps, values)) in enumerate(series.items()):
            color = QColor.fromHsv(number * 360 // _COLORS % 360, 170, 230).name()
            if (kind, name) not in self._lines:
                width = 2 if name == "loss" or kind == "validation" else 1
                symbol = "o" if kind == "validation" else None
                pen = self._pyqtgraph.mkPen(readable(color, background, GRAPHICS), width=width)
                self._lines[kind, name] = self._plots[kind].plot(pen=pen, symbol=symbol, symbolSize=5)
            self._lines[kind, name].setData(steps, values)
            words.append(("", f"{_word(name)} {values[-1]:.3g}", color))
        # Beside the curves, not on top of them, and with the latest values.
        self.legends[kind].show_parts(words, " · ")

    def _make_plot(self, kind: str) -> Any:
        plot = self._pyqtgraph.PlotWidget(background=None)
        plot.setFixedHeight(_HEIGHT)
        plot.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        plot.setMenuEnabled(False)
        if kind == "validation":
            plot.setYRange(0, 1)
            plot.setToolTip("Scores on the validation images; 1 is perfect agreement")
        else:
            plot.setLogMode(y=True)
            plot.setToolTip("The unweighted terms of the loss, and their weighted sum; lower is better")
        self._style(kind, plot)
        self._column.addWidget(plot)
        self.legends[kind] = ColoredLabel()
        self._column.addWidget(self.legends[kind])
        return plot

    def changeEvent(self, event: QEvent) -> None:
        """Called by Qt, e.g. for another theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            for kind, plot in self._plots.items():
                self._style(kind, plot)

    def _style(self, kind: str, plot: Any) -> None:
        """Axes and title in the color of the theme's text."""
        color = self.palette().color(self.foregroundRole()).name()
        plot.setTitle("Scores" if kind == "validation" else "Loss", size="9pt", color=color)
        plot.setLabel("bottom", "step", color=color)
        for side in ("bottom", "left"):
            plot.getAxis(side).setPen(color)
            plot.getAxis(side).setTextPen(color)

    def _latest(self) -> str:
        lines = defaultdict(list)
        for (kind, name), (steps, values) in self.points.items():
            lines[f"{'Scores' if kind == 'validation' else 'Loss'} at step {steps[-1]}"].append(
                f"{_word(name)} {values[-1]:.3g}"
            )
        return "\n".join(f"{title}: {', '.join(numbers)}" for title, numbers in lines.items())


def _word(name: str) -> str:
    return name.upper() if name in SCORES else title(name)


def _close_all(plots: dict[str, Any]) -> None:
    # pyqtgraph's context menus belong to no widget and would outlive the plot.
    while plots:
        plot = plots.popitem()[1]
        with suppress(RuntimeError):  # a script that ends without an event loop takes the menus away first
            plot.close()
