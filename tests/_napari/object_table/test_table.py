"""The table that is linked to a layer, in a real viewer."""

import csv
import json
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt

from napari_grd._napari.object_table.histogram import Histogram
from napari_grd._napari.object_table.model import TableModel
from napari_grd._napari.object_table.widget import ResultTable, result_table
from napari_grd.measurements.objects import measure
from napari_grd.measurements.table import ObjectTable


def two_objects() -> np.ndarray:
    labels = np.zeros((5, 60, 80), np.uint16)
    labels[1, 5:11, 5:11] = 3
    labels[4, 40:50, 60:70] = 8
    return labels


@pytest.fixture
def table(viewer: Any, qtbot: Any) -> ResultTable:
    layer = viewer.add_labels(two_objects(), scale=(2, 0.5, 0.5), units=("um", "um", "um"), name="cells")
    table = result_table(viewer, "Measurements", {"area": "how big"})
    table.set_table(layer, measure(layer.data, scale=(2, 0.5, 0.5), unit="µm"), {"version": "1"})
    return table


def click_row(table: ResultTable, qtbot: Any, row: int) -> None:
    place = table.view.visualRect(table.view.model().index(row, 0)).center()
    qtbot.mouseClick(table.view.viewport(), Qt.MouseButton.LeftButton, pos=place)


def click_image(viewer: Any, position: tuple[float, ...], drag: bool = False) -> None:
    event = SimpleNamespace(type="mouse_press", position=position, view_direction=None, dims_displayed=[1, 2])
    step = viewer.mouse_drag_callbacks[-1](viewer, event)
    for kind in ("mouse_press", *(("mouse_move",) if drag else ()), "mouse_release"):
        event.type = kind
        next(step, None)


def test_it_is_docked_once_and_again_after_its_dock_was_closed(viewer: Any, table: ResultTable) -> None:
    assert viewer.window.dock_widgets["Measurements"] is table
    assert table.caption.text() == "cells: 2 rows"
    assert result_table(viewer, "Measurements", {}) is table
    viewer.window.remove_dock_widget(table)
    assert result_table(viewer, "Measurements", {}) is not table


def test_a_row_brings_its_object_to_the_center(viewer: Any, table: ResultTable, qtbot: Any) -> None:
    layer = viewer.layers["cells"]
    viewer.dims.set_current_step(0, 0)
    click_row(table, qtbot, 1)
    assert layer.selected_label == 8
    assert viewer.dims.current_step[0] == 4
    np.testing.assert_allclose(viewer.scene.camera.center[-2:], (44.5 / 2, 64.5 / 2), atol=0.5)
    click_row(table, qtbot, 0)
    assert viewer.dims.current_step[0] == 1
    assert layer.selected_label == 3


def test_a_click_on_an_object_selects_its_row_but_a_drag_does_not(viewer: Any, table: ResultTable) -> None:
    viewer.dims.set_current_step(0, 4)
    before = viewer.scene.camera.center
    click_image(viewer, (8.0, 45 / 2, 65 / 2), drag=True)
    assert not table.view.selectionModel().hasSelection()
    click_image(viewer, (8.0, 45 / 2, 65 / 2))
    assert [index.row() for index in table.view.selectionModel().selectedRows()] == [1]
    assert viewer.layers["cells"].selected_label == 8
    assert viewer.scene.camera.center == before, "the view stays where the user clicked"
    click_image(viewer, (8.0, 1.0, 1.0))
    assert viewer.layers["cells"].selected_label == 8, "background is no object"


def test_picking_a_label_in_napari_selects_its_row(viewer: Any, table: ResultTable) -> None:
    viewer.layers["cells"].selected_label = 8
    assert table.view.currentIndex().row() == 1


def test_of_a_time_series_the_row_of_the_time_point_is_selected(viewer: Any, qtbot: Any) -> None:
    labels = np.zeros((3, 20, 20), int)
    labels[:, 5:9, 5:9] = 4
    layer = viewer.add_labels(labels)
    table = result_table(viewer, "Measurements", {})
    table.set_table(layer, measure(labels, axes="tyx"), {})
    viewer.dims.set_current_step(0, 2)
    click_image(viewer, (2.0, 6.0, 6.0))
    assert table.view.currentIndex().row() == 2


def test_sorting_moves_rows_and_keeps_the_link(viewer: Any, table: ResultTable, qtbot: Any) -> None:
    model = table.view.model()
    column = list(table._table.columns).index("area")
    table.view.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    assert model.data(model.index(0, 0)) == "8"
    click_row(table, qtbot, 0)
    assert viewer.layers["cells"].selected_label == 8
    table.view.sortByColumn(column, Qt.SortOrder.AscendingOrder)
    assert table.view.currentIndex().row() == 1, "the selected object stays selected"
    assert model.headerData(column, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole) == "how big"


