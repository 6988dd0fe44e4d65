"""The parts of the Live widget: what is visible, where labels go, which settings the sliders mean."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_grd._napari import labels_layers
from napari_grd._napari.live.controls import PartitionControls
from napari_grd._napari.live.output import LiveOutput, labels_layer
from napari_grd._napari.regions import mask_of, outlines
from napari_grd._napari.source import ImageSource
from napari_grd._napari.viewport import displayed_axes, viewport_of
from napari_grd.config import PartitionConfig
from napari_grd.errors import ImageError
from napari_grd.live.viewport import View


def test_the_look_is_what_the_camera_sees_in_pixels_of_the_image(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((3, 400, 600), np.uint8), scale=(2, 0.5, 0.5), translate=(0, 10, 20))
    viewer.dims.set_point(0, 2)
    viewer.scene.camera.center = (0, 10 + 0.5 * 200, 20 + 0.5 * 300)
    viewer.scene.camera.zoom = 4
    height, width = viewer.canvas.size
    look = viewport_of(viewer, ImageSource(image))
    assert look.plane == (1,)
    np.testing.assert_allclose(look.low, (200 - height / 4, 300 - width / 4))
    np.testing.assert_allclose(look.high, (200 + height / 4, 300 + width / 4))


def test_other_axes_can_be_on_display(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((30, 40, 50), np.uint8))
    viewer.dims.order = (1, 0, 2)
    assert displayed_axes(viewer, image) == (0, 2)
    source = ImageSource(image, displayed=(0, 2))
    assert len(viewport_of(viewer, source).plane) == 1
    labels = np.zeros((40, 30, 50), np.uint32)
    labels[7, 3, 5] = 1
    layer = labels_layer(source, 0, labels, name="side", made_by={})
    assert layer.data.shape == image.data.shape
    assert layer.data[3, 7, 5] == 1
    viewer.dims.ndisplay = 3
    assert displayed_axes(viewer, image) is None


def test_labels_of_a_large_plane_are_drawn_from_a_pyramid_of_the_same_memory(
    viewer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels_layers, "_PLAIN", 1000)
    image = viewer.add_image(np.zeros((2, 3000, 2500), np.uint8))
    labels = np.zeros((2, 3000, 2500), np.uint32)
    layer = labels_layer(ImageSource(image), 0, labels, name="large", made_by={})
    assert layer.multiscale
    assert [level.shape for level in layer.data] == [(2, 3000, 2500), (2, 1500, 1250), (2, 750, 625)]
    assert all(np.shares_memory(level, labels) for level in layer.data)


def test_a_new_canvas_takes_the_place_of_the_old_one(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((64, 64), np.uint8), name="cells")
    output = LiveOutput(viewer.layers)

    def update(canvas: Any) -> Any:
        view = View(0, (), (slice(0, 64), slice(0, 64)))
        return SimpleNamespace(source=ImageSource(image), labels=canvas, view=view, idle=False)

    canvas = np.zeros((64, 64), np.uint32)
    output.show(update(canvas), {"model": "a"}, 0)
    first = output.layer
    output.show(update(canvas), {"model": "b"}, 0)
    assert output.layer is first
    assert first.metadata["napari_grd"] == {"model": "b"}
    first.opacity = 0.3
    output.show(update(canvas.copy()), {}, 2)
    assert first not in viewer.layers
    assert output.layer.opacity == 0.3
    assert output.layer.contour == 2
    assert viewer.layers.selection.active is not first


def test_the_sliders_stand_for_a_partition(qtbot: Any) -> None:
    controls = PartitionControls()
    qtbot.addWidget(controls)
    controls.set_value(PartitionConfig(min_size=100, bias=0.25, stride=3), foreground=False)
    assert controls.value() == PartitionConfig(min_size=100, bias=0.25, stride=3)
    assert controls.threshold.isHidden()
    with qtbot.waitSignal(controls.changed):
        controls.bias.setValue(-0.3)
    assert controls.value().bias == -0.3


def test_shapes_become_pixels(viewer: Any) -> None:
    image = viewer.add_image(np.zeros((50, 60), np.uint8), scale=(0.5, 0.5))
    shapes = viewer.add_shapes(scale=(0.5, 0.5))
    shapes.add_lines([[0, 0], [49, 59]])
    with pytest.raises(ImageError, match="no areas"):
        outlines(shapes, ImageSource(image))
    shapes.add_ellipses([[10, 10], [10, 30], [30, 30], [30, 10]])
    mask = mask_of(outlines(shapes, ImageSource(image)), (50, 60))
    assert mask[20, 20]
    assert not mask[11, 11]
    assert mask.sum() == pytest.approx(np.pi * 100, rel=0.05)
    with pytest.raises(ImageError, match="no pixel"):
        mask_of([np.array([[90.0, 90], [90, 99], [99, 99]])], (50, 60))
