"""Live, in a real viewer: from the tick to the layer."""

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels

from napari_grd.data.simulate import nuclei_2d

PLANE = nuclei_2d(np.random.default_rng(0), (160, 200))[0]
OTHER = nuclei_2d(np.random.default_rng(1), (160, 200))[0]


def live_layer(viewer: Any) -> Labels | None:
    return next((layer for layer in viewer.layers if layer.name.startswith("live instances")), None)


def finest(layer: Labels) -> np.ndarray:
    return np.asarray(layer.data[0] if layer.multiscale else layer.data)


def start(widget: Any, qtbot: Any) -> Labels:
    widget.live.setChecked(True)
    qtbot.waitUntil(lambda: live_layer(widget.viewer) is not None, timeout=60000)
    qtbot.waitUntil(lambda: "instances" in widget.readout.text(), timeout=60000)
    layer = live_layer(widget.viewer)
    assert layer is not None
    return layer


RGB = np.stack([PLANE, PLANE // 2, PLANE // 3], axis=-1).astype(np.float32) / PLANE.max()
KINDS = {
    "plane": (lambda v: v.add_image(PLANE, scale=(0.5, 0.5), units="um"), (160, 200), 1),
    "stack": (lambda v: v.add_image(np.stack([PLANE, OTHER]), scale=(2, 1, 1)), (2, 160, 200), 2),
    "time": (
        lambda v: v.add_image(np.stack([PLANE, OTHER])[:, None], axis_labels=("t", "z", "y", "x")),
        (2, 1, 160, 200),
        2,
    ),
    "channels": (
        lambda v: v.add_image(np.stack([[PLANE, OTHER]] * 2), axis_labels=("t", "c", "y", "x")),
        (2, 1, 160, 200),
        2,
    ),
    "rgb": (lambda v: v.add_image(RGB, rgb=True), (160, 200), 1),
    "multiscale": (lambda v: v.add_image([PLANE, PLANE[::2, ::2]], multiscale=True), (160, 200), 1),
    "dask": (lambda v: v.add_image(da.from_array(np.stack([PLANE, OTHER]), (1, 64, 64))), (2, 160, 200), 2),
}


@pytest.mark.parametrize("kind", KINDS)
def test_instances_appear_and_are_made_permanent(kind: str, live_widget: Any, viewer: Any, qtbot: Any) -> None:
    add, shape, planes = KINDS[kind]
    image = add(viewer)
    live_widget.live.setChecked(True)
    if kind == "channels":
        qtbot.waitUntil(lambda: "1 of 2: the highest contrast" in live_widget.form.channels.note.text(), timeout=60000)
        live_widget.form.channels._pickers[0].setCurrentIndex(1)
    layer = start(live_widget, qtbot)
    assert finest(layer).shape == shape
    corners = image.extent.world[:, -layer.ndim :]
    # A single position stands for all channels; elsewhere the places are the same.
    places = [np.round(layer.world_to_data(corner)) for corner in corners]
    np.testing.assert_array_equal(places, [np.zeros(layer.ndim), np.subtract(shape, 1)])
    assert layer.metadata["napari_grd"]["model"]["name"] == "nuclei"
    first = finest(layer)[(0,) * (len(shape) - 2)]
    assert first.max() > 5
    if planes > 1:
        viewer.dims.set_current_step(0, 1)
        second = finest(layer)[(1, *(0,) * (len(shape) - 3))]
        qtbot.waitUntil(second.any, timeout=20000)

    live_widget.permanent.start.click()
    qtbot.waitUntil(lambda: any("instances" in found.name for found in viewer.layers), timeout=60000)
    whole = next(found for found in viewer.layers if "instances" in found.name)
    assert finest(whole).shape == shape
    np.testing.assert_allclose(whole.extent.world, layer.extent.world)
    assert "config" in whole.metadata["napari_grd"]
    assert all(plane.any() for plane in finest(whole).reshape(planes, *shape[-2:]))
