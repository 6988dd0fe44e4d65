"""A 3D model in Live: its planes cannot be shown live, its volumes can be made permanent."""

from typing import Any

import numpy as np
import pytest
import torch

from napari_grd._napari.live.volumes import volume_axes
from napari_grd._napari.source import ImageSource
from napari_grd.errors import ImageError
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.models.model import Model, ModelConfig


@pytest.fixture(scope="module")
def volumes() -> Model:
    """A model of volumes that has learned nothing."""
    torch.manual_seed(0)
    return Model.create(ModelConfig(ndim=3, network={"name": NETWORK}, offsets=OFFSETS_3D)).with_card(name="volumes")


NETWORK = "subpixel_unet3d"


def choose(widget: Any, model: Model, qtbot: Any) -> None:
    widget.form.model.set_name(widget.state.add(model, "volumes"))
    qtbot.waitUntil(lambda: widget._model is model, timeout=60_000)


def test_a_stack_is_made_permanent_as_a_volume(live_widget: Any, viewer: Any, volumes: Model, qtbot: Any) -> None:
    stack = np.random.default_rng(0).integers(0, 200, (6, 40, 48)).astype(np.uint8)
    viewer.add_image(stack, name="neurites", scale=(5, 1, 1), axis_labels=("z", "y", "x"))
    assert not live_widget.permanent.linked.isHidden()
    choose(live_widget, volumes, qtbot)
    live_widget.live.setChecked(True)
    qtbot.waitUntil(lambda: "takes volumes" in live_widget.message.text(), timeout=60_000)
    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: "instances of neurites" in viewer.layers, timeout=120_000)
    made = viewer.layers["instances of neurites"]
    assert made.data.shape == stack.shape
    np.testing.assert_array_equal(made.scale, (5, 1, 1))
    assert made.metadata["napari_grd"]["model"]["name"] == "volumes"
    viewer.dims.ndisplay = 3
    assert made.visible


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
