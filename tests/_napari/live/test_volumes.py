"""A 3D model in Live: a slab of planes is shown live, whole volumes can be made permanent."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

import napari_grd.api as grd
from napari_grd._napari.source import ImageSource, volume_axes
from napari_grd.errors import ImageError
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.models.model import Model, ModelConfig


@pytest.fixture(scope="module")
def volumes() -> Model:
    """A model of volumes that has learned nothing."""
    torch.manual_seed(0)
    return Model.create(ModelConfig(ndim=3, network={"name": NETWORK}, offsets=OFFSETS_3D)).with_card(name="volumes")


NETWORK = "subpixel_unet3d"


@pytest.fixture
def stack() -> np.ndarray:
    """Blobs of 12 voxels."""
    rng = np.random.default_rng(0)
    volume = np.zeros((30, 64, 80))
    volume[tuple(rng.integers(3, size - 3, 40) for size in volume.shape)] = 1
    return (60000 * ndimage.gaussian_filter(volume, 2.5)).astype(np.uint16)


def choose(widget: Any, model: Model, qtbot: Any) -> None:
    widget.form.model.set_name(widget.state.add(model, "volumes"))
    qtbot.waitUntil(lambda: widget._model is model, timeout=60_000)


def test_a_stack_is_made_permanent_as_a_volume(live_widget: Any, viewer: Any, volumes: Model, qtbot: Any) -> None:
    stack = np.random.default_rng(0).integers(0, 200, (6, 40, 48)).astype(np.uint8)
    viewer.add_image(stack, name="neurites", scale=(5, 1, 1), axis_labels=("z", "y", "x"))
    assert not live_widget.permanent.linked.isHidden()
    choose(live_widget, volumes, qtbot)
    viewer.dims.order = (1, 0, 2)
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "instances of neurites" in viewer.layers, timeout=120_000)
    made = viewer.layers["instances of neurites"]
    assert made.data.shape == stack.shape
    np.testing.assert_array_equal(made.scale, (5, 1, 1))
    assert made.metadata["napari_grd"]["model"]["name"] == "volumes"
    whole = grd.segment(volumes, stack, live_widget.form.segment_config(volumes), axes="zyx")
    np.testing.assert_array_equal(made.data, whole)  # whatever the view shows


def live_labels(widget: Any, qtbot: Any, at: str) -> Any:
    """The live layer, once the readout names these planes."""
    qtbot.waitUntil(lambda: at in widget.readout.text(), timeout=60_000)
    return widget.output.layer


def test_a_slab_is_segmented_live(
    live_widget: Any, viewer: Any, volumes: Model, stack: np.ndarray, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_grd.live.segmenter.runtime_for", lambda *_: Threshold())
    image = viewer.add_image(stack, name="blobs", scale=(2, 0.5, 0.5), units="um", axis_labels=("z", "y", "x"))
    viewer.dims.set_point(0, 2 * 10)
    assert not live_widget.form.planes.isVisibleTo(live_widget.form)
    choose(live_widget, volumes, qtbot)
    assert live_widget.form.planes.isVisibleTo(live_widget.form)
    live_widget.live.setChecked(True)
    layer = live_labels(live_widget, qtbot, "in z 6–14")
    np.testing.assert_allclose(layer.extent.world, image.extent.world)
    assert np.flatnonzero(layer.data.any(axis=(1, 2))).tolist() == list(range(6, 15))
    kept = layer.data.copy()

    viewer.dims.set_point(0, 2 * 12)  # within the slab
    qtbot.wait(100)
    np.testing.assert_array_equal(layer.data, kept)
    viewer.dims.set_point(0, 2 * 14)
    live_labels(live_widget, qtbot, "in z 10–18")
    np.testing.assert_array_equal(layer.data[:10], kept[:10])
    both = (kept > 0)[10:15] & (layer.data > 0)[10:15]
    assert (kept[10:15] == layer.data[10:15])[both].mean() > 0.95, "objects keep their numbers"

    viewer.dims.ndisplay = 3
    assert live_widget.output.layer is layer
    assert layer.visible
    assert "3D view shows" in live_widget.message.text()
    live_widget.controls.min_size.setValue(2000)
    qtbot.waitUntil(lambda: not layer.data[10:19].any(), timeout=20_000)
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "instances of blobs" in viewer.layers, timeout=120_000)
    viewer.layers.remove("instances of blobs")
    viewer.dims.ndisplay = 2
    live_widget.controls.min_size.setValue(10)
    qtbot.waitUntil(lambda: layer.data[10:19].any(), timeout=20_000)
    assert "3D view" not in live_widget.message.text()

    live_widget.form.planes.setValue(3)
    live_labels(live_widget, qtbot, "in z 13–15")
    viewer.dims.order = (1, 0, 2)
    viewer.dims.set_point(1, 0.5 * 30)
    live_labels(live_widget, qtbot, "in y 29–31")
    assert live_widget.output.layer.data[:6, 29:32].any()
    live_widget.live.setChecked(False)


def test_a_series_of_volumes_is_segmented_live(
    live_widget: Any, viewer: Any, volumes: Model, stack: np.ndarray, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_grd.live.segmenter.runtime_for", lambda *_: Threshold())
    viewer.add_image(np.stack([stack, stack[:, ::-1]]), name="series", axis_labels=("t", "z", "y", "x"))
    viewer.dims.current_step = (1, 10, 0, 0)
    choose(live_widget, volumes, qtbot)
    live_widget.live.setChecked(True)
    layer = live_labels(live_widget, qtbot, "in z 6–14")
    assert layer.data[1].any()
    assert not layer.data[0].any()
    viewer.dims.current_step = (0, 10, 0, 0)
    qtbot.waitUntil(layer.data[0].any, timeout=20_000)
    viewer.dims.order = (1, 2, 0, 3)
    qtbot.waitUntil(lambda: "Show two of z, y and x" in live_widget.message.text(), timeout=20_000)


def test_another_model_takes_over_from_planes_to_volumes_and_back(
    live_widget: Any, viewer: Any, volumes: Model, stack: np.ndarray, nuclei: Model, qtbot: Any
) -> None:
    viewer.add_image(stack, name="blobs")
    viewer.dims.set_point(0, 10)
    live_widget.live.setChecked(True)
    qtbot.waitUntil(lambda: "instance" in live_widget.readout.text(), timeout=60_000)
    choose(live_widget, volumes, qtbot)
    live_labels(live_widget, qtbot, "in z 6–14")
    choose(live_widget, nuclei, qtbot)
    live_widget.readout.setText("")
    qtbot.waitUntil(lambda: "instance" in live_widget.readout.text(), timeout=60_000)
    assert " in z" not in live_widget.readout.text()
    assert not live_widget.form.planes.isVisibleTo(live_widget.form)


class Threshold:
    """Answers with an embedding that is the same everywhere, and brightness as foreground."""

    name, precision = "threshold", "f32"

    def __call__(self, image: np.ndarray, take: Any) -> Any:
        output = np.ones((*image.shape[1:], 17), np.float32)
        output[..., 16] = 20 * (image[0] - 0.3)
        return take(output)


def test_what_is_no_volume_is_refused(live_widget: Any, viewer: Any, volumes: Model, qtbot: Any) -> None:
    viewer.add_image(np.zeros((40, 48), np.uint8), name="plane")
    assert live_widget.permanent.linked.isHidden(), "there is neither z nor time"
    choose(live_widget, volumes, qtbot)
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "The model takes volumes, and 'plane' has the axes y, x" in live_widget.message.text())
    live_widget.permanent.on_disk.setChecked(True)
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "On disk is for models of planes" in live_widget.message.text())
    assert list(viewer.layers) == [viewer.layers["plane"]]


@pytest.mark.parametrize(
    ("shape", "names", "axes"),
    [
        ((3, 8, 8), None, "zcyx"),
        ((3, 8, 8), ("z", "y", "x"), "zcyx"),
        ((2, 3, 8, 8), ("t", "z", "y", "x"), "tzcyx"),
        ((2, 3, 8, 8), None, "tzcyx"),
        ((3, 8, 8), ("t", "y", "x"), None),
        ((8, 8), None, None),
        ((2, 2, 3, 8, 8), None, None),
    ],
)
def test_axes_of_a_volume(viewer: Any, shape: tuple[int, ...], names: Any, axes: str | None) -> None:
    source = ImageSource(viewer.add_image(np.zeros(shape, np.uint8), axis_labels=names))
    if axes is None:
        with pytest.raises(ImageError, match="takes volumes"):
            volume_axes(source)
    else:
        assert volume_axes(source) == axes


def test_the_method_is_a_setting(live_widget: Any, viewer: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: live_widget._model is not None, timeout=60_000)
    controls = live_widget.controls
    assert controls.value().method == "mutex"
    with qtbot.waitSignal(live_widget.form.partition_changed):
        controls.method.setCurrentIndex(controls.method.findData("agglomeration"))
    assert live_widget.form.segment_config(live_widget._model).partition.method == "agglomeration"
    controls.set_value(controls.value().replace(method="multicut"))
    assert controls.method.currentText() == "multicut"
