"""A folder of images becomes label images and tables, from the window."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tifffile import imwrite

from napari_grd._napari.live.folder_job import FolderRequest, iter_segment_folder
from napari_grd.api import segment
from napari_grd.config import SegmentConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import OutputError
from napari_grd.io.label_image import read_label_image
from napari_grd.jobs import drain


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images, a file that is none, and a damaged one."""
    folder = tmp_path / "images of today"
    folder.mkdir()
    for number, name in enumerate(("a.tif", "b.tif")):
        image = nuclei_2d(np.random.default_rng(number), (96, 96))[0]
        imwrite(folder / name, image, resolution=(2.0, 2.0), metadata={"unit": "um"}, imagej=True)
    (folder / "notes.txt").write_text("of the microscope")
    (folder / "broken.tif").write_bytes(b"II*\0nothing")
    return folder


def press(widget: Any, qtbot: Any) -> str:
    QTest.mouseClick(widget.folder.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: widget.folder.start.isEnabled() and widget.folder.bar.isHidden(), timeout=120_000)
    return str(widget.message.text())


def test_a_folder_is_segmented_beside_make_permanent(live_widget: Any, images: Path, nuclei: Any, qtbot: Any) -> None:
    live_widget.batch.expand()
    assert "No folder of images is chosen" in press(live_widget, qtbot)
    live_widget.folder.folder.setText(str(images / "nowhere"))
    assert "There is no folder" in press(live_widget, qtbot)
    live_widget.folder.folder.setText(str(images))
    said = press(live_widget, qtbot)
    out = images / "labels nuclei"
    assert "Segmented 2 images" in said
    assert "broken.tif failed" in said
    assert str(out) in said
    assert sorted(path.name for path in out.iterdir() if path.suffix in (".tif", ".csv")) == [
        *("a.csv", "a.tif", "b.csv", "b.tif")
    ]
    for number, name in enumerate(("a", "b")):
        labels = read_label_image(out / f"{name}.tif")
        image = nuclei_2d(np.random.default_rng(number), (96, 96))[0]
        np.testing.assert_array_equal(labels, segment(nuclei, image))
        rows = list(csv.DictReader(io.StringIO((out / f"{name}.csv").read_text(encoding="utf-8-sig"))))
        assert [int(row["label"]) for row in rows] == [one for one in np.unique(labels).tolist() if one]
        area = next(key for key in rows[0] if key.startswith("area"))
        assert area == "area [µm²]"
        assert float(rows[0][area]) == pytest.approx(np.count_nonzero(labels == int(rows[0]["label"])) / 4)
    assert "exist already" in press(live_widget, qtbot)
    (out / "b.tif").unlink()
    live_widget.folder.skip.setChecked(True)
    said = press(live_widget, qtbot)
    assert "Segmented 1 image:" in said
    assert "1 had labels and were skipped" in said
    assert (out / "b.tif").exists()


def test_stopping_keeps_what_is_finished(images: Path, nuclei: Any, tmp_path: Path) -> None:
    out = tmp_path / "results"
    job = iter_segment_folder(FolderRequest(images, out, nuclei, SegmentConfig(), tables=False))
    while not (out / "a.tif").exists():
        next(job)
    job.close()
    assert [path.name for path in out.iterdir()] == ["a.tif"]
    result = drain(iter_segment_folder(FolderRequest(images, out, nuclei, SegmentConfig(), tables=False, skip=True)))
    assert [path.name for path in result.labels] == ["b.tif"]
    assert result.skipped == 1


def test_images_are_never_replaced(images: Path, nuclei: Any) -> None:
    with pytest.raises(OutputError, match="would replace the images"):
        drain(iter_segment_folder(FolderRequest(images, images, nuclei, SegmentConfig(), skip=True)))
