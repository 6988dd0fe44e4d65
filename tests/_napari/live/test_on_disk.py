"""Make permanent on disk, block by block, in a real viewer."""

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels

import napari_grd as grd
from napari_grd._napari.live import on_disk
from napari_grd.data.simulate import nuclei_2d
from napari_grd.io.calibration import Calibration
from napari_grd.io.ome_zarr import OmeZarr
from napari_grd.io.ome_zarr_labels import write_labels_zarr

IMAGE = nuclei_2d(np.random.default_rng(0), (600, 1100))[0]
CONFIG = grd.SegmentConfig(object_diameter=None)


@pytest.fixture
def ready(live_widget: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The widget with a loaded model and blocks of 512 pixels, which writes to a temporary folder."""
    monkeypatch.setattr("napari_grd.blockwise.grid._SIDE", 512)
    monkeypatch.setattr(on_disk.Path, "home", lambda: tmp_path)
    qtbot.waitUntil(lambda: live_widget._model is not None, timeout=60000)
    return live_widget


def finished(widget: Any, qtbot: Any) -> Labels | None:
    qtbot.waitUntil(widget.permanent.start.isEnabled, timeout=120000)
    return next((layer for layer in widget.viewer.layers if layer.name.startswith("instances of ")), None)


def test_blocks_appear_and_become_a_layer(ready: Any, viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    viewer.add_image(da.from_array(IMAGE, (256, 256)), name="slide", scale=(0.5, 0.5), units="um")
    seen: list[tuple[int, ...]] = []
    viewer.layers.events.inserted.connect(
        lambda event: (
            seen.append(event.value.data.shape) if event.value.name == "unfinished instances of slide" else None
        )
    )
    ready.permanent.on_disk.click()
    assert not ready.permanent.linked.isEnabled()
    assert ready.permanent.target.path() == tmp_path / "slide nuclei.ome.zarr"
    ready.permanent.start.click()
    layer = finished(ready, qtbot)
    assert layer is not None, ready.message.text()
    assert seen == [IMAGE.shape]
    assert [each.name for each in viewer.layers] == ["slide", "instances of slide"]
    assert tuple(layer.scale) == (0.5, 0.5)
    labels = np.asarray(layer.data[0] if layer.multiscale else layer.data)
    config = grd.SegmentConfig.model_validate(layer.metadata["napari_grd"]["config"])
    whole = grd.segment("nuclei", IMAGE, config)
    assert labels.max() == whole.max() > 20
    assert np.array_equal(labels > 0, whole > 0)
    stored = OmeZarr(tmp_path / "slide nuclei.ome.zarr").image(0)
    assert stored.calibration.scale == (0.5, 0.5)


def test_stopped_it_goes_on(ready: Any, viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    viewer.add_image(np.stack([IMAGE, IMAGE]), name="stack")
    ready.permanent.on_disk.click()
    ready.permanent.start.click()
    qtbot.waitUntil(lambda: any(each.name == "unfinished instances of stack" for each in viewer.layers), timeout=120000)
    ready.permanent.bar.stop.click()
    assert finished(ready, qtbot) is None
    assert "are kept in" in ready.message.text()
    assert [each.name for each in viewer.layers] == ["stack"]
    work = tmp_path / "stack nuclei.ome.zarr" / ".grd-work" / "blocks"
    before = {path.name: path.stat().st_mtime_ns for path in work.iterdir()}
    assert 0 < len(before) < 12
    ready.permanent.start.click()
    layer = finished(ready, qtbot)
    assert layer is not None, ready.message.text()
    finest = layer.data[0] if layer.multiscale else layer.data
    assert finest.shape == (2, 600, 1100)
    assert np.asarray(finest[1]).any()


def test_channels_keep_their_axis(ready: Any, viewer: Any, qtbot: Any) -> None:
    image = np.stack([IMAGE[:160, :200], np.zeros((160, 200), IMAGE.dtype)])[None]
    viewer.add_image(image, name="two", axis_labels=("t", "c", "y", "x"))
    ready.live.setChecked(True)
    qtbot.waitUntil(lambda: "1 of 2: the highest contrast" in ready.form.channels.note.text(), timeout=60000)
    ready.form.channels._pickers[0].setCurrentIndex(1)
    ready.live.setChecked(False)
    ready.permanent.on_disk.click()
    ready.permanent.start.click()
    layer = finished(ready, qtbot)
    assert layer is not None, ready.message.text()
    assert layer.data.shape == (1, 1, 160, 200)
    assert tuple(layer.scale) == (1, 2, 1, 1)


def test_large_images_go_to_disk_by_themselves(
    ready: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_grd._napari.live.permanent.LARGE", 1000)
    viewer.add_image(IMAGE[:128, :128], name="large")
    ready.permanent.start.click()
    qtbot.waitUntil(ready.permanent.on_disk.isChecked, timeout=60000)
    assert finished(ready, qtbot) is not None, ready.message.text()


def test_the_folder_can_be_chosen(ready: Any, viewer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = ready.permanent.target
    ready.permanent.on_disk.click()
    viewer.add_image(IMAGE, name="slide")
    monkeypatch.setattr(
        "napari_grd._napari.live.target_line.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path / "there")
    )
    target.propose(tmp_path / "slide.ome.zarr")
    target.choose.click()
    assert target.path() == tmp_path / "there" / "slide.ome.zarr"
    target.propose(tmp_path / "other.ome.zarr")
    assert target.path() == tmp_path / "there" / "slide.ome.zarr"


def test_a_folder_of_another_program_is_refused(ready: Any, viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "notes.txt").write_text("mine")
    viewer.add_image(IMAGE[:128, :128], name="slide")
    ready.permanent.on_disk.click()
    ready.permanent.target.line.setText(str(tmp_path / "theirs"))
    ready.permanent.start.click()
    assert finished(ready, qtbot) is None
    assert "was not written by napari-grd" in ready.message.text()
    assert [path.name for path in (tmp_path / "theirs").iterdir()] == ["notes.txt"]


def test_within_a_zarr_the_labels_are_proposed_beside_the_image(viewer: Any, tmp_path: Path) -> None:
    layer = viewer.add_image(IMAGE, name="slide")
    source = on_disk.ImageSource(layer)
    assert on_disk.proposed_path(source, "nuclei") == Path.home() / "slide nuclei.ome.zarr"
    image = write_labels_zarr(tmp_path / "image.ome.zarr", IMAGE.astype(np.uint32), Calibration.of("yx"))
    layer._source = layer.source.model_copy(update={"path": str(image)})
    assert on_disk.proposed_path(source, "nuclei") == image / "labels" / "nuclei"
    folder = tmp_path / "images"
    folder.mkdir()
    layer._source = layer.source.model_copy(update={"path": str(folder)})
    layer.name = "plate/A1"
    proposed = on_disk.proposed_path(source, "nuclei")
    assert proposed.parent == tmp_path
    assert proposed.name.endswith("nuclei.ome.zarr")
