"""Files in, label images out, and their scores."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Draw
from napari_grd.corrections.region import Region
from napari_grd.io.images import read_image

TORCH = ("--runtime", "torch", "--precision", "f32")


def test_a_folder_is_segmented_with_metadata_and_outlines(
    call, model_file: Path, dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = call(
        "segment", dataset, "--model", model_file, "--out", out, "--outlines", *TORCH, "--set", "partition.bias=0.1"
    )
    assert done.code == 0, done.err
    assert len(list(out.glob("*.tif"))) == 5
    assert read_image(out / "0.tif").shape == (64, 64)
    with tifffile.TiffFile(out / "0.tif") as file:
        metadata = json.loads(file.imagej_metadata["Info"])
    assert metadata["model"] == "a-model"
    assert metadata["precision"] == "f32"
    assert metadata["config"]["partition"]["bias"] == 0.1
    with Image.open(out / "0-outlines.png") as picture:
        assert picture.size == (64, 64)


def test_nothing_is_overwritten_unless_forced(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    first = [dataset / "images" / "0.tif", "--model", model_file, "--out", tmp_path / "out", *TORCH]
    assert call("segment", *first).code == 0
    refused = call("segment", *first)
    assert refused.code == 2
    assert "--force" in refused.err
    assert call("segment", *first, "--force").code == 0
    again = call("segment", *first, "--skip-existing")
    assert (again.code, again.out) == (0, "")
    assert "0 segmented, 0 failed, 1 skipped" in again.err


def test_labels_do_not_overwrite_the_images(call, model_file: Path, dataset: Path) -> None:
    before = (dataset / "images" / "0.tif").read_bytes()
    done = call("segment", dataset, "--model", model_file, "--out", dataset / "images", "--force", *TORCH)
    assert done.code == 2
    assert (dataset / "images" / "0.tif").read_bytes() == before


def test_the_image_that_cannot_be_segmented_is_named(call, model_file: Path, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "bad.tif", np.full((64, 64), np.nan, np.float32))
    done = call("segment", tmp_path / "bad.tif", "--model", model_file, "--out", tmp_path / "out", *TORCH)
    assert done.code == 1
    assert "bad.tif" in done.err
    assert "NaN" in done.err or "finite" in done.err


def test_inputs_of_one_name_get_folders_of_their_own(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    copies = [dataset / "images" / "0.tif", dataset / "copy" / "0.tif"]
    copies[1].parent.mkdir()
    shutil.copy(*copies)
    done = call("segment", *copies, "--model", model_file, "--out", tmp_path / "out", *TORCH)
    assert done.code == 0, done.err
    assert "subfolders" in done.err
    first, second = (read_image(tmp_path / "out" / folder / "0.tif").pixels for folder in ("images", "copy"))
    np.testing.assert_array_equal(first, second)


def test_scores_of_two_folders(call, dataset: Path, tmp_path: Path) -> None:
    done = call("evaluate", dataset / "labels", dataset / "labels", "--csv", tmp_path / "scores.csv")
    assert done.code == 0, done.err
    assert "ap50" in done.out
    with (tmp_path / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["0", "1", "2", "3", "4", "all"]
    assert all(float(row["pq"]) == 1 for row in rows)


def test_unpaired_files_are_refused(call, dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.copy(dataset / "labels" / "0.tif", tmp_path / "one" / "0.tif")
    done = call("evaluate", dataset / "labels", tmp_path / "one")
    assert done.code == 2
    assert "'1'" in done.err


def test_a_file_is_not_compared_with_a_folder(call, dataset: Path) -> None:
    done = call("evaluate", dataset / "labels", dataset / "labels" / "0.tif")
    assert done.code == 2
    assert "one is a folder" in done.err


@pytest.mark.real
def test_real_labels_score_one_against_themselves(call, real_data: Path) -> None:
    folder = real_data / "usiigaci_phase" / "labels"
    file = sorted(folder.iterdir())[0]
    assert call("evaluate", file, file).code == 0


def test_corrections_are_made_on_the_labels(call, model_file: Path, dataset: Path, tmp_path: Path) -> None:
    path = dataset / "images" / "0.tif"
    corrections = Corrections(ImageRef.of(read_image(path).pixels), [Draw(Region([(3, 4, 30)]))])
    file = save_corrections(corrections, tmp_path / "0.grd-corrections.geojson")
    common = ("--model", model_file, "--out", tmp_path / "out", "--corrections", file, *TORCH)
    done = call("segment", path, *common)
    assert done.code == 0, done.err
    labels = read_image(tmp_path / "out" / "0.tif").pixels
    assert (labels == labels[3, 4]).sum() == 30
    refused = call("segment", dataset, *common, "--force")
    assert refused.code == 2
    assert "there are 5" in refused.err