def test_what_is_not_a_number_is_sorted_last(qtbot: Any) -> None:
    model = TableModel()
    model.fill({"IoU": np.array([np.nan, 0.2, 0.9])})
    for order, expected in ((Qt.SortOrder.AscendingOrder, "0.2"), (Qt.SortOrder.DescendingOrder, "0.9")):
        model.sort(0, order)
        assert [model.data(model.index(row, 0)) for row in (0, 2)] == [expected, ""]


def test_a_saved_table_can_be_read_back(table: ResultTable, qtbot: Any, tmp_path: Path) -> None:
    table.write(tmp_path / "cells.csv")
    qtbot.waitUntil(lambda: "cells.csv" in table.message.text())
    with (tmp_path / "cells.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["3", "8"]
    assert [float(row["area [µm³]"]) for row in rows] == [36 * 0.5, 100 * 0.5]
    assert json.loads((tmp_path / "cells.provenance.json").read_text())["version"] == "1"


def test_a_folder_that_cannot_be_written_to_is_told(table: ResultTable, qtbot: Any, tmp_path: Path) -> None:
    table.write(tmp_path / "missing" / "cells.csv")
    qtbot.waitUntil(lambda: "there is no folder" in table.message.text())


def test_a_removed_layer_empties_the_table(viewer: Any, table: ResultTable) -> None:
    viewer.layers.remove("cells")
    assert table.view.model().rowCount() == 0
    assert "removed" in table.caption.text()
    assert not table.save.isEnabled()


def test_nothing_stays_behind_when_its_dock_is_closed(viewer: Any, table: ResultTable, qtbot: Any) -> None:
    selected = viewer.layers["cells"].events.selected_label
    callbacks, followed = len(viewer.mouse_drag_callbacks), len(selected.callbacks)
    viewer.window.remove_dock_widget(table)
    qtbot.waitUntil(lambda: len(viewer.mouse_drag_callbacks) == callbacks - 1)
    assert len(selected.callbacks) == followed - 1


def test_five_thousand_objects_are_shown_and_sorted_at_once(viewer: Any) -> None:
    count = 5000
    layer = viewer.add_labels(np.arange(1, count + 1).reshape(50, 100))
    columns = {f"column {i}": np.random.default_rng(i).random(count) for i in range(40)}
    many = ObjectTable({"label": np.arange(1, count + 1)} | columns, np.stack(np.divmod(np.arange(count), 100), axis=1))
    table = result_table(viewer, "Measurements", {})
    start = perf_counter()
    table.set_table(layer, many, {})
    table.view.sortByColumn(5, Qt.SortOrder.AscendingOrder)
    assert perf_counter() - start < 0.5


def test_a_column_is_a_line_and_a_histogram_linked_to_objects(viewer: Any, table: ResultTable, qtbot: Any) -> None:
    assert table.summary.text().startswith("area [µm³]: median 34, mean 34, from 18 to 50")
    headings = list(table._table.by_heading())
    column = next(at for at, name in enumerate(headings) if name.startswith("equivalent_diameter_area"))
    header = table.view.horizontalHeader()
    viewer.window._qt_window.show()
    qtbot.waitUntil(lambda: header.viewport().height() > 10 and table.view.viewport().width() > 300)
    middle = header.sectionViewportPosition(column) + header.sectionSize(column) // 2
    place = QPoint(middle, header.height() // 2)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)
    sizes = table._table.by_heading()[headings[column]]
    low, high = sorted(sizes.tolist())
    assert f"from {low:.4g} to {high:.4g}, 2 objects" in table.summary.text()
    assert not table.histogram.isHidden()
    assert table.histogram.counts.sum() == 2
    table.histogram.resize(200, 60)
    for x, row in ((1, int(np.argmin(sizes))), (198, int(np.argmax(sizes)))):
        qtbot.mouseClick(table.histogram, Qt.MouseButton.LeftButton, pos=QPoint(x, 50))
        assert viewer.layers["cells"].selected_label == table._table.columns["label"][row]
    viewer.layers.remove("cells")
    assert table.histogram.isHidden()
    assert not table.summary.text()


def test_bars_are_of_rows_and_missing_values_of_none(qtbot: Any) -> None:
    chosen: list[int] = []
    bars = Histogram(chosen.append)
    qtbot.addWidget(bars)
    bars.show_values(np.array([1.0, np.nan, 5.0, 1.0]))
    assert bars.counts.sum() == 3
    assert bars.rows_of(0).tolist() == [0, 3]
    assert bars.rows_of(len(bars.counts) - 1).tolist() == [2]
    bars.resize(100, 60)
    for _ in range(3):
        qtbot.mouseClick(bars, Qt.MouseButton.LeftButton, pos=QPoint(1, 50))
    assert chosen == [0, 3, 0], "from one to the next"
    bars.choose(2)
    picture = bars.grab().toImage()
    assert picture.pixelColor(97, 58).name() != picture.pixelColor(2, 58).name()
    bars.show_values(np.full(3, np.nan))
    assert bars.isHidden()
