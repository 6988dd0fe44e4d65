"""Microscopes' own formats go through bioio, which reads OME-TIFF as we do; what is missing to read one is named."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile

import napari_grd.api as grd
from napari_grd.errors import DataError
from napari_grd.io import vendor
from napari_grd.io.images import _number
from napari_grd.io.vendor import list_vendor, read_vendor

pytestmark = pytest.mark.filterwarnings(
    "ignore:As of version 0.4.0, the parser argument is ignored:DeprecationWarning"  # bioio-ome-tiff asks ome-types so
)
SIZES = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.5, "TimeIncrement": 30.0}


def write(path: Path, *scenes: Any, axes: str, **metadata: Any) -> Path:
    with tifffile.TiffWriter(path, ome=True) as file:
        for number, data in enumerate(scenes):
            kind = "rgb" if axes.endswith("S") else "minisblack"
            file.write(data, photometric=kind, metadata={"axes": axes, "Name": f"pos {number}", **metadata})
    return path


def in_order(pixels: Any, axes: str) -> np.ndarray:
    return np.transpose(pixels, [axes.index(axis) for axis in "tczyx" if axis in axes])


@pytest.mark.parametrize(("shape", "axes"), [((2, 3, 2, 20, 30), "TZCYX"), ((4, 20, 30), "ZYX"), ((20, 30, 3), "YXS")])
def test_bioio_reads_ome_tiff_as_we_do(tmp_path: Path, shape: tuple[int, ...], axes: str) -> None:
    data = np.random.default_rng(0).integers(0, 250, shape).astype(np.uint8 if axes == "YXS" else np.uint16)
    names = {"Channel": {"Name": ["DAPI", "GFP"]}} if "C" in axes else {}
    path = write(tmp_path / "a.ome.tif", data, axes=axes, **SIZES, **names)
    ours = grd.read_image(path)
    theirs = read_vendor(path, lambda names: 0, axes=None, lazy_bytes=10**9)
    assert theirs.is_rgb == ours.is_rgb
    wanted = in_order(data, axes.replace("S", "C").lower())
    for image in (ours, theirs):
        np.testing.assert_array_equal(in_order(image.pixels, image.axes), wanted)
    for axis in set(ours.axes) - {"c", "t"}:  # of OME-TIFF it does not tell the time between frames
        one, other = ours.axes.index(axis), theirs.axes.index(axis)
        assert ours.calibration.scale[one] == theirs.calibration.scale[other]
        assert ours.calibration.units[one] == theirs.calibration.units[other]
    if "C" in axes:
        assert [channel.name for channel in theirs.channels] == ["DAPI", "GFP"]


def test_scenes_are_images_of_their_own(tmp_path: Path) -> None:
    scenes = [np.full((20, 30), value, np.uint8) for value in (1, 2, 3)]
    path = write(tmp_path / "a.ome.tif", *scenes, axes="YX")
    assert len(list_vendor(path)) == 3
    image = read_vendor(path, partial(_number, path, 2), axes=None, lazy_bytes=10)
    assert isinstance(image.pixels, da.Array)
    assert (image.axes, int(np.asarray(image.pixels).max()), image.series) == ("yx", 3, 2)


def test_what_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.CZI").write_bytes(b"no such image")
    monkeypatch.setattr(vendor, "find_spec", lambda _name: None)
    with pytest.raises(DataError, match=r"a.CZI' cannot be read .*pip install bioio-czi"):
        grd.read_image(tmp_path / "a.CZI")
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(DataError, match=r'pip install "napari-grd\[bioio\]" bioio-czi'):
        grd.read_image(tmp_path / "a.CZI")
