"""Files that bioio reads become calibrated layers, lazily; what is missing is named."""

import sys
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_grd._napari.files import bioio_layers as module
from napari_grd._napari.files.bioio_layers import bioio_layers
from napari_grd.errors import DataError
from napari_grd.io import vendor

pytestmark = pytest.mark.filterwarnings(
    "ignore:As of version 0.4.0, the parser argument is ignored:DeprecationWarning"  # bioio-ome-tiff asks ome-types so
)


def write(path: Path, *scenes: Any, axes: str, **metadata: Any) -> Path:
    with tifffile.TiffWriter(path, ome=True) as file:
        for data in scenes:
            photometric = "rgb" if axes.endswith("S") else "minisblack"
            file.write(data, photometric=photometric, metadata={"axes": axes, **metadata})
    return path


def test_channels_sizes_and_units(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 999, (2, 5, 30, 40), dtype=np.uint16)
    sizes = {"PhysicalSizeZ": 2.0, "PhysicalSizeY": 0.25, "PhysicalSizeX": 0.5}
    path = write(tmp_path / "a.ome.tiff", data, axes="CZYX", Channel={"Name": ["DAPI", "GFP"]}, **sizes)
    layers = bioio_layers(path)
    assert [options["name"] for _, options, _ in layers] == ["DAPI", "GFP"]
    for index, (found, options, kind) in enumerate(layers):
        assert (kind, type(found)) == ("image", da.Array)
        image = Image(found, **options)
        assert tuple(image.scale) == (2, 0.25, 0.5)
        assert [str(unit) for unit in image.units] == ["micrometer"] * 3
        assert image.axis_labels == ("z", "y", "x")
        np.testing.assert_array_equal(np.asarray(found), data[index])


def test_color_stays_together(tmp_path: Path) -> None:
    data = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    ((found, options, _),) = bioio_layers(write(tmp_path / "a.ome.tiff", data, axes="YXS"))
    image = Image(found, **options)
    assert image.rgb
    assert image.axis_labels == ("y", "x")
    np.testing.assert_array_equal(np.asarray(found), data)


def test_the_first_of_several_scenes_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SCENES", 2)
    scenes = [np.full((20, 30), value, np.uint8) for value in (1, 2, 3)]
    warnings: list[str] = []
    monkeypatch.setattr(module, "show_warning", warnings.append)
    layers = bioio_layers(write(tmp_path / "a.ome.tiff", *scenes, axes="YX"))
    assert warnings == ["a.ome.tiff holds 3 scenes; the first 2 were opened."]
    assert [options["visible"] for _, options, _ in layers] == [True, False]
    assert [int(np.asarray(data).max()) for data, _, _ in layers] == [1, 2]


def test_what_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.czi").write_bytes(b"no such image")
    monkeypatch.setattr(vendor, "find_spec", lambda _name: None)
    with pytest.raises(DataError, match="pip install bioio-czi"):
        bioio_layers(tmp_path / "a.czi")
    monkeypatch.setitem(sys.modules, "bioio", None)
    with pytest.raises(DataError, match=r'pip install "napari-grd\[bioio\]" bioio-czi'):
        bioio_layers(tmp_path / "a.czi")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ome.tiff").write_bytes(b"no such image")
    with pytest.raises(DataError, match=r"a.ome.tiff.*cannot be read.*damaged"):
        bioio_layers(tmp_path / "a.ome.tiff")
