"""Channels that a TIFF declares."""

from pathlib import Path

import numpy as np
import tifffile

from napari_grd.io.tiff_axes import stored_channels


def test_colors_damage_and_other_formats_declare_no_channel_axis(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "rgb.ome.tif", np.zeros((8, 9, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(tmp_path / "one.ome.tif", np.zeros((2, 8, 9), np.uint8), metadata={"axes": "ZYX"})
    (tmp_path / "cut.tif").write_bytes((tmp_path / "one.ome.tif").read_bytes()[:90])
    (tmp_path / "a.png").write_bytes(b"")
    for name in ("rgb.ome.tif", "one.ome.tif", "cut.tif", "a.png", "none.tif"):
        assert stored_channels(tmp_path / name) is None, name


def test_names_are_given_or_empty(tmp_path: Path) -> None:
    for metadata, names in (({}, ("", "")), ({"Channel": {"Name": ["a", "b"]}}, ("a", "b"))):
        path = tmp_path / f"{len(metadata)}.ome.tif"
        tifffile.imwrite(path, np.zeros((5, 2, 8, 9), np.uint8), metadata={"axes": "ZCYX"} | metadata)
        found = stored_channels(path)
        assert found is not None
        assert (found.axis, found.shape, found.names) == (1, (5, 2, 8, 9), names)


def test_samples_in_planes_are_channels(tmp_path: Path) -> None:
    data, how = np.zeros((5, 3, 8, 9), np.uint8), {"photometric": "rgb", "planarconfig": "separate"}
    tifffile.imwrite(tmp_path / "a.ome.tif", data, metadata={"axes": "ZCYX"}, **how)
    found = stored_channels(tmp_path / "a.ome.tif")
    assert found is not None
    assert (found.axis, found.shape) == (1, (5, 3, 8, 9))
