"""OME-Zarr of all versions is understood; what is wrong with one is said."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.storage import LocalStore, ZipStore

from napari_grd.errors import DataError
from napari_grd.io.image_data import Channel
from napari_grd.io.ome_zarr import read_ome_zarr
from napari_grd.io.ome_zarr_metadata import is_ome_zarr

Make = Callable[..., Path]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_an_image_with_its_pyramid_channels_and_labels(make_ome_zarr: Make, tmp_path: Path, version: str) -> None:
    (image,) = read_ome_zarr(make_ome_zarr(tmp_path / "a.ome.zarr", version))
    assert (image.name, image.is_labels, image.channel_axis) == ("a", False, 0)
    assert [level.shape for level in image.levels] == [(2, 3, 64, 80), (2, 3, 32, 40)]
    assert image.calibration.axes == ("c", "z", "y", "x")
    assert image.calibration.scale == (1, 2, 0.5, 0.5)
    assert image.calibration.translate == (0, 5, 1, 2)
    assert image.calibration.units == (None, "micrometer", "micrometer", "micrometer")
    assert image.channels == (Channel("DAPI", "0000FF", (10.0, 900.0), True), Channel("GFP", "00FF00", None, False))
    (labels,) = image.labels
    assert (labels.name, labels.is_labels, labels.levels[0].dtype) == ("cells", True, np.uint32)
    assert labels.calibration.translate == (5, 1, 2)


@pytest.mark.parametrize(("version", "name"), [("0.4", ".zattrs"), ("0.5", "zarr.json"), ("0.5", "labels")])
def test_parts_of_the_folder_open_too(make_ome_zarr: Make, tmp_path: Path, version: str, name: str) -> None:
    part = make_ome_zarr(tmp_path / "a.zarr", version) / name
    assert is_ome_zarr(part)
    assert read_ome_zarr(part)[0].is_labels == (name == "labels")


def test_a_zipped_one(make_ome_zarr: Make, tmp_path: Path) -> None:
    folder = make_ome_zarr(tmp_path / "a.zarr")
    shutil.make_archive(str(tmp_path / "a"), "zip", folder)
    packed = (tmp_path / "a.zip").rename(tmp_path / "a.ozx")
    (image,) = read_ome_zarr(packed)
    np.testing.assert_array_equal(image.levels[0][:], read_ome_zarr(folder)[0].levels[0][:])
    assert isinstance(image.levels[0].store, ZipStore)
    image.levels[0].store.close()


def test_steps_of_the_whole_pyramid_come_after_those_of_a_level(make_ome_zarr: Make, tmp_path: Path) -> None:
    path = make_ome_zarr(tmp_path / "a.zarr")
    group = zarr.open_group(path)
    ome = group.attrs["ome"]
    ome["multiscales"][0]["coordinateTransformations"] = [{"type": "scale", "scale": [1, 10, 10, 10]}]
    group.attrs["ome"] = ome
    calibration = read_ome_zarr(path)[0].calibration
    assert calibration.scale == (1, 20, 5, 5)
    assert calibration.translate == (0, 50, 10, 20)


@pytest.mark.parametrize("axes", [None, ["t", "c", "z", "y", "x"]])
def test_the_first_versions_had_five_axes_and_no_steps(tmp_path: Path, axes: list[str] | None) -> None:
    group = zarr.open_group(tmp_path / "old.zarr", mode="w", zarr_format=2)
    group.create_array("0", data=np.zeros((1, 2, 1, 8, 9), np.uint8))
    group.attrs["multiscales"] = [{"datasets": [{"path": "0"}]} | ({"axes": axes} if axes else {})]
    (image,) = read_ome_zarr(tmp_path / "old.zarr")
    assert image.calibration.axes == tuple("tczyx")
    assert image.calibration.scale == (1,) * 5
    assert image.channels == (Channel(), Channel())


def test_a_collection_gives_all_its_images_in_order(make_ome_zarr: Make, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "plate.zarr", mode="w")
    group.attrs["ome"] = {"version": "0.5", "bioformats2raw.layout": 3}
    for key in ("0", "2", "10"):
        make_ome_zarr(tmp_path / "plate.zarr" / key)
    assert [image.name for image in read_ome_zarr(tmp_path / "plate.zarr")] == ["plate 0", "plate 2", "plate 10"]


@pytest.mark.parametrize(
    "omero",
    [
        {"channels": [{"color": "green", "window": {"start": 9, "end": 9}}] * 2},
        {"channels": [{"label": "one of"}]},
        {"channels": None},
    ],
)
def test_odd_channels_have_plain_defaults(make_ome_zarr: Make, tmp_path: Path, omero: dict[str, object]) -> None:
    assert read_ome_zarr(make_ome_zarr(tmp_path / "a.zarr", **omero))[0].channels == (Channel(), Channel())


def test_nothing_but_metadata_is_read(make_ome_zarr: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_ome_zarr(tmp_path / "a.zarr")
    asked: list[str] = []
    get = LocalStore.get

    async def watched(self: LocalStore, key: str, *args: object, **options: object) -> object:
        asked.append(key)
        return await get(self, key, *args, **options)

    monkeypatch.setattr(LocalStore, "get", watched)
    read_ome_zarr(path)
    assert asked
    assert not [key for key in asked if "/c/" in key]


def test_other_folders_are_no_ome_zarr(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "plain.zarr", data=np.zeros((4, 4)))
    (tmp_path / "images").mkdir()
    (tmp_path / "zarr.json").write_text("[]")
    assert not any(is_ome_zarr(tmp_path / name) for name in ("plain.zarr", "images", "zarr.json", "nowhere", "a.ozx"))


def spoil_metadata(path: Path) -> None:
    content = json.loads((path / "zarr.json").read_text())
    content["attributes"]["ome"]["multiscales"][0]["datasets"] = 7
    (path / "zarr.json").write_text(json.dumps(content))


def turn_into_a_plate(path: Path) -> None:
    zarr.open_group(path).attrs["ome"] = {"version": "0.5", "plate": {}}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: shutil.rmtree(path), "There is no OME-Zarr"),
        (lambda path: shutil.rmtree(path / "0"), "cannot be read.*copy the whole folder again"),
        (spoil_metadata, "cannot be read.*damaged"),
        (lambda path: (path / "zarr.json").write_text("{"), "cannot be read"),
        (turn_into_a_plate, "contains no image"),
        (lambda path: zarr.open_group(path, mode="w"), "no OME metadata"),
        (lambda path: zarr.open_group(path, mode="w").attrs.update(ome={"labels": []}), "contains no image"),
    ],
)
def test_what_is_wrong_is_said(
    make_ome_zarr: Make, tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    path = make_ome_zarr(tmp_path / "a.zarr")
    spoil(path)
    with pytest.raises(DataError, match=f"a.zarr.*{words}|{words}.*a.zarr"):
        read_ome_zarr(path)
