"""Dropping something on the window: never a question, never a bare traceback."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from napari.utils.notifications import notification_manager
from PIL import Image as Photo

from napari_grd._napari.files.claims import claim_names
from napari_grd._napari.files.readers import NO_LAYER, get_bioio_reader, get_model_reader, get_ome_zarr_reader
from napari_grd._napari.state import state_of
from napari_grd.io.model_file import save_model
from napari_grd.models.model import Model, ModelCard, ModelConfig

Make = Callable[..., Path]


def drop(viewer: Any, path: Path | str) -> list[Any]:
    """As from the file manager. napari would open a dialog where this raises."""
    found: list[Any] = viewer.open(str(path), plugin=None)
    return found


def messages() -> list[str]:
    return [str(record.message) for record in notification_manager.records]


@pytest.fixture(autouse=True)
def _no_old_messages() -> None:
    notification_manager.records.clear()


def test_folders_open_without_a_question(viewer: Any, make_ome_zarr: Make, tmp_path: Path) -> None:
    claim_names()  # done by the first command of a session; the fixture's settings are younger
    for version in ("0.4", "0.5"):
        layers = drop(viewer, make_ome_zarr(tmp_path / version / "cells.ome.zarr", version))
        blue, green, labels = layers
        assert (blue.name.split()[0], green.name.split()[0], labels.name.split()[0]) == ("DAPI", "GFP", "cells")
        assert (blue.colormap.name, tuple(blue.contrast_limits), green.visible) == ("blue", (10, 900), False)
        assert blue.multiscale
        assert isinstance(blue.data[0], da.Array)
        for layer in layers:
            assert tuple(layer.scale) == (2, 0.5, 0.5)
            assert tuple(layer.translate) == (5, 1, 2)
            assert layer.axis_labels == ("z", "y", "x")
            assert {str(unit) for unit in layer.units} == {"micrometer"}

    zarr.create_array(tmp_path / "plain.zarr", data=np.ones((8, 9)))
    assert drop(viewer, tmp_path / "plain.zarr")[0].data.shape == (8, 9)

    (tmp_path / "photos").mkdir()
    for name in "ab":
        Photo.new("L", (9, 8)).save(tmp_path / "photos" / f"{name}.png")
    (stack,) = drop(viewer, tmp_path / "photos")
    assert stack.data.shape == (2, 8, 9)
    assert stack.source.reader_plugin == "napari"


def test_an_image_at_an_address_opens_without_a_question(viewer: Any) -> None:
    claim_names()
    address = "memory://readers/slide.ome.zarr"
    group = zarr.open_group(address, mode="w", zarr_format=3)
    group.create_array("0", data=np.ones((20, 30), np.uint16))
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    datasets = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    [layer] = drop(viewer, address)
    assert layer.source.reader_plugin == "napari-grd"
    assert (layer.data.shape, tuple(layer.scale)) == ((20, 30), (0.5, 0.5))
    assert drop(viewer, "memory://readers/nothing.ome.zarr") == []
    assert any("memory://readers/nothing.ome.zarr" in message for message in messages())


@pytest.mark.parametrize("spoil", [lambda path: shutil.rmtree(path / "0"), lambda path: (path / "zarr.json").unlink()])
def test_a_damaged_folder_is_told_and_gives_no_layer(
    make_ome_zarr: Make, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    path = make_ome_zarr(tmp_path / "cells.ome.zarr")
    spoil(path)
    read = get_ome_zarr_reader(str(path))
    assert read is not None
    assert read(str(path)) == NO_LAYER
    assert "cells.ome.zarr" in messages()[-1]


def test_a_dropped_model_becomes_the_live_student(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    card = ModelCard(name="mine", summary="Sees nuclei.", trained_on=("my images",))
    path = save_model(Model.create(ModelConfig(), card), tmp_path / "mine.grd.safetensors")
    assert drop(viewer, path) == []
    qtbot.waitUntil(lambda: bool(messages()), timeout=20_000)
    assert state_of(viewer).student == "mine"
    assert list(viewer.window.dock_widgets) == ["Live (GRD)"], "as napari's menus call it"
    assert not viewer.layers
    assert "mine is now the live student" in messages()[-1]
    assert "trained on my images" in messages()[-1]


def test_a_broken_model_is_told(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    path = tmp_path / "broken.grd.safetensors"
    path.write_bytes(b"no model")
    assert drop(viewer, path) == []
    qtbot.waitUntil(lambda: bool(messages()), timeout=20_000)
    assert "broken.grd.safetensors" in messages()[-1]
    assert "Copy or download it again" in messages()[-1]
    assert state_of(viewer).student == "nuclei"


def test_without_a_viewer_a_model_has_nowhere_to_go(tmp_path: Path) -> None:
    path = str(tmp_path / "a.grd.safetensors")
    read = get_model_reader(path)
    assert read is not None
    assert read(path) == NO_LAYER
    assert "Open a viewer first" in messages()[-1]


def test_a_vendor_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cells.czi"
    path.write_bytes(b"no image")
    read = get_bioio_reader(str(path))
    assert read is not None
    assert read(str(path)) == NO_LAYER
    assert "cells.czi" in messages()[-1]


def test_other_things_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "zarr.json").write_text("{}")
    assert get_model_reader("weights.safetensors") is None
    assert get_ome_zarr_reader(str(tmp_path)) is None
    assert get_ome_zarr_reader(str(tmp_path / "zarr.json")) is None
    assert get_bioio_reader(str(tmp_path / "none.czi")) is None
