"""A table of objects, linked to their layer: click a row to see the object, click an object to see its row."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QLabel, QTableView, QVBoxLayout, QWidget

from napari_grd._napari.object_table.histogram import Histogram, summary
from napari_grd._napari.object_table.model import TableModel
from napari_grd._napari.object_table.object_link import index_of, label_at, on_click, show_object
from napari_grd._napari.object_table.saving import (
    OBJECTS,
    TABLES,
    ask_for_file,
    is_table,
    save_objects,
    save_table,
)
from napari_grd._napari.object_table.scatter import ScatterPlot
from napari_grd._napari.panel import Panel, button, dock_of, row, stack
from napari_grd._napari.state import unwrap
from napari_grd._napari.wrapped_label import WrappedLabel
from napari_grd.jobs import Job
from napari_grd.measurements.table import ObjectTable

_SHARE = 0.33  # of the window's height, for a new table
_PLOTS = 280  # pixels: width of the plots beside the table
_SPARE = 12  # pixels beside a heading
_FIRST = "area"  # the column that is described before a heading is clicked
_SECOND = ("solidity", "sphericity")  # against which it is drawn
_NO_POINTS = np.zeros(0), np.zeros(0)
_LEAST = 50  # pixels: headings and a row


def result_table(viewer: Any, title: str, tips: Mapping[str, str]) -> "ResultTable":
    """The table docked under this title below the canvas; created if there is none."""
    window = unwrap(viewer).window
    table = window.dock_widgets.get(title)
    if not isinstance(table, ResultTable):
        table = ResultTable(viewer, title, tips)
        window.add_dock_widget(table, name=title, area="bottom")
        high = round(_SHARE * window._qt_window.height())
        window._qt_window.resizeDocks([dock_of(table)], [high], Qt.Orientation.Vertical)
    return table


def _rest() -> QVBoxLayout:
    """Room below that nothing takes."""
    rest = QVBoxLayout()
    rest.addStretch(1)
    return rest


class ResultTable(Panel):
    """Objects of one Labels layer as rows.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    title : str
        Of the dock, and of a saved file.
    tips : mapping of str to str
        Explanations of columns, by heading without unit.
    """

    def __init__(self, viewer: Any, title: str, tips: Mapping[str, str]) -> None:
        super().__init__(viewer)
        self.setObjectName(title)
        self._title = title
        self._layer: Labels | None = None
        self._table = ObjectTable({}, np.zeros((0, 0), np.int64))
        self._made_by: Mapping[str, Any] = {}
        self._objects: Callable[[str | Path], Job[Path]] | None = None
        self._link = ExitStack()  # the connection to the layer
        self.when_gone(self._link.close)
        self._moving = False  # prevents the response to a click from causing another
        self.caption = QLabel()
        self.save = button(
            "Save…",
            "Write all rows to a CSV or Parquet file for Excel, R or Python; their provenance is written beside it.\n"
            "Measured objects can be saved as outlines too: for ImageJ, QuPath or readers of COCO.",
            self._ask_where,
        )
        self.view = QTableView()
        self._model = TableModel(self.view, tips)
        self.view.setModel(self._model)
        self.view.setToolTip("Click a row to see the object; click an object in the image to see its row.")
        self.view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.view.setSortingEnabled(True)
        self.view.verticalHeader().hide()
        self.view.setMinimumHeight(_LEAST)
        self.view.selectionModel().currentRowChanged.connect(self._on_row)
        self.summary = WrappedLabel()
        self.summary.setToolTip("Of the column whose heading was clicked last.")
        self.histogram = Histogram(self._go_to)
        self.scatter = ScatterPlot(self._go_to)
        self.scatter.changed.connect(self._show_points)
        self.plots = QWidget()
        self.plots.setFixedWidth(_PLOTS)
        stack(self.plots, self.summary, self.histogram, self.scatter, _rest())
        self._column, self._described = _FIRST, ""
        self.view.horizontalHeader().sectionClicked.connect(self._describe)
        self.body.addLayout(row(self.caption, self.save, stretch=(1, 0)))
        self.body.addLayout(row(self.view, self.plots, stretch=(1, 0)), 1)
        self.body.setAlignment(Qt.AlignmentFlag(0))  # the view fills the dock
        click = on_click(self._on_click)
        self.viewer.mouse_drag_callbacks.append(click)
        self.when_gone(partial(self.viewer.mouse_drag_callbacks.remove, click))
        self.follow(self.viewer.layers.events.removed, self._on_removed)
        self._show()

    def set_table(
        self,
        layer: Labels,
        table: ObjectTable,
        made_by: Mapping[str, Any],
        objects: Callable[[str | Path], Job[Path]] | None = None,
    ) -> None:
        """Show the objects of a layer.

        Parameters
        ----------
        layer : Labels
        table : ObjectTable
            Of the layer's data.
        made_by : mapping
            Goes into the file beside a saved table.
        objects : callable, optional
            Creates the job that exports the objects to a file. Default: only the table can be saved.
        """
        self._unlink()
        self._layer, self._table, self._made_by, self._objects = layer, table, made_by, objects
        layer.events.selected_label.connect(self._on_selected_label)
        self._link.callback(layer.events.selected_label.disconnect, self._on_selected_label)
        self._show()

    def write(self, path: str | Path) -> None:
        """Write the table, or the objects, depending on the file name, in a worker."""
        if self._objects is not None and not is_table(path):
            save_objects(self, path, self._objects)
        else:
            save_table(self, path, self._table.by_heading(), self._made_by)

    def _ask_where(self) -> None:
        path = ask_for_file(self, self._title, TABLES if self._objects is None else TABLES | OBJECTS)
        if path is not None:
            self.write(path)

    def _show(self) -> None:
        header = self.view.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self._model.fill(self._table.by_heading())
        # By the headings: measuring the cells of thousands of rows is slow.
        for column in range(self._model.columnCount()):
            self.view.setColumnWidth(column, header.sectionSizeHint(column) + _SPARE)
        names = [heading.split(" [")[0] for heading in self._table.by_heading()]
        self._describe(names.index(self._column) if self._column in names else -1)
        self.save.setEnabled(len(self._table) > 0)
        if self._layer is None:
            self.caption.setText("Nothing to show: the layer was removed.")
        else:
            self.caption.setText(f"{self._layer.name}: {len(self._table):,} rows")

    def _describe(self, section: int) -> None:
        """Show the values of a column as a line and a histogram."""
        columns = self._table.by_heading()
        heading = list(columns)[section] if 0 <= section < len(columns) else ""
        drawn = [name for name in columns if columns[name].dtype.kind in "biuf" and name != "label"]
        numeric = heading in drawn
        self._column = heading.split(" [")[0] if numeric else self._column
        self._described = heading if numeric else ""
        self.summary.setText(summary(heading, columns[heading]) if numeric else "")
        self.plots.setVisible(numeric)
        self.histogram.show_values(columns[heading] if numeric else np.zeros(0))
        current = self.view.selectionModel().currentIndex()
        self.scatter.offer(drawn, _SECOND)
        self.scatter.setVisible(not self.histogram.isHidden())
        self._show_points()
        self._mark(self._model.original(current.row()) if current.isValid() else None)

    def _show_points(self) -> None:
        """Draw the described column against the chosen one."""
        columns, other = self._table.by_heading(), self.scatter.column.currentText()
        both_shown = self._described in columns and other in columns
        self.scatter.points.show_values(*((columns[self._described], columns[other]) if both_shown else _NO_POINTS))

    def _mark(self, row: int | None) -> None:
        self.histogram.choose(row)
        self.scatter.points.choose(row)

    def _go_to(self, row: int) -> None:
        """Select a row, which shows its object."""
        self.view.selectRow(self._model.shown(row))
        self.view.scrollTo(self._model.index(self._model.shown(row), 0))

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if self._layer is None or not current.isValid():
            return
        row = self._model.original(current.row())
        self._mark(row)
        if self._moving:
            return
        self._moving = True
        try:
            label = int(self._table.columns["label"][row])
            show_object(self.viewer, self._layer, label, self._table.anchors[row].tolist())
        finally:
            self._moving = False

    def _on_click(self, event: Any) -> None:
        if self._layer is not None and self._layer.visible:
            self._select(label_at(self._layer, event), index_of(self._layer, event.position))

    def _on_selected_label(self, _event: Any) -> None:
        if self._layer is not None:
            self._select(self._layer.selected_label, index_of(self._layer, self.viewer.dims.point))

    def _select(self, label: int, place: tuple[int, ...]) -> None:
        """Select the row of an object in the plane or time point of a position."""
        row = self._table.row_of(label, place[: len(self._table.frame_axes)])
        if row is None or self._moving:
            return
        self._moving = True
        try:
            shown = self._model.shown(row)
            self.view.selectRow(shown)
            self.view.scrollTo(self._model.index(shown, 0))
            if self._layer is not None:
                self._layer.selected_label = label
        finally:
            self._moving = False

    def _on_removed(self, event: Any) -> None:
        if event.value is self._layer:
            self._unlink()
            self._table = ObjectTable({}, np.zeros((0, 0), np.int64))
            self._show()

    def _unlink(self) -> None:
        self._link.close()
        self._layer = self._objects = None
