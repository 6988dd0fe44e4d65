"""Segmentation block by block equals that of the whole image, resumes, and refuses what it cannot do."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import napari_grd.blockwise.grid
from napari_grd.blockwise.block_work import BlockWork
from napari_grd.blockwise.segment_zarr import iter_segment_zarr, segment_zarr
from napari_grd.config import SegmentConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import ConfigError, DataError, NothingStandsOut, OutOfMemory, OutputError
from napari_grd.hub import load_model
from napari_grd.inference.segment import iter_segment
from napari_grd.io.images import read_image
from napari_grd.io.ome_zarr import read_ome_zarr
from napari_grd.jobs import Notice, Progress, drain
from napari_grd.metrics.scores import evaluate
from napari_grd.models.model import Model

CONFIG = SegmentConfig(runtime="torch", precision="f32", object_diameter=None, invert=False)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("nuclei")


@pytest.fixture(scope="module")
def image() -> np.ndarray[Any, Any]:
    return nuclei_2d(np.random.default_rng(1), (1100, 1300))[0]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(napari_grd.blockwise.grid, "_SIDE", 512)


def labels_of(path: Path) -> np.ndarray[Any, Any]:
    return np.asarray(zarr.open_array(path / "0", mode="r"))


def test_blocks_give_the_labels_of_the_whole_image(model: Model, image: Any, tmp_path: Path) -> None:
    whole = drain(iter_segment(model, image, CONFIG))
    path = segment_zarr(model, image, tmp_path / "labels.ome.zarr", CONFIG)
    labels = labels_of(path)
    scores = evaluate(reference=whole, labels=labels)
    assert scores.arand == 0
    assert labels.max() == whole.max()
    assert np.array_equal(np.unique(labels), np.arange(labels.max() + 1))
    [found] = read_ome_zarr(path)
    assert found.is_labels
    assert [level.shape for level in found.levels] == [(1100, 1300), (550, 650), (275, 325)]
    assert found.provenance["model"] == "nuclei"
    assert not (path / ".grd-work").exists()


def test_a_stopped_job_goes_on_with_the_blocks_that_are_left(
    model: Model, image: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = labels_of(segment_zarr(model, image, tmp_path / "whole.ome.zarr", CONFIG))
    path = tmp_path / "stopped.ome.zarr"
    job = iter_segment_zarr(model, image, path, CONFIG)
    for event in job:
        if isinstance(event, Progress) and event.stage == "Segmenting blocks" and event.done >= 3:
            break
    job.close()
    done = len(list((path / ".grd-work" / "blocks").glob("*.npz")))
    assert 3 <= done < 9
    with pytest.raises(DataError, match="is being written, or that was interrupted"):
        read_ome_zarr(path)
    called: list[int] = []
    work = BlockWork.__call__
    monkeypatch.setattr(BlockWork, "__call__", lambda self, number: (called.append(number), work(self, number))[1])
    segment_zarr(model, image, path, CONFIG)
    assert len(called) == 9 - done
    assert np.array_equal(labels_of(path), wanted)


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
import napari_grd.blockwise.grid as grid
from napari_grd.blockwise.segment_zarr import segment_zarr
from napari_grd.config import SegmentConfig
grid._SIDE = 512
config = SegmentConfig(runtime="torch", precision="f32", object_diameter=None, invert=False)
segment_zarr("nuclei", np.load(sys.argv[1]), Path(sys.argv[2]), config)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL on Windows")
def test_a_killed_process_leaves_what_another_goes_on_with(model: Model, image: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "image.npy", image)
    path = tmp_path / "killed.ome.zarr"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path / "image.npy"), str(path)])
    records = path / ".grd-work" / "blocks"
    while process.poll() is None and len(list(records.glob("*.npz"))) < 2:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    segment_zarr(model, image, path, CONFIG)
    assert np.array_equal(labels_of(path), labels_of(segment_zarr(model, image, tmp_path / "whole.ome.zarr", CONFIG)))
    assert not (path / ".grd-work").exists()


def test_a_file_with_calibration_and_its_list_of_labels(model: Model, image: Any, tmp_path: Path) -> None:
    store = tmp_path / "image.zarr"
    group = zarr.open_group(store, mode="w", zarr_format=3)
    group.create_array("0", data=np.stack([image, image[::-1]]), chunks=(1, 256, 256))
    axes = [{"name": "z", "type": "space"}, *({"name": a, "type": "space", "unit": "micrometer"} for a in "yx")]
    transform = [{"type": "scale", "scale": [2.0, 0.5, 0.5]}]
    scales = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transform}]}]
    group.attrs["ome"] = {"version": "0.5", "multiscales": scales}
    target = store / "labels" / "cells"
    with pytest.warns(UserWarning, match="numbered separately"):
        segment_zarr(model, store, target, CONFIG)
    found = read_image(store)
    assert [each.name for each in found.labels] == ["cells"]
    assert found.labels[0].calibration.scale == (2.0, 0.5, 0.5)
    labels = np.asarray(found.labels[0].pixels)
    assert labels.shape == (2, 1100, 1300)
    assert not set(np.unique(labels[0])) & set(np.unique(labels[1])) - {0}


def test_a_level_of_an_image_at_an_address(model: Model, tmp_path: Path) -> None:
    image = nuclei_2d(np.random.default_rng(2), (200, 300))[0]
    address = "memory://segment/slide.ome.zarr"
    group = zarr.open_group(address, mode="w", zarr_format=3)
    group.create_array("0", data=np.kron(image, np.ones((2, 2), image.dtype)))
    group.create_array("1", data=image)
    datasets = [
        {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": [0.5 * 2**level] * 2}]}
        for level in (0, 1)
    ]
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    path = segment_zarr(model, address, tmp_path / "labels.ome.zarr", CONFIG, level=1)
    assert np.array_equal(labels_of(path), labels_of(segment_zarr(model, image, tmp_path / "array.ome.zarr", CONFIG)))
    assert read_image(path).calibration.scale == (1.0, 1.0)
    with pytest.raises(OutputError, match=r"'s3://bucket/labels' is not on this computer"):
        segment_zarr(model, image, "s3://bucket/labels", CONFIG)
    with pytest.raises(ConfigError, match="level is 1, but the image is an array"):
        segment_zarr(model, image, tmp_path / "no.ome.zarr", CONFIG, level=1)


def test_an_image_smaller_than_the_smallest_tile(tmp_path: Path) -> None:
    pixels, _ = nuclei_2d(np.random.default_rng(1), (60, 90))
    path = segment_zarr("nuclei", pixels, tmp_path / "small.ome.zarr", SegmentConfig(object_diameter=None))
    whole = drain(iter_segment(load_model("nuclei"), pixels, SegmentConfig(object_diameter=None)))
    np.testing.assert_array_equal(labels_of(path), whole)


def test_rescaled_images_keep_their_own_pixels(model: Model, tmp_path: Path) -> None:
    image = nuclei_2d(np.random.default_rng(2), (700, 800))[0]
    large = np.kron(image, np.ones((2, 2), image.dtype))
    config = CONFIG.replace(object_diameter=2 * float(model.config.object_diameter or 0))
    whole = drain(iter_segment(model, large, config))
    labels = labels_of(segment_zarr(model, large, tmp_path / "labels.ome.zarr", config))
    assert labels.shape == large.shape
    assert evaluate(reference=whole, labels=labels).arand <= 0.01


def test_nothing_in_the_image(model: Model, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(100, 5, (900, 700)).astype(np.float32)
    with pytest.warns(NothingStandsOut):
        labels = labels_of(segment_zarr(model, noise, tmp_path / "labels.ome.zarr", CONFIG))
    assert not labels.any()


class Torn:
    """An image with a chunk that cannot be read."""

    ndim = 2

    def __init__(self, image: np.ndarray[Any, Any]) -> None:
        self._image, self.shape, self.dtype = image, image.shape, image.dtype
        self.mended = False

    def __getitem__(self, index: Any) -> np.ndarray[Any, Any]:
        rows, columns = index
        if not self.mended and rows.start < 1050 < rows.stop and columns.stop > 1295 and columns.start > 700:
            raise OSError("chunk 4.5 is damaged")
        return self._image[index]


def test_a_block_that_cannot_be_read_is_named_and_the_others_are_kept(model: Model, image: Any, tmp_path: Path) -> None:
    torn = Torn(image)
    config = CONFIG.replace(intensity_range=((float(image.min()), float(image.max())),))
    with pytest.raises(
        DataError, match=r"^Block 5 \(rows 512 to 1024, columns 1024 to 1300\).*chunk 4.5 is damaged. 1 other"
    ):
        segment_zarr(model, torn, tmp_path / "labels.ome.zarr", config)
    torn.mended = True
    path = segment_zarr(model, torn, tmp_path / "labels.ome.zarr", config)
    whole = segment_zarr(model, image, tmp_path / "whole.ome.zarr", config)
    assert np.array_equal(labels_of(path), labels_of(whole))


def test_what_is_not_ours_is_never_replaced(model: Model, tmp_path: Path) -> None:
    small = nuclei_2d(np.random.default_rng(3), (96, 96))[0]
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="was not written by napari-grd"):
        segment_zarr(model, small, theirs, CONFIG, overwrite=True)
    path = segment_zarr(model, small, tmp_path / "labels.ome.zarr", CONFIG)
    (path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds a finished label image of another"):
        segment_zarr(model, small[:64], path, CONFIG)
    segment_zarr(model, small[:64], path, CONFIG, overwrite=True)
    assert labels_of(path).shape == (64, 96)
    assert (path / "notes.txt").read_text() == "mine"


def test_a_finished_job_is_not_repeated(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = nuclei_2d(np.random.default_rng(3), (96, 96))[0]
    target = tmp_path / "labels.ome.zarr"
    segment_zarr(model, small, target, CONFIG)
    before = {path: path.stat().st_mtime_ns for path in target.rglob("*")}
    with monkeypatch.context() as patch:
        patch.setattr(BlockWork, "__call__", lambda *_: pytest.fail("computed again"))
        patch.setattr("napari_grd.inference.memory.available_memory", lambda: 1 << 20)  # nor is memory needed
        events = list(iter_segment_zarr(model, small, target, CONFIG))
        assert Notice(f"{str(target)!r} is finished already: nothing is computed again.", category=None) in events
        assert segment_zarr(model, small, target, CONFIG) == target
    assert {path: path.stat().st_mtime_ns for path in target.rglob("*")} == before
    for other, config in ((small[::-1], CONFIG), (small, CONFIG.replace(precision="auto"))):
        with pytest.raises(OutputError, match="holds a finished label image of another image, model or settings"):
            segment_zarr(model, other, target, config)
    segment_zarr(model, small, target, CONFIG, overwrite=True)
    assert all(target.joinpath("0").stat().st_mtime_ns != time for path, time in before.items() if path.name == "0")


def test_a_job_with_other_settings_does_not_go_on(model: Model, image: Any, tmp_path: Path) -> None:
    path = tmp_path / "labels.ome.zarr"
    job = iter_segment_zarr(model, image, path, CONFIG)
    for event in job:
        if isinstance(event, Progress) and event.stage == "Segmenting blocks":
            break
    job.close()
    assert json.loads((path / ".grd-work" / "plan.json").read_text())["shape"] == [1100, 1300]
    with pytest.raises(OutputError, match="or another image"):
        segment_zarr(model, image[::-1], path, CONFIG)
    with pytest.raises(OutputError, match="belongs to a job with other settings"):
        segment_zarr(model, image, path, CONFIG.replace(precision="auto"))


def test_too_little_memory_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_grd.inference.memory.available_memory", lambda: 1 << 20)
    with pytest.raises(OutOfMemory, match=r"for a block of 96 x 128 pixels in each of 2 processes.*fewer workers"):
        segment_zarr("nuclei", np.zeros((96, 128)), tmp_path / "labels.ome.zarr", CONFIG, workers=2)
    assert not any(tmp_path.iterdir())
