"""Labels layers are saved with everything they know, and come back."""

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from npe2 import PluginManager
from pycocotools.coco import COCO
from roifile import roiread

from napari_grd._napari.files.claims import claim_names
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


def test_an_ome_tiff_opens_as_the_same_layer(viewer: Any, tmp_path: Path) -> None:
    claim_names()
    layer = make_layer(draw())
    (found,) = viewer.open(str(saved(layer, tmp_path / "a.ome.tif")), plugin=None)  # as a file that is dropped
    assert isinstance(found, Labels)
    assert found.name == "a"
    np.testing.assert_array_equal(found.data, layer.data)
    assert (tuple(found.scale), tuple(found.translate)) == ((2, 0.25, 0.5), (10, 1, 2))
    assert (found.units, found.axis_labels) == (layer.units, ("z", "y", "x"))
    assert found.metadata["napari_grd"] == {"name": "cells"} | MADE
    assert Labels(found.data).save(str(tmp_path / "b.ome.tiff"), plugin="napari-grd")
    assert isinstance(viewer.open(str(tmp_path / "b.ome.tiff"), plugin=None)[0], Labels), "labels made elsewhere"


def test_other_ome_tiffs_open_as_napari_opens_them(viewer: Any, tmp_path: Path) -> None:
    claim_names()
    image = np.random.default_rng(0).integers(0, 9, (3, 20, 30)).astype(np.uint16)
    for name in ("a.ome.tif", "b.ome.tif"):
        tifffile.imwrite(tmp_path / name, image, metadata={"axes": "CYX"})
    (found,) = viewer.open(str(tmp_path / "a.ome.tif"), plugin=None)
    assert (type(found), found.data.shape, found.name) == (Image, (3, 20, 30), "a.ome")
    (found,) = viewer.open([str(tmp_path / "a.ome.tif"), str(tmp_path / "b.ome.tif")], plugin=None, stack=True)
    assert (type(found), found.data.shape) == (Image, (2, 3, 20, 30))


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
def test_pyramids_are_saved_from_their_finest_level(tmp_path: Path, suffix: str) -> None:
    data = draw()
    layer = make_layer([da.from_array(data), da.from_array(data[:, ::2, ::2])], multiscale=True)
    assert saved(layer, tmp_path / f"a{suffix}").name == f"a{suffix}"


def test_metadata_that_json_does_not_know_becomes_text(tmp_path: Path) -> None:
    layer = make_layer(draw())
    layer.metadata["napari_grd"] = {"path": tmp_path}
    assert read_provenance(saved(layer, tmp_path / "a.ome.tif"))["path"] == str(tmp_path)


def test_saved_live_labels_are_not_live(tmp_path: Path) -> None:
    layer = make_layer(draw())
    layer.metadata["napari_grd"] = MADE | {"live": True}
    assert read_provenance(saved(layer, tmp_path / "a.ome.tif")) == {"name": "cells"} | MADE
    assert layer.metadata["napari_grd"]["live"]


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


def test_objects_go_to_imagej_qupath_and_coco(tmp_path: Path) -> None:
    data = np.zeros((3, 20, 30), np.int32)
    data[1, 4:9, 5:15] = 7
    layer = make_layer(data)
    (roi,) = roiread(saved(layer, tmp_path / "a.zip"))
    assert (roi.name, roi.z_position, roi.left, roi.top, roi.right, roi.bottom) == ("0007-z2", 2, 5, 4, 15, 9)
    (feature,) = json.loads(saved(layer, tmp_path / "a.geojson").read_text())["features"]
    assert feature["geometry"]["plane"]["z"] == 1
    assert feature["properties"]["measurements"] == {"Area px^2": 50, "Area µm^2": 50 * 0.25 * 0.5}
    dataset = COCO(str(saved(layer, tmp_path / "a.json")))
    assert [(one["file_name"], one["z"]) for one in dataset.imgs.values()] == [("cells", 0), ("cells", 1), ("cells", 2)]
    assert [one["bbox"] for one in dataset.anns.values()] == [[5, 4, 10, 5]]


def test_a_roi_file_takes_one_object(tmp_path: Path) -> None:
    data = np.zeros((20, 30), np.int32)
    data[4:9, 5:15] = 7
    assert roiread(saved(Labels(data), tmp_path / "a.roi")).name == "0007"
    with pytest.raises(OutputError, match=r"\.zip"):
        saved(Labels(np.arange(600).reshape(20, 30)), tmp_path / "b.roi")


@pytest.mark.parametrize("suffix", [".zip", ".geojson", ".json"])
def test_objects_of_a_pyramid_are_those_of_its_finest_level(tmp_path: Path, suffix: str) -> None:
    data = np.zeros((20, 30), np.int32)
    data[4:9, 5:15] = 7
    pyramid = Labels([da.from_array(data), da.from_array(data[::2, ::2])], multiscale=True, name="cells")
    finest = saved(Labels(data, name="cells"), tmp_path / f"a{suffix}")
    assert saved(pyramid, tmp_path / f"b{suffix}").stat().st_size == finest.stat().st_size
