"""Label files in, one table out."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

import napari_grd.api as grd
from napari_grd.io.calibration import Calibration
from napari_grd.io.ome_tiff import write_labels_ome_tiff


def draw(size: int = 12) -> np.ndarray[Any, Any]:
    """Two squares inside and one at the rim, of 4, 9 and 2 pixels."""
    labels = np.zeros((size, size), np.uint16)
    labels[2:4, 2:4], labels[5:8, 5:8], labels[0, 9:11] = 3, 5, 9
    return labels


def test_a_folder_is_one_table(call, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "cells.csv"
    done = call("measure", dataset / "labels", dataset / "images", "--out", out)
    assert done.code == 0, done.err
    table = pd.read_csv(out)
    assert sorted(set(table["image"])) == [0, 1, 2, 3, 4]
    for number in range(5):
        labels = tifffile.imread(dataset / "labels" / f"{number}.tif")
        image = tifffile.imread(dataset / "images" / f"{number}.tif")
        expected = grd.measure(labels, {"intensity": image}).columns
        rows = table[table["image"] == number]
        np.testing.assert_array_equal(rows["label"], expected["label"])
        np.testing.assert_allclose(rows["area [px²]"], expected["area"])
        np.testing.assert_allclose(rows["intensity_mean-intensity"], expected["intensity_mean-intensity"])
    assert f"{len(table)} objects in 5 images" in done.out
    assert f"wrote {out}" in done.out
    made_by = json.loads(out.with_suffix(".provenance.json").read_text("utf-8"))
    assert made_by["labels"] == str(dataset / "labels")
    again = tmp_path / "again.csv"
    assert call("measure", dataset, "--out", again).code == 0, "a folder of images and labels"
    assert again.read_bytes() == out.read_bytes()
    refused = call("measure", dataset / "labels", "--out", out)
    assert (refused.code, "--force" in refused.err) == (2, True)


def test_sizes_and_channel_names_come_from_the_files(call, tmp_path: Path) -> None:
    labels = np.stack([draw(), draw()])
    image = np.stack([labels * 2, labels * 3], axis=1)  # zcyx
    image[1, 0, 5:8, 5:8] = 50
    names = {"axes": "ZCYX", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5}
    names |= {"PhysicalSizeZ": 2, "Channel": {"Name": ["DAPI", "GFP"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata=names)
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    out = tmp_path / "a.parquet"
    done = call("measure", tmp_path / "labels.tif", tmp_path / "a.ome.tif", "-o", out)
    assert done.code == 0, done.err
    table = pd.read_parquet(out).set_index("label")
    assert "image" not in table
    assert table["area [nm³]"][3] == pytest.approx(8 * 2000 * 500 * 250)
    assert table["intensity_mean-DAPI"][5] == pytest.approx((10 + 50) / 2)
    assert table["intensity_mean-GFP"].tolist() == [9, 15, 27]
    done = call("measure", tmp_path / "labels.tif", tmp_path / "a.ome.tif", "-o", out, "--per-plane", "--force")
    assert done.code == 0, done.err
    table = pd.read_parquet(out)
    assert table["z"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["area [nm²]"].tolist()[0] == pytest.approx(4 * 500 * 250)


def test_what_the_label_file_says_counts_and_can_be_overruled(call, tmp_path: Path) -> None:
    place = Calibration.of("tyx", (30, 0.5, 0.5), units=("second", "micrometer", "micrometer"))
    path = write_labels_ome_tiff(tmp_path / "a.ome.tif", np.stack([draw(), draw()]), place)
    for options, area in (((), 1.0), (("--pixel-size", "2"), 16.0), (("--pixel-size", "1,3"), 12.0)):
        assert call("measure", path, "-o", tmp_path / "a.csv", "--force", *options).code == 0
        table = pd.read_csv(tmp_path / "a.csv")
        assert table["t"].tolist() == [0, 0, 0, 1, 1, 1]
        assert table["area [µm²]"][0] == area
    wrong = call("measure", path, "-o", tmp_path / "b.csv", "--pixel-size", "1,2,3")
    assert wrong.code == 1
    assert "3 numbers, and the axes are 'tyx'" in wrong.err
    place = Calibration.of("zyx", (1, 0.5, 0.5), units=(None, "micrometer", "micrometer"))
    write_labels_ome_tiff(path, np.stack([draw(), draw()]), place)
    done = call("measure", path, "-o", tmp_path / "c.csv")
    assert "along z is not known" in done.err
    assert pd.read_csv(tmp_path / "c.csv")["area [px³]"].tolist() == [8, 18, 4]


def test_objects_at_the_border_too_small_or_too_large_are_left_out(call, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", draw())
    for options, kept in (
        (["--exclude-border"], [3, 5]),
        (["--min-size", 4, "--max-size", 8], [3]),
        (["--exclude-border", "--border-axes", "x"], [3, 5, 9]),
    ):
        done = call("measure", tmp_path / "a.tif", "-o", tmp_path / "a.csv", "--force", *options)
        assert done.code == 0, done.err
        assert pd.read_csv(tmp_path / "a.csv")["label"].tolist() == kept
        assert ("excluded" in done.out) == (len(kept) < 3)


def test_a_bad_file_is_named_and_the_others_are_done(call, dataset: Path, tmp_path: Path) -> None:
    (dataset / "labels" / "1.tif").write_bytes(b"II*\0 cut off")
    tifffile.imwrite(dataset / "images" / "3.tif", np.zeros((9, 9), np.uint8))
    (dataset / "images" / "4.tif").unlink()
    done = call("measure", dataset / "labels", dataset / "images", "-o", tmp_path / "a.csv")
    assert done.code == 1
    assert sorted(set(pd.read_csv(tmp_path / "a.csv")["image"])) == [0, 2]
    told = [line for line in done.err.splitlines() if line.startswith("Error:")]
    assert [name in line for name, line in zip(("1.tif", "3.tif", "4.tif"), told, strict=True)] == [True] * 3
    assert "3 of 5 files could not be used; 2 were done" in done.err
    made_by = json.loads((tmp_path / "a.provenance.json").read_text("utf-8"))
    assert len(made_by["failed"]) == 3
    shutil.rmtree(dataset / "images")
    only = call("measure", dataset / "labels" / "1.tif", "-o", tmp_path / "b.csv")
    assert (only.code, (tmp_path / "b.csv").exists()) == (1, False)


def test_stacks_and_planes_share_a_table(call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", draw())
    tifffile.imwrite(tmp_path / "in" / "b.tif", np.zeros((12, 12), np.uint8))
    tifffile.imwrite(tmp_path / "in" / "c.ome.tif", np.stack([draw(), draw()]), metadata={"axes": "TYX"})
    for suffix, read in ((".csv", pd.read_csv), (".parquet", pd.read_parquet)):
        assert call("measure", tmp_path / "in", "-o", tmp_path / f"t{suffix}").code == 0
        table = read(tmp_path / f"t{suffix}")
        assert table["image"].tolist() == ["a"] * 3 + ["c"] * 6
        assert table.columns[:3].tolist() == ["image", "label", "t"]
        assert table["t"].isna().tolist() == [True] * 3 + [False] * 6
        assert table["t"].dropna().tolist() == [0, 0, 0, 1, 1, 1]


def test_labels_that_a_program_saved_beside_its_images_are_meant(call, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    tifffile.imwrite(tmp_path / "in" / "a.tif", draw() * 100)
    tifffile.imwrite(tmp_path / "in" / "b.tif", draw() * 100)
    tifffile.imwrite(tmp_path / "in" / "a_cp_masks.tif", draw())
    done = call("measure", tmp_path / "in", "-o", tmp_path / "a.csv")
    assert done.code == 0, done.err
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["image"].tolist() == ["a"] * 3
    assert table["intensity_mean-intensity"].tolist() == [300, 500, 900]


def test_an_image_in_place_of_labels_is_told(call, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(100, 400, (90, 90)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", picture)
    done = call("measure", tmp_path / "a.tif", "-o", tmp_path / "a.csv", "--min-size", 20)
    assert "looks like an image, not like labels" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.tif"], "no label image 'nowhere.tif'"),
        (["labels", "-o", "table.xlsx"], r".csv or .parquet"),
        (["labels", "images/0.tif"], "one is a folder"),
        (["labels", "--min-size", -1], "-1 pixels"),
        (["labels", "labels/none"], "one is a folder"),
        (["images/0.tif", "--exclude-border", "--border-axes", "tyx"], "--border-axes is 'tyx'"),
        (["images/0.tif", "--pixel-size", "0.5µm"], "'0.5µm' is invalid"),
    ],
)
def test_wrong_usage_is_told(
    call, dataset: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[Any], words: str
) -> None:
    monkeypatch.chdir(dataset)
    done = call("measure", *arguments)
    assert done.code == 2
    assert words in done.err
    assert not list(dataset.glob("*.csv"))
