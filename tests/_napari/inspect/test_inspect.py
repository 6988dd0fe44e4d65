"""The Inspect widget in a real viewer, from the button to the layer."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from napari.layers import Image, Points, Vectors
from qtpy.QtWidgets import QComboBox

from napari_grd._napari.inspect.widget import InspectWidget
from napari_grd._napari.state import state_of
from napari_grd.api import load_model, predict
from napari_grd.config import SegmentConfig
from napari_grd.data.simulate import nuclei_2d, nuclei_3d
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.graph.similarity import SimilarityMap
from napari_grd.models.model import Model, ModelConfig
from napari_grd.visualization import embedding_colors

SHAPE = (96, 112)


@pytest.fixture
def picture() -> tuple[Any, Any]:
    return nuclei_2d(np.random.default_rng(0), SHAPE)


@pytest.fixture(scope="module")
def student() -> Model:
    """The built-in model, loaded and prepared once for all tests."""
    return load_model("nuclei")


@pytest.fixture(scope="module")
def other() -> Model:
    """A model that sees something else."""
    torch.manual_seed(1)
    return Model.create(ModelConfig()).with_card(name="other")


@pytest.fixture
def open_inspect(viewer: Any, student: Model) -> Callable[[], InspectWidget]:
    """Docks the widget, as napari does, with a live student."""

    def dock() -> InspectWidget:
        state = state_of(viewer)
        state.student = state.add(student, "student")
        widget = InspectWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Inspect")
        return widget

    return dock


def tick(widget: InspectWidget, *views: str) -> None:
    for name, box in widget.form.views.items():
        box.setChecked(name in views)


def look(widget: InspectWidget, qtbot: Any, *views: str) -> None:
    tick(widget, *views)
    widget.look.click()
    wait(widget, qtbot)


def wait(widget: InspectWidget, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: widget._running is None, timeout=60_000)


def move_mouse(viewer: Any, world: tuple[float, ...]) -> None:
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, SimpleNamespace(position=world))


def made(viewer: Any, kind: type, view: str) -> Any:
    found = [
        layer
        for layer in viewer.layers
        if isinstance(layer, kind) and layer.metadata.get("napari_grd", {}).get("view") == view
    ]
    assert len(found) == 1, (view, [layer.name for layer in viewer.layers])
    return found[0]


def test_every_view_lies_on_the_image(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    viewer.add_image(
        picture[0], name="cells", scale=(0.5, 0.25), translate=(10, 20), units=("um", "um"), axis_labels=("y", "x")
    )
    widget = open_inspect()
    widget.form.student.set_name("nuclei")
    look(widget, qtbot, "embedding", "affinities", "boundaries", "graph")
    assert not widget.message.text()

    colors, boundaries = made(viewer, Image, "embedding"), made(viewer, Image, "boundaries")
    assert colors.rgb
    assert colors.data.shape == (*SHAPE, 3)
    assert boundaries.data.shape == SHAPE
    assert 0 <= boundaries.data.min() < boundaries.data.max() <= 1
    nodes, edges = made(viewer, Points, "nodes"), made(viewer, Vectors, "edges")
    assert len(nodes.data) == len(np.unique(nodes.features["id"])) > 3
    assert edges.vector_style == "line"
    assert len(edges.data) == len(edges.features["similarity"]) > 3
    assert not np.allclose(edges.edge_color, edges.edge_color[:1])
    for layer in (colors, boundaries, nodes, edges):
        np.testing.assert_allclose(layer.scale, (0.5, 0.25))
        np.testing.assert_allclose(layer.translate, (10, 20))
        assert [str(unit) for unit in layer.units] == ["micrometer", "micrometer"]
        assert layer.axis_labels == ("y", "x")
        assert layer.metadata["napari_grd"]["model"]["name"] == "nuclei"
        assert layer.metadata["napari_grd"]["version"]

    stack = made(viewer, Image, "affinities")
    assert stack.data.shape == (10, *SHAPE)
    assert stack.axis_labels == ("offset", "y", "x")
    np.testing.assert_allclose(stack.scale, (1, 0.5, 0.25))
    assert stack.metadata["napari_grd"]["offset_names"][5] == "(0, -5)"
    assert viewer.dims.axis_labels[0] == "offset"


def test_the_offset_under_the_slider_is_named(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    viewer.add_image(picture[0])
    widget = open_inspect()
    look(widget, qtbot, "affinities")
    viewer.dims.set_current_step(0, 7)
    assert "8 of 10, offset (0, -9)" in widget.offset.text()
    viewer.dims.set_current_step(0, 0)
    assert "offset (-1, 0)" in widget.offset.text()
    viewer.layers.remove(made(viewer, Image, "affinities"))
    assert widget.offset.isHidden()


def test_looking_again_renews_layers_and_moves_them_to_the_plane(
    viewer: Any, qtbot: Any, open_inspect: Any, picture: Any
) -> None:
    stack = np.stack([picture[0], np.flip(picture[0]), picture[0][:, ::-1]])
    viewer.add_image(stack, name="stack", scale=(3, 1, 1), axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 0)
    widget = open_inspect()
    look(widget, qtbot, "embedding", "affinities", "graph")
    first = {layer.name: layer for layer in viewer.layers}
    colors, before = made(viewer, Image, "embedding"), made(viewer, Image, "embedding").data.copy()
    colors.opacity = 0.5

    viewer.dims.set_current_step(viewer.dims.axis_labels.index("z"), 1)
    look(widget, qtbot, "embedding", "affinities", "graph")
    assert {layer.name: layer for layer in viewer.layers} == first
    assert colors.data.shape == (1, *SHAPE, 3)
    np.testing.assert_allclose(colors.translate, (3, 0, 0))
    assert colors.opacity == 0.5
    assert not np.array_equal(colors.data, before)
    affinities = made(viewer, Image, "affinities")
    assert affinities.data.shape == (10, 1, *SHAPE)
    np.testing.assert_allclose(affinities.translate, (0, 3, 0, 0))
    nodes = made(viewer, Points, "nodes")
    assert {nodes.data_to_world(point)[0] for point in nodes.data} == {3}


def test_what_a_color_means_does_not_depend_on_the_region(
    viewer: Any, qtbot: Any, open_inspect: Any, picture: Any
) -> None:
    """A part is normalized as its whole plane is, and what lies around it is looked at too."""
    image = np.tile(picture[0], (4, 4))
    viewer.add_image(image, scale=(2, 2))
    widget = open_inspect()
    look(widget, qtbot, "embedding")
    whole = made(viewer, Image, "embedding").data.copy()
    viewer.scene.camera.center = (430, 490)
    viewer.scene.camera.zoom = viewer.canvas.size[0] / 460
    widget.form.region.setCurrentIndex(widget.form.region.findData("visible"))
    look(widget, qtbot, "embedding")
    part = made(viewer, Image, "embedding")
    height, width, _ = part.data.shape
    assert 220 <= height <= 240
    top, left = (int(at / 2) for at in part.translate)
    assert top > 0
    np.testing.assert_allclose(part.data, whole[top : top + height, left : left + width], atol=1e-3)
    assert f"{height} × {width} pixels" in widget.message.text()


def test_the_graph_joins_the_objects_of_a_labels_layer(
    viewer: Any, qtbot: Any, open_inspect: Any, picture: Any
) -> None:
    viewer.add_image(picture[0], name="cells", scale=(2, 2))
    labels = np.where(picture[1] > 0, picture[1] + 100, 0)
    layer = viewer.add_labels(labels[8:, 16:], scale=(2, 2), translate=(16, 32))
    widget = open_inspect()
    widget.form.labels.set_layer(layer)
    widget.form.edges.setCurrentIndex(1)
    widget.form.distance.setValue(1)
    look(widget, qtbot, "graph")
    nodes = made(viewer, Points, "nodes")
    assert set(nodes.features["id"]) == set(np.unique(labels[8:, 16:])) - {0}
    assert not any(isinstance(layer, Vectors) for layer in viewer.layers)  # nothing is within 1 px
    inside = [layer.get_value(nodes.data_to_world(point), world=True) for point in nodes.data]
    assert np.mean(np.array(inside) == nodes.features["id"]) > 0.9

    widget.form.distance.setValue(60)
    look(widget, qtbot, "graph")
    lengths = np.linalg.norm(made(viewer, Vectors, "edges").data[:, 1], axis=1)
    assert 0 < lengths.max() <= 60


def test_difference_of_student_and_teacher(
    viewer: Any, qtbot: Any, open_inspect: Any, picture: Any, other: Model
) -> None:
    viewer.add_image(picture[0], name="cells")
    widget = open_inspect()
    name = widget.state.add(other)
    widget.form.teacher.set_name(name)
    widget.form.eye.setCurrentIndex(widget.form.eye.findData("difference"))
    look(widget, qtbot, "embedding", "affinities", "boundaries", "graph")
    assert made(viewer, Image, "embedding").data.max() > 0.1
    assert made(viewer, Image, "affinities").data.min() < -0.1
    assert made(viewer, Image, "boundaries").name == "boundaries of cells [student − other]"
    assert made(viewer, Image, "boundaries").metadata["napari_grd"]["models"] == ["student", "other"]
    if made_edges := [layer for layer in viewer.layers if isinstance(layer, Vectors)]:
        features = made_edges[0].features
        np.testing.assert_allclose(features["similarity"], features["student"] - features["teacher"], atol=1e-6)
    assert "blue" in widget.legend.text()


def test_a_model_is_no_different_from_itself(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    viewer.add_image(picture[0])
    widget = open_inspect()
    widget.form.eye.setCurrentIndex(widget.form.eye.findData("difference"))
    widget.form.teacher.set_name("nuclei")
    look(widget, qtbot, "embedding", "affinities", "graph")
    np.testing.assert_allclose(made(viewer, Image, "embedding").data, 0, atol=1e-5)
    assert not made(viewer, Image, "affinities").data.any()
    assert not made(viewer, Vectors, "edges").features["similarity"].any()


def test_what_cannot_be_shown_is_told_beside_what_can(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    viewer.add_image(picture[0])
    widget = open_inspect()
    name = widget.state.add(Model.create(ModelConfig(network={"embedding": 24})), "wide")
    widget.form.teacher.set_name(name)
    widget.form.eye.setCurrentIndex(widget.form.eye.findData("difference"))
    look(widget, qtbot, "embedding", "boundaries")
    assert "16 numbers a pixel, the teacher's 24" in widget.message.text()
    made(viewer, Image, "boundaries")

    widget.form.eye.setCurrentIndex(widget.form.eye.findData("teacher"))
    look(widget, qtbot, "embedding")
    assert "stores no colors" in widget.message.text()


def test_similarity_follows_the_mouse(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    stack = np.stack([picture[0], picture[0]])
    source = viewer.add_image(stack, scale=(1, 2, 2), translate=(0, 5, 5))
    viewer.dims.set_current_step(0, 1)
    widget = open_inspect()
    callbacks = list(viewer.mouse_move_callbacks)
    widget.hover.setChecked(True)
    wait(widget, qtbot)
    layer = made(viewer, Image, "similarity")
    assert layer.data.shape == (1, *SHAPE)
    np.testing.assert_allclose(layer.translate, (1, 5, 5))
    clear, yellow = layer.colormap.map(np.array([0.0, 1.0]))
    assert layer.blending == "translucent", "yellow over any other layer"
    assert clear[3] == 0
    assert yellow[3] > 0.5 > yellow[2]

    for pixel in ((20, 30), (70, 101)):
        move_mouse(viewer, source.data_to_world((1, *pixel)))
        qtbot.waitUntil(lambda pixel=pixel: layer.data[0, *pixel] == pytest.approx(1, abs=1e-5))
    shown = layer.data.copy()
    move_mouse(viewer, (1, -500, 3))  # off the image
    move_mouse(viewer, source.data_to_world((0, 20, 30)))  # on a plane that is not looked at
    qtbot.wait(60)
    np.testing.assert_array_equal(layer.data, shown)

    viewer.dims.set_current_step(0, 0)
    qtbot.waitUntil(lambda: made(viewer, Image, "similarity").translate[0] == 0, timeout=20_000)
    wait(widget, qtbot)
    widget.hover.setChecked(False)
    assert layer not in viewer.layers
    assert viewer.mouse_move_callbacks == callbacks


def test_similarity_ends_with_its_image_or_its_layer(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    source = viewer.add_image(picture[0])
    widget = open_inspect()
    callbacks = list(viewer.mouse_move_callbacks)
    for gone in ("similarity", "image"):
        widget.hover.setChecked(True)
        wait(widget, qtbot)
        viewer.layers.remove(source if gone == "image" else made(viewer, Image, "similarity"))
        assert not widget.hover.isChecked()
        assert viewer.mouse_move_callbacks == callbacks
    assert not viewer.layers


def test_nothing_is_kept_of_an_image_that_is_gone(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    layer = viewer.add_image(picture[0])
    widget = open_inspect()
    look(widget, qtbot, "boundaries")
    key = next(iter(widget._memory._kept))
    assert widget._memory.get(key) is not None
    viewer.layers.remove(made(viewer, Image, "boundaries"))
    assert widget._memory.get(key) is not None
    viewer.layers.remove(layer)
    assert widget._memory.get(key) is None


def test_similarity_of_student_minus_teacher(
    viewer: Any, qtbot: Any, open_inspect: Any, picture: Any, other: Model
) -> None:
    viewer.add_image(picture[0])
    widget = open_inspect()
    assert (widget.form.student.name(), widget.form.teacher.name()) == ("student", "nuclei-teacher"), "two models"
    widget.form.teacher.set_name("nuclei")
    widget.form.eye.setCurrentIndex(widget.form.eye.findData("difference"))
    widget.hover.setChecked(True)
    wait(widget, qtbot)
    assert not made(viewer, Image, "similarity").data.any()
    name = widget.state.add(other)
    widget.form.teacher.set_name(name)
    qtbot.waitUntil(lambda: "other" in made(viewer, Image, "similarity").name, timeout=20_000)
    assert made(viewer, Image, "similarity").data.any()


def test_a_closed_widget_lets_go(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    viewer.add_image(picture[0])
    callbacks = list(viewer.mouse_move_callbacks)
    widget = open_inspect()
    widget.hover.setChecked(True)
    wait(widget, qtbot)
    viewer.window.remove_dock_widget(widget)
    widget.close()
    widget.deleteLater()
    qtbot.waitUntil(lambda: viewer.mouse_move_callbacks == callbacks)
    viewer.dims.set_current_step(0, 0)
    viewer.layers.clear()


def test_pixels_that_are_no_numbers_do_not_hide_the_others(
    viewer: Any, qtbot: Any, open_inspect: Any, picture: Any
) -> None:
    image = picture[0].astype(np.float32)
    image[3, 4] = np.nan
    viewer.add_image(image, contrast_limits=(0, 1))
    widget = open_inspect()
    look(widget, qtbot, "embedding")
    assert len(viewer.layers) == 2
    assert np.isfinite(viewer.layers[-1].data).all()


def test_channels_that_do_not_fit_can_be_chosen(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    for name in ("red", "green", "blue"):
        viewer.add_image(picture[0], name=name)
    widget = open_inspect()
    widget.form.student.set_name(widget.state.add(Model.create(ModelConfig(in_channels=2)), "pairs"))
    look(widget, qtbot, "boundaries")
    assert "'pairs' takes 2 channels" in widget.message.text()
    assert len(viewer.layers) == 3
    combos = widget.form.channels.findChildren(QComboBox)
    assert len(combos) == 2
    combos[0].setCurrentText("green")
    combos[1].setCurrentText("red")
    look(widget, qtbot, "boundaries")
    assert not widget.message.text()
    made(viewer, Image, "boundaries")


def test_a_model_for_more_channels_than_there_are(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    viewer.add_image(picture[0], name="gray")
    widget = open_inspect()
    widget.form.student.set_name(widget.state.add(Model.create(ModelConfig(in_channels=3)), "color"))
    look(widget, qtbot, "boundaries")
    assert "takes 3 channels" in widget.message.text()
    assert "another model" in widget.message.text()


def test_color_pictures_are_looked_at(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    rgb = np.repeat((255 * picture[0] / picture[0].max()).astype(np.uint8)[..., None], 3, axis=-1)
    viewer.add_image(rgb, rgb=True)
    widget = open_inspect()
    look(widget, qtbot, "embedding")
    assert made(viewer, Image, "embedding").data.shape == rgb.shape


def test_the_image_goes_while_it_is_looked_at(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    layer = viewer.add_image(picture[0], name="cells")
    widget = open_inspect()
    tick(widget, "embedding")
    widget.look.click()
    viewer.layers.remove(layer)
    assert "'cells' was removed" in widget.message.text()
    assert widget.bar.isHidden()
    qtbot.wait(300)
    assert not viewer.layers


def test_an_image_that_changes_meanwhile_is_not_covered_with_old_results(
    viewer: Any, qtbot: Any, open_inspect: Any, picture: Any
) -> None:
    layer = viewer.add_image(picture[0])
    widget = open_inspect()
    tick(widget, "embedding")
    widget.look.click()
    layer.data = picture[0][::-1].copy()
    wait(widget, qtbot)
    assert "changed meanwhile" in widget.message.text()
    assert len(viewer.layers) == 1


def test_stop(viewer: Any, qtbot: Any, open_inspect: Any, picture: Any) -> None:
    viewer.add_image(picture[0])
    widget = open_inspect()
    tick(widget, "embedding")
    widget.look.click()
    widget.bar.stop.click()
    wait(widget, qtbot)
    assert "Stopped" in widget.message.text()
    assert len(viewer.layers) == 1


def test_without_an_image_it_says_what_to_do(viewer: Any, qtbot: Any, open_inspect: Any) -> None:
    widget = open_inspect()
    assert "Drop an image" in widget.message.text()
    widget.look.click()
    assert "Drop an image" in widget.message.text()
    viewer.add_image(np.zeros((8, 8)))
    tick(widget)
    widget.look.click()
    assert "Tick" in widget.message.text()


def test_an_image_without_objects_has_no_graph(viewer: Any, qtbot: Any, open_inspect: Any) -> None:
    viewer.add_image(np.zeros((64, 64), np.uint8))
    viewer.add_labels(np.zeros((64, 64), np.uint8), name="none")
    widget = open_inspect()
    widget.form.labels.set_layer(viewer.layers["none"])
    look(widget, qtbot, "graph")
    assert "no instances" in widget.message.text()


@pytest.fixture(scope="module")
def volumes() -> Model:
    """A model for volumes that has learned nothing, with colors."""
    torch.manual_seed(0)
    network = {"name": "subpixel_unet3d", "widths": (4, 6, 8)}
    model = Model.create(ModelConfig(ndim=3, network=network, offsets=OFFSETS_3D)).with_card(name="volumes")
    return replace(model, pca=torch.eye(4, 16))


def test_a_volume_is_looked_into(viewer: Any, qtbot: Any, open_inspect: Any, volumes: Model) -> None:
    image, labels = nuclei_3d(np.random.default_rng(0), (16, 40, 48), 6)
    layer = viewer.add_image(image, name="nuclei", scale=(0.4, 0.2, 0.2), units="um", axis_labels=("z", "y", "x"))
    viewer.add_labels(labels, name="objects", scale=layer.scale)
    widget = open_inspect()
    widget.form.student.set_name(widget.state.add(volumes, "volumes"))
    widget.form.labels.set_layer(viewer.layers["objects"])
    viewer.dims.ndisplay = 3
    look(widget, qtbot, "embedding", "affinities", "boundaries", "graph")
    assert not widget.message.text()
    colors, boundaries = made(viewer, Image, "embedding"), made(viewer, Image, "boundaries")
    assert colors.data.shape == (16, 40, 48, 3)
    expected = predict(volumes, image, SegmentConfig(object_diameter=None), axes="zyx")
    np.testing.assert_allclose(
        colors.data, embedding_colors(expected.embedding, volumes.pca.numpy(), expected.foreground), atol=1e-5
    )
    assert boundaries.data.shape == image.shape
    nodes, edges = made(viewer, Points, "nodes"), made(viewer, Vectors, "edges")
    np.testing.assert_array_equal(nodes.features["id"], np.unique(labels)[1:])
    inside = np.round(nodes.data).astype(int)
    np.testing.assert_array_equal(labels[tuple(inside.T)], nodes.features["id"])
    assert edges.data.shape[1:] == (2, 3)
    assert (nodes.projection_mode, edges.projection_mode) == ("all", "all")
    stack = made(viewer, Image, "affinities")
    assert stack.data.shape == (12, 16, 40, 48)
    viewer.dims.ndisplay = 2
    viewer.dims.set_current_step(0, 9)
    assert "10 of 12, offset (-4, 0, 0): each voxel and the one 4 planes (1.6 µm) before it" in widget.offset.text()
    viewer.dims.set_current_step(0, 10)
    assert "27 px (5.4 µm) above" in widget.offset.text()


def test_similarity_in_a_volume_is_to_the_voxel_in_the_plane(
    viewer: Any, qtbot: Any, open_inspect: Any, volumes: Model
) -> None:
    image = nuclei_3d(np.random.default_rng(0), (16, 40, 48), 6)[0]
    viewer.add_image(image, name="nuclei", axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 5)
    widget = open_inspect()
    widget.form.student.set_name(widget.state.add(volumes, "volumes"))
    widget.hover.setChecked(True)
    wait(widget, qtbot)
    similarity = made(viewer, Image, "similarity")
    assert similarity.data.shape == image.shape
    move_mouse(viewer, (5, 20, 30))
    qtbot.waitUntil(lambda: similarity.data[5, 20, 30] == pytest.approx(1, abs=1e-5), timeout=5000)
    embedding = predict(volumes, image, SegmentConfig(object_diameter=None), axes="zyx").embedding
    np.testing.assert_allclose(similarity.data, SimilarityMap(embedding).to((5, 20, 30)), atol=1e-4)
    viewer.dims.set_current_step(0, 9)
    qtbot.wait(500)
    assert widget._running is None
    assert made(viewer, Image, "similarity") is similarity
    widget.form.views["embedding"].setChecked(True)
    viewer.add_image(image[0], name="plane")
    widget.form.image.set_layer(viewer.layers["plane"])
    widget.look.click()
    wait(widget, qtbot)
    assert "takes volumes, and 'plane' is none" in widget.message.text()
