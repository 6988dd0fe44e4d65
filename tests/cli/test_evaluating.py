"""Evaluate understands label images as programs save them."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_grd.metrics.scores import evaluate

LABELS = np.zeros((40, 40), np.uint16)
for number, (y, x) in enumerate([(2, 2), (2, 22), (22, 2), (22, 22)], start=1):
    LABELS[y : y + 12, x : x + 12] = number


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "ref.tif", LABELS)
    return tmp_path / "ref.tif"


@pytest.mark.parametrize(
    "stored",
    [LABELS.astype(np.float32), LABELS[None], (LABELS > 0) * np.uint8(255), LABELS.astype(np.int16) - (LABELS == 0)],
)
def test_labels_of_all_kinds(call, tmp_path: Path, reference: Path, stored: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", stored)
    done = call("evaluate", reference, tmp_path / "a.tif")
    assert done.code == 0, done.err
    assert "│ ap50      │ 1.0000 │" in done.out
    assert ("a.tif is a mask" in done.err) == (stored.dtype == np.uint8)


def test_folders_with_the_names_of_cellpose_and_ome(call, tmp_path: Path) -> None:
    for folder in ("found", "true"):
        (tmp_path / folder).mkdir()
    tifffile.imwrite(tmp_path / "true" / "a.tif", LABELS)
    tifffile.imwrite(tmp_path / "true" / "b.tif", LABELS)
    Image.fromarray(LABELS).save(tmp_path / "found" / "a_cp_masks.png")
    tifffile.imwrite(tmp_path / "found" / "b.ome.tif", LABELS, metadata={"axes": "YX"})
    Image.fromarray(LABELS.astype(np.uint8)).save(tmp_path / "found" / "a-outlines.png")
    done = call("evaluate", tmp_path / "true", tmp_path / "found")
    assert done.code == 0, done.err
    assert "2 images" in done.out


def test_a_file_that_does_not_fit_is_named(call, tmp_path: Path, reference: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", LABELS[:20])
    done = call("evaluate", reference, tmp_path / "a.tif")
    assert done.code == 2
    assert "a.tif" in done.err


def test_the_reference_comes_first(call, tmp_path: Path, reference: Path) -> None:
    """Only variation of information tells which of two label images is the reference."""
    merged = (LABELS + 1) // 2
    tifffile.imwrite(tmp_path / "merged.tif", merged)
    done = call("evaluate", reference, tmp_path / "merged.tif", "--csv", tmp_path / "scores.csv")
    assert done.code == 0, done.err
    with (tmp_path / "scores.csv").open() as file:
        scores = next(csv.DictReader(file))
    wanted = evaluate(reference=LABELS, labels=merged)
    assert wanted.voi_merge > wanted.voi_split
    assert float(scores["voi_merge"]) == pytest.approx(wanted.voi_merge, abs=1e-3)
    assert float(scores["voi_split"]) == pytest.approx(wanted.voi_split, abs=1e-3)
