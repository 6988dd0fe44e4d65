"""Which format is meant, and what cannot be written."""

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest

import napari_grd.api as grd
from napari_grd.errors import Cancelled, ConfigError, GrdError, LabelError, OutputError
from napari_grd.io.calibration import Calibration

PLANE = np.ones((4, 5), np.uint8)


@pytest.mark.parametrize("suffix", [".zip", ".geojson", ".json"])
def test_lazy_labels_are_written_like_others(tmp_path: Path, drawn: Any, suffix: str) -> None:
    stack = np.stack([drawn, drawn])
    lazy = grd.export_objects(da.from_array(stack, chunks=(1, 40, 60)), tmp_path / f"a{suffix}")
    whole = grd.export_objects(stack, tmp_path / f"b{suffix}")
    if suffix != ".zip":  # which knows the time
        assert lazy.read_bytes() == whole.read_bytes()
    assert lazy.stat().st_size == whole.stat().st_size


@pytest.mark.parametrize(
    ("labels", "name", "options", "error", "words"),
    [
        (PLANE, "a.txt", {}, ConfigError, "'a.txt' has no known suffix"),
        (PLANE, "a.zip", {"format": "yolo"}, ConfigError, "'yolo'.*imagej, geojson, coco"),
        (PLANE.astype(bool), "a.zip", {}, LabelError, "mask"),
        (PLANE.astype(float), "a.json", {}, LabelError, "float64"),
        (PLANE.astype(int) - 2, "a.geojson", {}, LabelError, "-1"),
        (PLANE[0], "a.zip", {}, LabelError, r"\(5,\)"),
        (PLANE[:0], "a.zip", {}, LabelError, r"\(0, 5\)"),
        (PLANE[None], "a.zip", {"axes": "pyx"}, LabelError, "'p'"),
        (PLANE, "a.zip", {"axes": "zyx"}, ConfigError, r"\(4, 5\)"),
        (PLANE, "a.zip", {"calibration": Calibration.of("zyx")}, ConfigError, r"\(4, 5\)"),
        (PLANE, "missing/a.json", {}, OutputError, "no folder"),
    ],
)
def test_what_cannot_be_written_is_said_and_leaves_nothing(
    tmp_path: Path, labels: Any, name: str, options: dict[str, Any], error: type[GrdError], words: str
) -> None:
    with pytest.raises(error, match=words):
        grd.export_objects(labels, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".zip", ".geojson", ".json"])
def test_a_stop_keeps_the_file_that_was_there(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("before")
    with pytest.raises(Cancelled):
        grd.export_objects(np.stack([PLANE] * 3), path, cancelled=lambda: True)
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(("axes", "image"), [("yx", "cyx"), ("yx", "yxc"), ("tyx", "tcyx"), ("tyx", "tyx")])
def test_the_calibration_of_the_image_will_do(tmp_path: Path, axes: str, image: str) -> None:
    unit = {"y": "micrometer", "x": "nanometer", "t": "second"}
    step = {"y": 0.5, "x": 250, "t": 30}
    place = Calibration.of(image, [step.get(axis, 1) for axis in image], units=[unit.get(axis) for axis in image])
    labels = np.ones((1,) * (len(axes) - 2) + (4, 5), np.uint8)
    path = grd.export_objects(labels, tmp_path / "a.geojson", calibration=place)
    (feature,) = json.loads(path.read_text("utf-8"))["features"]
    assert feature["properties"]["measurements"]["Area µm^2"] == 20 * 0.5 * 0.25
    assert ("plane" in feature["geometry"]) == (len(axes) > 2)
