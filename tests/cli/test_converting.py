"""Label files in, files of other programs out."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pycocotools.coco import COCO
from roifile import roiread

# pycocotools', of how it hands out a mask.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
ALL = ("--to", "imagej", "--to", "geojson", "--to", "coco")


def test_a_folder_goes_to_imagej_qupath_and_one_coco_file(call, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = call("convert", dataset / "labels", dataset / "images", *ALL, "--out", out, "--class", "disc")
    assert done.code == 0, done.err
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(out / "annotations.json"))
    assert [one["file_name"] for one in coco.imgs.values()] == [f"{number}.tif" for number in range(5)]
    for number, image in enumerate(coco.imgs):
        labels = tifffile.imread(dataset / "labels" / f"{number}.tif")
        ids = np.unique(labels[labels > 0]).tolist()
        found = coco.loadAnns(coco.getAnnIds(imgIds=image))
        assert [one["label"] for one in found] == ids
        assert all(np.array_equal(coco.annToMask(one), labels == one["label"]) for one in found)
        assert [int(roi.name) for roi in roiread(out / f"{number}.zip")] == ids
        features = json.loads((out / f"{number}.geojson").read_text())["features"]
        assert [feature["properties"]["classification"]["name"] for feature in features] == ["disc"] * len(ids)
    assert len([line for line in done.out.splitlines() if line.startswith("wrote")]) == 11
    refused = call("convert", dataset / "labels", *ALL, "--out", out)
    assert (refused.code, "11 of the output files exist already" in refused.err) == (2, True)


def test_one_file_with_its_pixel_size_and_without_what_is_cut_off(call, tmp_path: Path) -> None:
    labels = np.zeros((2, 12, 12), np.uint16)
    labels[:, 2:4, 2:4], labels[0, 5:8, 5:8], labels[1, 0, 9:11] = 3, 5, 9
    tifffile.imwrite(tmp_path / "a.tif", labels, metadata={"axes": "ZYX"})
    options = (*ALL, "--exclude-border", "--min-size", 9, "--pixel-size", "2,0.5,0.5", "-o", tmp_path / "out")
    done = call("convert", tmp_path / "a.tif", *options)
    assert done.code == 0, done.err
    assert [roi.name for roi in roiread(tmp_path / "out" / "a.zip")] == ["0005-z1"]
    (feature,) = json.loads((tmp_path / "out" / "a.geojson").read_text())["features"]
    assert feature["properties"]["measurements"] == {"Area px^2": 9, "Area µm^2": 9 / 4}
    assert (tmp_path / "out" / "a.json").exists()
    options = ("--exclude-border", "--border-axes", "zyx", "-o", tmp_path / "none")
    assert call("convert", tmp_path / "a.tif", *options).code == 0
    assert roiread(tmp_path / "none" / "a.zip") == []
    assert call("convert", tmp_path / "a.tif", *options, "--per-plane", "--force").code == 0
    assert [roi.name for roi in roiread(tmp_path / "none" / "a.zip")] == ["0003-z1", "0005-z1", "0003-z2"]


def test_a_bad_file_is_named_and_the_others_are_done(call, dataset: Path, tmp_path: Path) -> None:
    (dataset / "labels" / "1.tif").write_bytes(b"nothing")
    done = call("convert", dataset / "labels", *ALL, "--out", tmp_path / "out")
    assert done.code == 1
    assert "1.tif" in done.err
    assert "1 of 5 files could not be used; 4 were done" in done.err
    assert len(json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]) == 4
    assert sorted(path.name for path in (tmp_path / "out").glob("*.zip")) == ["0.zip", "2.zip", "3.zip", "4.zip"]
    (dataset / "images" / "3.tif").unlink()
    done = call("convert", dataset / "labels", dataset / "images", *ALL, "--out", tmp_path / "out", "--force")
    assert done.code == 1
    assert "no image for 3.tif" in done.err
    images = json.loads((tmp_path / "out" / "annotations.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["0.tif", "2.tif", "4.tif"]


def test_wrong_usage_is_told(call, dataset: Path, tmp_path: Path) -> None:
    done = call("convert", dataset / "labels", "--to", "yolo", "--out", tmp_path / "out")
    assert (done.code, "imagej, geojson, coco" in done.err) == (2, True)
    done = call("convert", tmp_path / "none.tif", "--out", tmp_path / "out")
    assert (done.code, "none.tif" in done.err) == (2, True)
    assert not (tmp_path / "out").exists()
