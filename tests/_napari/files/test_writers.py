"""Labels layers are saved with everything they know, and come back."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Labels
from napari.utils.notifications import notification_manager
from npe2 import PluginManager

from napari_grd._napari.files.readers import get_ome_zarr_reader
from napari_grd._napari.files.writers import write_labels_ome_zarr
from napari_grd.errors import OutputError
from napari_grd.io.ome_tiff import read_provenance

UM = "micrometer"
MADE = {"version": "1.0", "model": {"name": "nuclei"}, "config": {"tile": 512}}


@pytest.fixture(autouse=True, scope="module")
def _plugins() -> None:
    PluginManager.instance().discover()  # as napari does when it starts


def make_layer(data: Any, **options: Any) -> Labels:
    place = {"scale": (2, 0.25, 0.5), "translate": (10, 1, 2), "units": (UM,) * 3, "axis_labels": ("z", "y", "x")}
    return Labels(data, name="cells", metadata={"napari_grd": MADE}, **place, **options)


def draw() -> Any:
    return np.random.default_rng(0).integers(0, 70_000, (3, 40, 50)).astype(np.uint32)


def saved(layer: Labels, path: Path) -> Path:
    (found,) = layer.save(str(path), plugin="napari-grd")
    return Path(found)


def test_an_ome_zarr_opens_as_the_same_layer(tmp_path: Path) -> None:
    layer = make_layer(draw())
    path = saved(layer, tmp_path / "a.ome.zarr")
    read = get_ome_zarr_reader(str(path))
    assert read is not None
    ((data, options, kind),) = read(str(path))
    found = Labels(data, **options)
    assert kind == "labels"
    np.testing.assert_array_equal(np.asarray(found.data), layer.data)
    assert tuple(found.scale) == (2, 0.25, 0.5)
    assert tuple(found.translate) == (10, 1, 2)
    assert found.units == layer.units
    assert found.axis_labels == ("z", "y", "x")
    assert found.metadata["napari_grd"] == {"name": "cells"} | MADE


def test_an_ome_tiff_says_it_all(tmp_path: Path) -> None:
    layer = make_layer(draw())
    path = saved(layer, tmp_path / "a.ome.tif")
    np.testing.assert_array_equal(tifffile.imread(path), layer.data)
    assert read_provenance(path) == {"name": "cells"} | MADE
    with tifffile.TiffFile(path) as file:
        assert 'PhysicalSizeX="0.5" PhysicalSizeXUnit="µm"' in (file.ome_metadata or "")


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_pyramids_are_saved_from_their_finest_level(tmp_path: Path, suffix: str) -> None:
    data = draw()
    layer = make_layer([da.from_array(data), da.from_array(data[:, ::2, ::2])], multiscale=True)
    assert saved(layer, tmp_path / f"a{suffix}").name == f"a{suffix}"


def test_metadata_that_json_does_not_know_becomes_text(tmp_path: Path) -> None:
    layer = make_layer(draw())
    layer.metadata["napari_grd"] = {"path": tmp_path}
    assert read_provenance(saved(layer, tmp_path / "a.ome.tif"))["path"] == str(tmp_path)


def test_a_name_without_suffix_gets_one(tmp_path: Path) -> None:
    data, options, _ = make_layer(draw()).as_layer_data_tuple()
    assert write_labels_ome_zarr(str(tmp_path / "a"), data, options) == [str(tmp_path / "a.ome.zarr")]


def test_a_turned_layer_is_warned_about(tmp_path: Path) -> None:
    notification_manager.records.clear()
    saved(make_layer(draw(), shear=[1, 0, 0]), tmp_path / "a.ome.tif")
    assert "cells is rotated or sheared" in str(notification_manager.records[-1].message)


def test_nothing_foreign_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises(OutputError, match="not written by napari-grd"):
        saved(make_layer(draw()), tmp_path / "a.zarr")
