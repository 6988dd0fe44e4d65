"""OME-Zarr of all kinds is an input like any other."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr

import napari_grd.api as grd
from napari_grd.errors import DataError, GrdWarning

Make = Callable[..., Path]
PLANE = np.arange(24 * 30, dtype=np.uint16).reshape(24, 30)


def write(path: Path, data: np.ndarray = PLANE, axes: Any = "yx", version: str = "0.4", **more: Any) -> zarr.Group:
    """An image without anything that need not be there."""
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    group.create_array("0", data=data)
    listed = [{"name": axis, "type": "space"} if isinstance(axis, str) else axis for axis in axes]
    steps = [{"type": "scale", "scale": [0.5] * data.ndim}]
    content = {
        "multiscales": [{"axes": listed, "datasets": [{"path": "0", "coordinateTransformations": steps}]}],
        **more,
    }
    group.attrs.update({"ome": {"version": "0.5", **content}} if version == "0.5" else content)
    return group


def write_plate(path: Path, version: str, wells: tuple[str, ...] = ("A/1", "B/2"), fields: int = 2) -> Path:
    said = {"plate": {"wells": [{"path": well} for well in wells], "field_count": fields, "version": version}}
    root = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    root.attrs.update({"ome": {"version": "0.5", **said}} if version == "0.5" else said)
    for number, well in enumerate(wells):
        row, column = well.split("/")
        group = root.require_group(row).create_group(column)
        listed = {"well": {"images": [{"path": str(field)} for field in range(fields)], "version": version}}
        group.attrs.update({"ome": {"version": "0.5", **listed}} if version == "0.5" else listed)
        for field in range(fields):
            write(path / well / str(field), PLANE + 100 * number + field, version=version)
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_with_its_labels(make_ome_zarr: Make, tmp_path: Path, version: str) -> None:
    image = grd.read_image(make_ome_zarr(tmp_path / "a.ome.zarr", version))
    assert isinstance(image.pixels, da.Array)
    assert (image.name, image.axes, image.shape, image.notes) == ("a", "czyx", (2, 3, 64, 80), ())
    assert image.calibration.scale == (1, 2, 0.5, 0.5)
    assert image.calibration.units == (None, "micrometer", "micrometer", "micrometer")
    assert [channel.name for channel in image.channels] == ["DAPI", "GFP"]
    (labels,) = image.labels
    assert (labels.name, labels.axes, labels.shape) == ("cells", "zyx", (3, 64, 80))
    np.testing.assert_array_equal(labels.pixels, np.asarray(image.pixels)[0] > 500)
    for part in ("labels/cells", "labels", "."):
        with pytest.warns(GrdWarning, match="is a mask"):
            assert grd.read_label_image(tmp_path / "a.ome.zarr" / part).shape == (3, 64, 80)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of its own functions, at import and at every call
def test_what_the_ome_zarr_library_writes(tmp_path: Path) -> None:
    from ome_zarr.io import parse_url
    from ome_zarr.writer import write_image

    data = np.random.default_rng(0).integers(0, 99, (2, 3, 1, 24, 30), dtype=np.uint16)
    store = parse_url(tmp_path / "a.ome.zarr", mode="w").store
    write_image(data, zarr.group(store=store), axes="tczyx", scaler=None)
    image = grd.read_image(tmp_path / "a.ome.zarr")
    assert (image.axes, len(image.channels)) == ("tcyx", 3)
    np.testing.assert_array_equal(image.pixels, data[:, :, 0])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_the_fields_of_a_plate_are_images(tmp_path: Path, version: str) -> None:
    path = write_plate(tmp_path / "p.zarr", version)
    assert grd.list_series(path) == ("A/1/0", "A/1/1", "B/2/0", "B/2/1")
    image = grd.read_image(path, series="B/2/1")
    assert (image.name, int(image.pixels[0, 0])) == ("p_B_2_1", 101)
    assert "contains 4 images" in grd.read_image(path).notes[0]
    assert grd.list_series(path / "B" / "2") == ("0", "1")
    assert grd.read_image(path / "B" / "2", series=1).name == "p_B_2_1"
    assert grd.read_image(path / "B" / "2" / "1").name == "p_B_2_1"
    assert [found.name for found in grd.find_images(tmp_path)] == ["p.zarr"]


def test_wells_and_fields_that_are_missing_are_named(tmp_path: Path) -> None:
    path = write_plate(tmp_path / "p.zarr", "0.4", ("A/1", "A/2", "A/3"))
    shutil.rmtree(path / "A" / "1" / "1")
    shutil.rmtree(path / "A" / "3")
    assert grd.list_series(path) == ("A/1/0", "A/2/0", "A/2/1")
    assert any("2 image(s) that are missing: A/1/1, A/3" in note for note in grd.read_image(path).notes)
    shutil.rmtree(path / "A")
    with pytest.raises(DataError, match="contains no image"):
        grd.read_image(path)


@pytest.mark.parametrize("damage", [shutil.rmtree, lambda path: (path / ".zattrs").write_text("{}")])
def test_a_label_that_is_missing_does_not_keep_the_image(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    labels = write(tmp_path / "a.zarr").create_group("labels")
    labels.attrs["labels"] = ["cells", "nuclei"]
    for name in ("cells", "nuclei"):
        write(tmp_path / "a.zarr" / "labels" / name)
    damage(tmp_path / "a.zarr" / "labels" / "nuclei")
    image = grd.read_image(tmp_path / "a.zarr")
    assert [labels.name for labels in image.labels] == ["cells"]
    assert "missing or damaged: nuclei" in image.notes[0]


def test_colors_of_labels_are_kept_and_nonsense_is_not(tmp_path: Path) -> None:
    from napari_grd.io.ome_zarr import read_ome_zarr

    colors = [{"label-value": 1, "rgba": [255, 0, 300, 255]}, {"label-value": "x"}, 7, {"rgba": [1, 2, 3, 4]}]
    write(tmp_path / "a.zarr", **{"image-label": {"colors": colors}})
    assert read_ome_zarr(tmp_path / "a.zarr")[0].colors == {1: (255, 0, 255, 255)}


def test_odd_units_and_names_of_axes(tmp_path: Path) -> None:
    axes = [
        {"name": "Time", "type": "time", "unit": "s"},
        {"name": "Y", "unit": "µm"},
        {"name": "X", "unit": "pixels per furlong"},
    ]
    write(tmp_path / "a.zarr", np.stack([PLANE] * 3), axes)
    image = grd.read_image(tmp_path / "a.zarr")
    assert (image.axes, image.calibration.units) == ("tyx", ("second", "micrometer", None))


@pytest.mark.parametrize("steps", [[{"type": "identity"}], None])
def test_identity_and_no_steps_at_all(tmp_path: Path, steps: Any) -> None:
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=PLANE[None, None, None])
    dataset = {"path": "0"} | ({"coordinateTransformations": steps} if steps else {})
    group.attrs["multiscales"] = [{"datasets": [dataset]}]
    image = grd.read_image(tmp_path / "a.zarr")
    assert (image.axes, image.calibration.scale) == ("yx", (1, 1))
    np.testing.assert_array_equal(image.pixels, PLANE)


@pytest.mark.parametrize(
    ("names", "axes", "known"), [(None, "zyx", False), (("t", "y", "x"), "tyx", True), (("a", "b", "c"), "zyx", False)]
)
def test_an_array_that_stands_alone(tmp_path: Path, names: Any, axes: str, known: bool) -> None:
    zarr.create_array(tmp_path / "a.zarr", data=np.stack([PLANE] * 4), dimension_names=names)
    image = grd.read_image(tmp_path / "a.zarr")
    assert (image.name, image.axes, image.axes_known, bool(image.notes)) == ("a", axes, known, not known)
    np.testing.assert_array_equal(image.pixels[0], PLANE)


def test_metadata_that_goes_too_deep_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "zarr.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"a.zarr"):
        grd.read_image(tmp_path / "a.zarr")
