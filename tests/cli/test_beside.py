"""What segment writes beside the labels, and the objects that it leaves out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from roifile import roiread

import napari_grd.api as grd
from napari_grd.data.simulate import nuclei_2d
from napari_grd.io.label_image import read_labels

OPTIONS = ("--runtime", "torch", "--precision", "f32")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    picture, _ = nuclei_2d(np.random.default_rng(1), (128, 128))
    place = {"axes": "YX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "Channel": {"Name": ["DAPI"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", picture, metadata=place)
    return tmp_path / "a.ome.tif"


def test_tables_and_objects_are_those_of_the_labels(call, image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kinds = ("--also", "imagej,geojson", "--also", "coco", "--also", "csv,parquet")
    done = call("segment", image, *OPTIONS, "--out", out, *kinds, "--exclude-border", "--min-size", 60)
    assert done.code == 0, done.err
    labels = read_labels(out / "a.tif").pixels
    ids = np.unique(labels[labels > 0]).tolist()
    assert ids
    everything = grd.segment(
        grd.load_model("nuclei"), grd.read_image(image).pixels, grd.SegmentConfig(runtime="torch", precision="f32")
    )
    np.testing.assert_array_equal(labels, grd.filter_objects(everything, exclude_border=True, min_size=60))
    assert len(ids) < everything.max()
    assert [int(roi.name) for roi in roiread(out / "a.zip")] == ids
    features = json.loads((out / "a.geojson").read_text("utf-8"))["features"]
    assert [int(feature["properties"]["name"]) for feature in features] == ids
    assert features[0]["properties"]["measurements"]["Area µm^2"] == (labels == ids[0]).sum() / 4
    coco = json.loads((out / "a.json").read_text("utf-8"))
    assert [image["file_name"] for image in coco["images"]] == ["a.ome.tif"]
    assert [annotation["label"] for annotation in coco["annotations"]] == ids
    table = pd.read_csv(out / "a.csv")
    assert table["label"].tolist() == ids
    assert table["area [µm²]"].tolist() == [(labels == label).sum() / 4 for label in ids]
    assert "intensity_mean-DAPI" in table
    pd.testing.assert_frame_equal(table, pd.read_parquet(out / "a.parquet"), check_dtype=False)
    again = call("segment", image, *OPTIONS, "--out", out, *kinds)
    assert (again.code, "6 of the output files exist already" in again.err) == (2, True)


def test_another_kind_is_refused_before_anything_is_done(call, image: Path, tmp_path: Path) -> None:
    done = call("segment", image, "--out", tmp_path / "out", "--also", "xlsx")
    assert done.code == 2
    assert "'xlsx' is not a kind of file. Choose of: imagej, geojson, coco, csv, parquet." in done.err
    assert not (tmp_path / "out").exists()
