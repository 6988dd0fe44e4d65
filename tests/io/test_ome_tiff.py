"""Labels written as OME-TIFF come back exactly, with sizes, place and maker."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dask.array as da
import numpy as np
import pytest
import tifffile

from napari_grd.errors import DataError, LabelError, OutputError
from napari_grd.io.calibration import Calibration
from napari_grd.io.ome_tiff import holds_labels, read_provenance, write_labels_ome_tiff

UM = "micrometer"
MADE = {"version": "1.0", "model": {"name": "nuclei <µ&>"}}


def draw(*shape: int, highest: int = 70_000) -> Any:
    return np.random.default_rng(0).integers(0, highest, shape)


def described(path: Path) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Attributes of the element Pixels and of each Plane."""
    with tifffile.TiffFile(path) as file:
        elements = list(ElementTree.fromstring(file.ome_metadata or "").iter())
    pixels, planes = ([e.attrib for e in elements if e.tag.endswith(name)] for name in ("}Pixels", "}Plane"))
    return pixels[0], planes


@pytest.mark.parametrize("wrap", [np.asarray, lambda labels: da.from_array(labels, chunks=20)])
def test_labels_sizes_place_and_maker_come_back(tmp_path: Path, wrap: Any) -> None:
    labels = draw(2, 3, 40, 50)
    place = Calibration.of("tzyx", (30, 2, 0.25, 0.5), (0, 10, 1, 2), ("second", UM, "nanometer", UM))
    path = write_labels_ome_tiff(tmp_path / "a.ome.tif", wrap(labels), place, MADE)
    np.testing.assert_array_equal(tifffile.imread(path), labels)
    pixels, planes = described(path)
    assert (pixels["Type"], pixels["SizeT"], pixels["SizeZ"], pixels["SizeC"]) == ("uint32", "2", "3", "1")
    assert (pixels["PhysicalSizeZ"], pixels["PhysicalSizeZUnit"]) == ("2.0", "µm")
    assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeYUnit"]) == ("0.25", "nm")
    assert (pixels["TimeIncrement"], pixels["TimeIncrementUnit"]) == ("30.0", "s")
    assert [(p["TheT"], p["TheZ"], p["DeltaT"], p["PositionZ"]) for p in planes[2:4]] == [
        ("0", "2", "0.0", "14.0"),
        ("1", "0", "30.0", "10.0"),
    ]
    assert {(p["PositionX"], p["PositionXUnit"]) for p in planes} == {("2.0", "µm")}
    assert read_provenance(path) == MADE


@pytest.mark.parametrize(
    ("shape", "axes", "stored"),
    [
        ((7, 8), "yx", "YX"),
        ((4, 7, 3), "zyx", "ZYX"),
        ((4, 7, 3), "tyx", "TYX"),
        ((2, 4, 7, 8), ("angle", "t", "y", "x"), "ZTYX"),
        ((2, 3, 4, 7, 8), "tczyx", "TCZYX"),
    ],
)
def test_axes_keep_their_names_where_ome_has_them(tmp_path: Path, shape: Any, axes: Any, stored: str) -> None:
    labels = draw(*shape, highest=60_000)
    path = write_labels_ome_tiff(tmp_path / "a.ome.tiff", labels, Calibration.of(axes))
    with tifffile.TiffFile(path) as file:
        assert (file.series[0].axes, file.series[0].dtype) == (stored, np.uint16)
        np.testing.assert_array_equal(file.series[0].asarray(), labels)
    assert read_provenance(path) == {}
    assert "PhysicalSizeX" not in described(path)[0]


def test_a_file_of_another_kind_has_no_maker(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4), np.uint8))
    assert read_provenance(tmp_path / "a.tif") == {}
    (tmp_path / "b.tif").write_bytes(b"no TIFF at all")
    with pytest.raises(DataError, match=r"b.tif.*cannot be read"):
        read_provenance(tmp_path / "b.tif")


@pytest.mark.parametrize(
    ("metadata", "dtype", "found"),
    [
        ({"Channel": {"Name": ["Labels"]}}, np.uint16, True),
        ({"Name": "instance_labels"}, np.uint16, True),
        ({"Name": "cell masks"}, np.uint8, True),
        ({"Name": "labels"}, np.float32, False),
        ({"Name": "cells labeled with DAPI"}, np.uint16, False),
        ({"Name": "labels", "axes": "CYX"}, np.uint16, False),
        ({}, np.uint16, False),
    ],
)
def test_labels_are_known_by_what_the_metadata_say(tmp_path: Path, metadata: Any, dtype: Any, found: bool) -> None:
    shape = (2, 4, 5) if "axes" in metadata else (4, 5)
    tifffile.imwrite(tmp_path / "a.ome.tif", np.ones(shape, dtype), metadata=metadata)
    assert holds_labels(tmp_path / "a.ome.tif") is found


def test_labels_of_ours_are_known_with_and_without_provenance(tmp_path: Path) -> None:
    for made in ({}, MADE):
        assert holds_labels(write_labels_ome_tiff(tmp_path / "a.ome.tif", draw(4, 5), Calibration.of("yx"), made))
    (tmp_path / "b.ome.tif").write_bytes((tmp_path / "a.ome.tif").read_bytes()[:30])
    (tmp_path / "c.ome.tif").write_bytes(b"II*\0")
    tifffile.imwrite(tmp_path / "d.ome.tif", np.ones((4, 5), np.uint8), description="<OME", metadata=None)
    assert not [name for name in ("b", "c", "d", "none") if holds_labels(tmp_path / f"{name}.ome.tif")]


@pytest.mark.parametrize(
    ("name", "labels", "kind", "words"),
    [
        ("a.png", draw(4, 4), OutputError, r"a.png.*\.ome\.tif"),
        ("a.ome.tif", np.zeros((4, 4)), LabelError, "float64"),
        ("a.ome.tif", draw(1, 1, 1, 1, 4, 4), LabelError, "6 axes.*at most five"),
        ("none/a.ome.tif", draw(4, 4), OutputError, "no folder"),
    ],
)
def test_what_cannot_be_written(tmp_path: Path, name: str, labels: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        write_labels_ome_tiff(tmp_path / name, labels, Calibration.of("abtzyx"[-labels.ndim :]))
    assert not list(tmp_path.iterdir())
