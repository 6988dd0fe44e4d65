"""Two columns as points, linked to rows and objects."""

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_grd._napari.object_table.scatter import Points
from napari_grd._napari.object_table.widget import ResultTable, result_table
from napari_grd.measurements.objects import measure
from napari_grd.measurements.table import ObjectTable


@pytest.fixture
def table(viewer: Any) -> ResultTable:
    labels = np.zeros((80, 90), np.uint16)
    labels[5:11, 5:11], labels[40:50, 60:70], labels[60:79, 0:5] = 3, 8, 9
    layer = viewer.add_labels(labels, name="cells")
    viewer.window._qt_window.show()
    made = result_table(viewer, "Measurements", {})
    made.set_table(layer, measure(labels, {"DAPI": np.arange(7200).reshape(80, 90)}), {"version": "1"})
    return made


def test_a_click_on_a_point_selects_its_row_and_object(viewer: Any, table: ResultTable, qtbot: Any) -> None:
    scatter = table.scatter
    assert scatter.isVisible()
    assert scatter.column.currentText() == "solidity"
    scatter.column.setCurrentText("integrated_intensity-DAPI")
    qtbot.wait(50)
    for row, label in ((2, 9), (0, 3)):
        place = scatter.points.place_of(row).toPoint()
        qtbot.mouseClick(scatter.points, Qt.MouseButton.LeftButton, pos=place)
        assert viewer.layers["cells"].selected_label == label
        assert table.view.currentIndex().row() == row
        assert scatter.points._chosen == row
    viewer.layers["cells"].selected_label = 8
    assert scatter.points._chosen == 1, "and the other way round"


def test_it_is_drawn_across_by_the_column_whose_heading_was_clicked(table: ResultTable, qtbot: Any) -> None:
    before = table.scatter.points.place_of(1)
    headings = [table.view.model().headerData(at, Qt.Orientation.Horizontal) for at in range(20)]
    table.view.horizontalHeader().sectionClicked.emit(headings.index("centroid-1 [px]"))
    points = table.scatter.points
    assert points.place_of(1).x() > points.place_of(0).x() > points.place_of(2).x()
    assert points.place_of(1).y() == before.y()
    table.view.horizontalHeader().sectionClicked.emit(headings.index("touches_border"))
    assert points.place_of(2).x() > points.place_of(1).x() == points.place_of(0).x()


def test_tables_without_numbers_have_no_points(table: ResultTable) -> None:
    table.set_table(table._layer, ObjectTable({"label": np.array([3, 8])}, np.zeros((2, 2), np.int64)), {})
    assert table.scatter.isHidden()
    assert not len(table.scatter.points.rows)


def test_values_that_are_missing_or_equal_are_no_trouble(qtbot: Any) -> None:
    clicked: list[int] = []
    points = Points(clicked.append)
    qtbot.addWidget(points)
    points.resize(100, 90)
    points.show_values(np.array([1.0, np.nan, 1.0]), np.array([5.0, 6.0, 5.0]))
    assert points.rows.tolist() == [0, 2]
    points.choose(1)
    points.grab()
    assert points.place_of(0).x() == 50
    qtbot.mouseClick(points, Qt.MouseButton.LeftButton, pos=points.place_of(0).toPoint())
    assert clicked == [0]
    qtbot.mouseClick(points, Qt.MouseButton.LeftButton)
    points.show_values(np.zeros(0), np.zeros(0))
    qtbot.mouseClick(points, Qt.MouseButton.LeftButton)
    assert set(clicked) == {0}
