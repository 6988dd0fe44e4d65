"""Live follows what happens in the viewer, and says what is wrong."""

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from napari_grd.data.simulate import nuclei_2d
from napari_grd.errors import DataError
from napari_grd.models.model import Model, ModelConfig

PLANE = nuclei_2d(np.random.default_rng(0), (160, 200))[0]
OTHER = nuclei_2d(np.random.default_rng(1), (160, 200))[0]


@pytest.fixture
def live(live_widget: Any, viewer: Any, qtbot: Any) -> Any:
    """The live_widget, switched on over a picture and with a first result."""
    viewer.add_image(PLANE, name="cells")
    live_widget.live.setChecked(True)
    qtbot.waitUntil(lambda: "instances" in live_widget.readout.text(), timeout=60000)
    return live_widget


def result(widget: Any, qtbot: Any) -> np.ndarray:
    """What is shown after the next look."""
    widget.readout.setText("")
    widget._schedule()
    qtbot.waitUntil(lambda: "instance" in widget.readout.text(), timeout=30000)
    return np.asarray(widget.output.layer.data)


def engines() -> list[Any]:
    return [thread for thread in threading.enumerate() if thread.name == "grd-live"]


def test_without_an_image_it_says_what_to_do(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    assert "Drop an image" in live_widget.message.text()
    live_widget.permanent.start.click()
    assert "Drop an image" in live_widget.message.text()
    live_widget.live.setChecked(True)
    qtbot.waitUntil(lambda: live_widget._session is not None, timeout=60000)
    assert "Drop an image" in live_widget.message.text()
    viewer.add_image(PLANE)
    qtbot.waitUntil(lambda: "instances" in live_widget.readout.text(), timeout=30000)
    assert not live_widget.message.text()


def test_switching_off_ends_the_engine(live: Any, qtbot: Any) -> None:
    assert live.state.live
    live.live.setChecked(False)
    qtbot.waitUntil(lambda: not engines(), timeout=20000)
    assert not live.state.live
    assert live.output.layer in live.viewer.layers


def test_toggling_leaves_nothing_behind(live: Any, viewer: Any, qtbot: Any) -> None:
    for _ in range(3):
        live.live.setChecked(False)
        live.live.setChecked(True)
        qtbot.waitUntil(lambda: "instances" in live.readout.text(), timeout=30000)
    qtbot.waitUntil(lambda: len(engines()) == 1, timeout=20000)
    assert len(live._engines) == 1
    assert [layer.name for layer in viewer.layers] == ["cells", "live instances of cells"]


def test_a_removed_image_is_let_go_and_the_next_one_taken(live: Any, viewer: Any, qtbot: Any) -> None:
    gone = weakref.ref(viewer.layers["cells"])
    viewer.layers.remove("cells")
    assert "Drop an image" in live.message.text()

    def collected() -> bool:
        gc.collect()
        return gone() is None

    qtbot.waitUntil(collected, timeout=20000)
    viewer.add_image(OTHER, name="others")
    qtbot.waitUntil(lambda: "live instances of others" in viewer.layers, timeout=30000)


def test_a_removed_live_layer_switches_off(live: Any, viewer: Any, qtbot: Any) -> None:
    viewer.layers.remove(live.output.layer)
    assert not live.live.isChecked()
    assert "removed" in live.message.text()


def test_a_hidden_image_and_three_dimensions_pause(live: Any, viewer: Any, qtbot: Any) -> None:
    viewer.layers["cells"].visible = False
    assert "hidden" in live.message.text()
    viewer.layers["cells"].visible = True
    result(live, qtbot)
    assert not live.message.text()
    viewer.dims.ndisplay = 3
    assert "3D" in live.message.text()
    viewer.dims.ndisplay = 2
    result(live, qtbot)


def test_renaming_changes_nothing(live: Any, viewer: Any, qtbot: Any) -> None:
    layer = live.output.layer
    viewer.layers["cells"].name = "renamed"
    layer.name = "mine"
    result(live, qtbot)
    assert live.output.layer is layer


def test_changed_pixels_are_seen(live: Any, viewer: Any, qtbot: Any) -> None:
    image = viewer.layers["cells"]
    before = result(live, qtbot).copy()
    image.data[:] = OTHER
    image.refresh()
    # An answer about the old pixels may still be on its way.
    qtbot.waitUntil(lambda: (np.asarray(live.output.layer.data) != before).mean() > 0.05, timeout=30000)
    image.data = np.pad(PLANE, 20)
    qtbot.waitUntil(lambda: live.output.layer.data.shape == (200, 240), timeout=30000)


def test_pixels_that_are_no_numbers_are_left_out(live: Any, viewer: Any, qtbot: Any) -> None:
    spoilt = PLANE.astype(np.float32)
    spoilt[:, :40] = np.nan
    viewer.layers["cells"].data = spoilt
    found = result(live, qtbot)
    assert found[:, 60:].any()
    assert not found[:, :40].any()


def test_sliders_change_the_labels(live: Any, qtbot: Any) -> None:
    before = len(np.unique(result(live, qtbot)))
    live.controls.min_size.setValue(700)
    qtbot.waitUntil(lambda: len(np.unique(live.output.layer.data)) < before, timeout=30000)
    live.form.contour.setValue(3)
    assert live.output.layer.contour == 3


def test_a_new_student_goes_live_and_channels_are_asked_for(live: Any, viewer: Any, qtbot: Any) -> None:
    name = live.state.add(Model.create(ModelConfig(in_channels=2)), "two stains")
    live.state.student = name
    assert live.form.model.name() == name
    qtbot.waitUntil(lambda: "2 channels" in live.message.text(), timeout=60000)
    assert live.form.channels.isVisibleTo(live)
    viewer.add_image(OTHER, name="second")
    for number, picker in enumerate(live.form.channels._pickers):
        picker.setCurrentIndex(number + 1)
    qtbot.waitUntil(lambda: "instance" in live.readout.text(), timeout=60000)
    assert live.output.layer.metadata["napari_grd"]["model"]["name"]


def test_large_objects_are_segmented_at_a_coarser_level(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    fine = np.kron(PLANE, np.ones((2, 2), PLANE.dtype))
    viewer.add_image([fine, PLANE], multiscale=True, name="pyramid", scale=(0.25, 0.25))
    live_widget.live.setChecked(True)
    qtbot.waitUntil(lambda: "instances" in live_widget.readout.text(), timeout=60000)
    live_widget.form.diameter.setValue(2 * live_widget._model.config.object_diameter)
    qtbot.waitUntil(lambda: live_widget.output.layer.data.shape == PLANE.shape, timeout=30000)
    np.testing.assert_allclose(live_widget.output.layer.scale, (0.5, 0.5))
    np.testing.assert_allclose(live_widget.output.layer.translate, (0.125, 0.125))


def test_an_ome_zarr_is_live_at_every_level(live_widget: Any, viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "slide.ome.zarr", mode="w", zarr_format=3)
    level, datasets = np.tile(PLANE, (6, 6)), []
    for number in range(3):
        group.create_array(str(number), data=level, chunks=(128, 128))
        scale = [{"type": "scale", "scale": [0.5 * 2**number] * 2}]
        datasets.append({"path": str(number), "coordinateTransformations": scale})
        level = level.reshape(level.shape[0] // 2, 2, -1, 2).mean((1, 3))
    axes = [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "yx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    [layer] = viewer.open(str(tmp_path / "slide.ome.zarr"), plugin="napari-grd")
    counts = []
    for wanted in (2, 1, 0):
        live_widget.live.setChecked(False)
        viewer.scene.camera.zoom = 1.8 / 2**wanted
        viewer.scene.camera.center = (0, 240, 300)
        layer.locked_data_level = wanted
        live_widget.live.setChecked(True)
        qtbot.waitUntil(lambda: "instances" in live_widget.readout.text(), timeout=60000)
        counts.append(int(live_widget.readout.text().split()[0]))
        assert live_widget.output.layer.data.any()
    assert min(counts) > 10


def test_a_region_is_made_permanent_and_a_job_can_be_stopped(live: Any, viewer: Any, qtbot: Any) -> None:
    shapes = viewer.add_shapes([[[20, 30], [20, 110], [110, 110], [110, 30]]], name="here")
    live.permanent.region.set_layer(shapes)
    live.permanent.start.click()
    qtbot.waitUntil(lambda: "instances of cells" in viewer.layers, timeout=60000)
    labels = viewer.layers["instances of cells"].data
    assert labels[30:100, 40:100].any()
    assert not labels[140:].any()
    assert "instances" in live.readout.text(), "Live goes on: the rest has no labels yet"
    viewer.add_shapes(name="empty")
    live.permanent.region.set_layer(viewer.layers["empty"])
    live.permanent.start.click()
    assert "no areas" in live.message.text()
    live.permanent.region.set_layer(None)
    live.permanent.start.click()
    live.permanent.bar.stop.click()
    qtbot.waitUntil(live.permanent.start.isEnabled, timeout=60000)
    assert "Stopped" in live.message.text()


def test_a_destroyed_widget_leaves_nothing_running(live: Any, viewer: Any, qtbot: Any) -> None:
    viewer.window.remove_dock_widget(live)
    live.deleteLater()
    qtbot.waitUntil(lambda: not engines(), timeout=20000)
    viewer.dims.events.current_step()
    viewer.scene.camera.zoom = 2


def test_all_is_made_permanent_in_3d_and_of_a_hidden_image(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    stack = np.stack([PLANE, OTHER])
    image = viewer.add_image(stack, name="cells")
    image.visible = False
    viewer.dims.ndisplay = 3
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "instances of cells" in viewer.layers, timeout=60000)
    assert viewer.layers["instances of cells"].data.shape == stack.shape
    assert all(plane.any() for plane in viewer.layers["instances of cells"].data)


def test_make_permanent_waits_for_the_model(
    live_widget: Any, viewer: Any, qtbot: Any, nuclei: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: live_widget._model is not None, timeout=60000)
    viewer.add_image(PLANE, name="cells")
    go = threading.Event()
    monkeypatch.setattr(live_widget.state, "get", lambda _name: go.wait(30) and nuclei)
    live_widget._loader.load()
    live_widget.permanent.start.click()
    assert "Waiting for the model" in live_widget.message.text()
    assert not live_widget.permanent.start.isEnabled()
    go.set()
    qtbot.waitUntil(lambda: "instances of cells" in viewer.layers, timeout=60000)
    assert live_widget.permanent.start.isEnabled()


def test_all_that_wait_for_a_model_hear_that_it_cannot_be_loaded(
    live_widget: Any, viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    qtbot.waitUntil(lambda: live_widget._model is not None, timeout=60000)
    viewer.add_image(PLANE, name="cells")
    go = threading.Event()

    def damaged(_name: str) -> Model:
        go.wait(30)
        raise DataError("The model file is damaged.", "Choose another one.")

    monkeypatch.setattr(live_widget.state, "get", damaged)
    live_widget._loader.load()
    for part in (live_widget.permanent, live_widget.folder):
        part.start.click()
        assert "Waiting for the model" in live_widget.message.text()
        assert not part.start.isEnabled()
    go.set()
    qtbot.waitUntil(lambda: "damaged" in live_widget.message.text(), timeout=20000)
    assert live_widget.permanent.start.isEnabled()
    assert live_widget.folder.start.isEnabled()
