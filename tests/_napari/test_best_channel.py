"""Of several channels the default is the one whose objects stand out, in whatever way napari holds them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_grd._napari.best_channel import channel_group, default_channels, preferred_image
from napari_grd._napari.panel import Panel
from napari_grd._napari.pickers import LayerCombo
from napari_grd._napari.source import ImageSource, channel_axis, channel_choices
from napari_grd.data.simulate import nuclei_2d

RNG = np.random.default_rng(0)
NUCLEI, TRUTH = nuclei_2d(np.random.default_rng(0), (160, 200))
SCALED = (NUCLEI.astype(float) / NUCLEI.max() * 2000).astype(np.uint16)
NOISE = RNG.normal(3000, 50, NUCLEI.shape).astype(np.uint16)  # brighter than the nuclei, without objects
CHANNELS = np.stack([NOISE, SCALED, NOISE[::-1]])


def opened(viewer: Any, path: Path, data: Any, **how: Any) -> Image:
    """As napari opens the file."""
    tifffile.imwrite(path, data, **how)
    (layer,) = viewer.open(str(path), plugin="napari")
    assert isinstance(layer, Image)
    return layer


@pytest.mark.parametrize(
    ("axes", "shape", "axis"),
    [("CYX", (3, 8, 9), 0), ("ZCYX", (2, 3, 8, 9), 1), ("TCYX", (4, 3, 8, 9), 1), ("CZYX", (3, 2, 8, 9), 0)],
)
def test_the_channel_axis_of_an_ome_tiff_is_no_plane(
    viewer: Any, tmp_path: Path, axes: str, shape: Any, axis: int
) -> None:
    names = {"Channel": {"Name": ["noise", "dna", "gfp"]}}
    layer = opened(viewer, tmp_path / "a.ome.tif", RNG.random(shape, np.float32), metadata={"axes": axes} | names)
    assert channel_axis(layer) == axis
    choices = channel_choices(viewer, layer)
    assert [channel.label for channel in choices] == ["noise", "dna", "gfp"]
    source = ImageSource(layer, (choices[1],))
    assert source.plane_shape == tuple(size for at, size in enumerate(shape[:-2]) if at != axis)
    first = (0,) * len(source.plane_shape)
    assert np.array_equal(source.read(0, first)[0], np.moveaxis(layer.data, axis, 0)[(1, *first)])


def test_imagej_declares_channels_and_others_do_not(viewer: Any, tmp_path: Path) -> None:
    stack = RNG.integers(0, 99, (2, 3, 8, 9)).astype(np.uint16)
    layer = opened(viewer, tmp_path / "a.tif", stack, imagej=True, metadata={"axes": "ZCYX"})
    assert channel_axis(layer) == 1
    assert [channel.label for channel in channel_choices(viewer, layer)] == ["channel 0", "channel 1", "channel 2"]
    assert channel_axis(opened(viewer, tmp_path / "b.tif", stack, imagej=True, metadata={"axes": "TZYX"})) is None
    assert channel_axis(opened(viewer, tmp_path / "c.tif", stack, photometric="minisblack")) is None
    layer.data = layer.data[0]  # no longer what the file holds
    assert channel_axis(layer) is None
    (tmp_path / "a.tif").write_bytes(b"II")  # changed meanwhile
    assert channel_axis(layer) is None


def test_the_default_channel_has_the_objects(viewer: Any) -> None:
    layer = viewer.add_image(CHANNELS, axis_labels=("c", "y", "x"))
    assert [channel.index for channel in default_channels(viewer, layer, 1) or ()] == [1]
    dark = viewer.add_image(60000 - CHANNELS, axis_labels=("c", "y", "x"))
    assert [channel.index for channel in default_channels(viewer, dark, 1) or ()] == [1]
    flat = viewer.add_image(np.full((2, 8, 9), np.nan), axis_labels=("c", "y", "x"))
    assert [channel.index for channel in default_channels(viewer, flat, 1) or ()] == [0]
    layer.data = layer.data[[1, 0, 2]]
    assert [channel.index for channel in default_channels(viewer, layer, 1) or ()] == [0]


def test_layers_of_one_image_are_a_group(viewer: Any) -> None:
    layers = viewer.add_image(CHANNELS, channel_axis=0, name=["noise", "dna", "more noise"])
    other = viewer.add_image(NUCLEI, name="another image")
    assert channel_group(viewer, layers[1]) == layers
    assert channel_group(viewer, other) == [other]
    assert preferred_image(viewer) is other
    viewer.layers.remove(other)
    viewer.layers.selection.active = layers[2]  # as napari leaves it
    assert preferred_image(viewer) is layers[1]
    layers[1].visible = False
    assert preferred_image(viewer) in (layers[0], layers[2])
    layers[1].visible = True
    viewer.layers.selection.active = layers[0]  # selected by the user: napari would have left the last one
    assert preferred_image(viewer) is layers[0]


def test_views_of_an_image_are_no_images(live_widget: Any, viewer: Any) -> None:
    image = viewer.add_image(NUCLEI, name="cells")
    options = {"blending": "additive", "metadata": {"napari_grd": {"view": "similarity"}}}
    view = viewer.add_image(NUCLEI, name="similarity of cells", **options)
    assert viewer.layers.selection.active is view, "napari selects what was added"
    assert live_widget.form.image.layer() is image
    assert preferred_image(viewer) is image
    assert channel_group(viewer, image) == [image]
    assert channel_group(viewer, view) == [view]
    assert [channel.layer for channel in channel_choices(viewer, image)] == [image]


def test_a_picker_takes_the_best_of_what_is_dropped_and_keeps_what_is_chosen(viewer: Any, qtbot: Any) -> None:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    early = LayerCombo(panel, (Image,), "the image")
    chosen = LayerCombo(panel, (Image,), "the image")
    layers = viewer.add_image(CHANNELS, channel_axis=0, name=["noise", "dna", "more noise"])
    chosen.set_layer(layers[2])
    qtbot.waitUntil(lambda: early.layer() is layers[1], timeout=30_000)
    assert LayerCombo(panel, (Image,), "the image").layer() is layers[1]
    assert chosen.layer() is layers[2]


def test_live_takes_the_channel_with_the_objects_and_says_so(
    live_widget: Any, viewer: Any, qtbot: Any, tmp_path: Path
) -> None:
    live_widget.live.setChecked(True)
    names = {"Channel": {"Name": ["noise", "dna", "more"]}}
    layer = opened(viewer, tmp_path / "a.ome.tif", CHANNELS, metadata={"axes": "CYX"} | names)
    qtbot.waitUntil(lambda: "instances" in live_widget.readout.text(), timeout=60000)
    assert "'dna', 1 of 3: the highest contrast-to-noise ratio" in live_widget.form.channels.note.text()
    labels = live_widget.output.layer
    assert labels.data.shape == TRUTH.shape
    assert abs(int(labels.data.max()) - int(TRUTH.max())) <= 0.3 * TRUTH.max()
    live_widget.live.setChecked(False)
    viewer.layers.remove(layer)
    layers = viewer.add_image(CHANNELS, channel_axis=0, name=["noise", "dna", "more"])
    qtbot.waitUntil(lambda: live_widget.form.image.layer() is layers[1], timeout=30_000)
    viewer.layers.selection.active = layers[0]
    assert live_widget.form.image.layer() is layers[0], "a selected channel is taken"
