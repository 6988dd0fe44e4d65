"""Corrections beside the image, and those of a colleague."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tifffile import imwrite

from napari_grd._napari.correct import storage
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Merge
from napari_grd.corrections.loading import load_corrections


def test_they_lie_beside_the_image_and_a_colleagues_are_added(
    correct: Any, viewer: Any, picture: Any, blocks: Any, tmp_path: Path
) -> None:
    imwrite(tmp_path / "plate3.tif", picture)
    viewer.open(tmp_path / "plate3.tif", plugin="napari")
    layer = viewer.add_labels(blocks)
    widget = correct(model=False)
    assert widget.toolbox.files.where.text().endswith("plate3.grd-corrections.journal.")
    assert (tmp_path / "plate3.grd-corrections.journal").exists()
    other = Corrections(ImageRef.of(picture), [Merge([(20, 20), (22, 45)])])
    widget.toolbox.load(save_corrections(other, tmp_path / "ada.grd-corrections.geojson"))
    assert "Added 1" in widget.message.text()
    assert layer.data[20, 20] == layer.data[22, 45]
    widget.toolbox.undo()
    np.testing.assert_array_equal(layer.data, blocks)
    wrong = Corrections(ImageRef.of(picture[:50]), [Merge([(20, 20), (22, 45)])])
    widget.toolbox.load(save_corrections(wrong, tmp_path / "wrong.grd-corrections.geojson"))
    assert "not of" in widget.message.text()
    widget.start.click()
    assert (tmp_path / "plate3.grd-corrections.geojson").exists()


def test_nothing_is_left_behind_where_nothing_was_said(
    correct: Any, viewer: Any, picture: Any, blocks: Any, data_folder: Path
) -> None:
    viewer.add_image(picture)
    viewer.add_labels(blocks)
    widget = correct(model=False)
    widget.start.click()
    assert not list(data_folder.iterdir())


def test_where_the_folder_cannot_be_written_they_go_to_the_users(
    correct: Any,
    viewer: Any,
    picture: Any,
    blocks: Any,
    tmp_path: Path,
    data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "shared").mkdir()
    imwrite(tmp_path / "shared" / "plate3.tif", picture)
    viewer.open(tmp_path / "shared" / "plate3.tif", plugin="napari")
    viewer.add_labels(blocks)
    monkeypatch.setattr(storage.os, "access", lambda *_args: False)  # root can write anywhere, whatever the mode
    widget = correct(model=False)
    assert "cannot be written to" in widget.toolbox.files.where.text()
    widget.toolbox.apply([Merge([(20, 20), (22, 45)])])
    widget.start.click()
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["plate3.tif"]
    (kept,) = data_folder.glob("plate3*.geojson")
    assert [one.kind for one in load_corrections(kept)] == ["join"]
