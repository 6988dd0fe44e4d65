"""Plates, wells, colors of labels and what is missing: how an OME-Zarr looks in the viewer."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager

from napari_grd._napari.files import zarr_layers as module
from napari_grd._napari.files.claims import claim_names
from napari_grd._napari.files.zarr_layers import open_zarr

Make = Callable[..., Path]
SCALES = [{"axes": [{"name": "y"}, {"name": "x"}], "datasets": [{"path": "0"}]}]


@pytest.fixture
def plate(tmp_path: Path) -> Path:
    """A plate of one well with three fields."""
    root = zarr.open_group(tmp_path / "p.zarr", mode="w", zarr_format=2)
    root.attrs["plate"] = {"wells": [{"path": "A/1"}]}
    well = root.create_group("A").create_group("1")
    well.attrs["well"] = {"images": [{"path": str(number)} for number in range(3)]}
    for number in range(3):
        field = well.create_group(str(number))
        field.create_array("0", data=np.full((8, 9), number, np.uint8))
        field.attrs["multiscales"] = SCALES
    return tmp_path / "p.zarr"


def test_the_fields_of_a_well_become_layers_of_which_the_first_is_shown(viewer: Any, plate: Path) -> None:
    claim_names()
    layers = viewer.open(str(plate / "A" / "1"), plugin=None)
    assert [layer.name for layer in layers] == ["A/1 0", "A/1 1", "A/1 2"]
    assert [layer.visible for layer in layers] == [True, False, False]
    assert [int(np.asarray(layer.data).max()) for layer in layers] == [0, 1, 2]
    shutil.rmtree(plate / "A" / "1" / "1")
    notification_manager.records.clear()
    assert len(viewer.open(str(plate / "A" / "1"), plugin=None)) == 2
    assert "missing: 1." in str(notification_manager.records[-1].message)


def test_of_many_fields_some_are_opened_and_that_is_said(plate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IMAGES", 2)
    layers, notes = open_zarr(plate)
    assert len(layers) == 2
    assert notes[0].startswith("p.zarr holds 3 images; the first 2 were opened. Open the folder of one of them")


def test_labels_have_the_colors_of_the_file(make_ome_zarr: Make, tmp_path: Path) -> None:
    path = make_ome_zarr(tmp_path / "a.zarr")
    group = zarr.open_group(path / "labels" / "cells")
    group.attrs["ome"] = group.attrs["ome"] | {
        "image-label": {"colors": [{"label-value": 1, "rgba": [255, 0, 0, 255]}]}
    }
    (data, options, kind) = open_zarr(path)[0][-1]
    layer = Labels(data, **options)
    assert kind == "labels"
    np.testing.assert_allclose(layer.get_color(1), [1, 0, 0, 1])
    assert layer.get_color(0) is None or layer.get_color(0)[3] == 0
    assert layer.get_color(2)[3] == 1, "one that has no color of its own is seen"


def test_a_missing_label_leaves_the_image(make_ome_zarr: Make, tmp_path: Path) -> None:
    path = make_ome_zarr(tmp_path / "a.zarr")
    shutil.rmtree(path / "labels" / "cells")
    layers, notes = open_zarr(path)
    assert [kind for _, _, kind in layers] == ["image", "image"]
    assert notes == ["a lists label images that are missing or damaged: cells."]
    Image(layers[0][0], **layers[0][1])
