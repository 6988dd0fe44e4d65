"""A plate opens with a table of its wells, and one field at a time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from napari.utils.notifications import notification_manager
from qtpy.QtCore import Qt

from napari_grd._napari.files.claims import claim_names
from napari_grd._napari.files.plate_picker import PlatePicker

SCALES = [
    {
        "axes": [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}],
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}],
    }
]
WELLS = {"A/2": 2, "A/10": 1, "B/2": 2}  # fields


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    root = zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=3)
    root.attrs["ome"] = {"version": "0.5", "plate": {"wells": [{"path": path} for path in WELLS]}}
    for at, (path, fields) in enumerate(WELLS.items()):
        well = root.create_group(path)
        well.attrs["ome"] = {"version": "0.5", "well": {"images": [{"path": str(number)} for number in range(fields)]}}
        for number in range(fields):
            field = well.create_group(str(number))
            field.create_array("0", data=np.full((8, 9), 10 * at + number, np.uint8))
            field.attrs["ome"] = {"version": "0.5", "multiscales": SCALES}
    return tmp_path / "p.zarr"


@pytest.fixture
def picker(viewer: Any, plate: Path) -> PlatePicker:
    claim_names()
    assert viewer.open(str(plate), plugin=None) == []
    (found,) = (dock for dock in viewer.window.dock_widgets.values() if isinstance(dock, PlatePicker))
    return found


def shown(viewer: Any) -> list[tuple[str, int]]:
    return [(layer.name, int(np.asarray(layer.data).max())) for layer in viewer.layers]


def test_a_well_takes_the_place_of_the_one_before(viewer: Any, picker: PlatePicker, plate: Path) -> None:
    table = picker.table
    assert [table.horizontalHeaderItem(at).text() for at in range(2)] == ["2", "10"]
    assert [table.verticalHeaderItem(at).text() for at in range(2)] == ["A", "B"]
    assert shown(viewer) == [("p A/2/0", 0)]
    assert viewer.layers[0].source.path == str(plate / "A" / "2" / "0")  # labels are proposed there
    assert tuple(viewer.layers[0].scale) == (0.5, 0.5)

    viewer.layers[0].contrast_limits = (0, 99)
    viewer.scene.camera.zoom = 7
    picker.field.setCurrentIndex(1)
    assert shown(viewer) == [("p A/2/1", 1)]
    table.setCurrentCell(1, 0)
    assert shown(viewer) == [("p B/2/1", 21)]  # the same field
    table.setCurrentCell(0, 1)
    assert shown(viewer) == [("p A/10/0", 10)]
    assert tuple(viewer.layers[0].contrast_limits) == (0, 99)
    assert viewer.scene.camera.zoom == 7
    assert viewer.layers.selection.active is viewer.layers[0]

    assert table.item(1, 1).flags() == Qt.ItemFlag.NoItemFlags
    assert table.item(0, 0).toolTip() == "A/2: 2 field(s)"


def test_a_damaged_field_is_told_and_the_one_before_stays(viewer: Any, picker: PlatePicker, plate: Path) -> None:
    (plate / "B" / "2" / "0" / "0" / "zarr.json").unlink()
    notification_manager.records.clear()
    picker.table.setCurrentCell(1, 0)
    assert shown(viewer) == [("p A/2/0", 0)]
    assert "cannot be read" in str(notification_manager.records[-1].message)


def test_a_second_plate_is_shown_in_the_same_table(viewer: Any, picker: PlatePicker, plate: Path) -> None:
    image = viewer.add_image(np.zeros((4, 4)), name="mine")
    viewer.open(str(plate), plugin=None)
    docked = [dock for dock in viewer.window.dock_widgets.values() if isinstance(dock, PlatePicker)]
    assert docked == [picker]
    assert image in viewer.layers
    assert len(viewer.layers) == 2
