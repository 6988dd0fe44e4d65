"""Labels of volumes are corrected plane by plane, with the embedding of a model for volumes, or in all planes."""

from typing import Any

import numpy as np
import pytest
import torch
from qtpy.QtCore import Qt

import napari_grd.api as grd
from napari_grd._napari.outputs import provenance
from napari_grd.config import SegmentConfig
from napari_grd.corrections.kinds import Draw, Split
from napari_grd.corrections.region import Region
from napari_grd.data.simulate import nuclei_3d
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.models.model import Model, ModelConfig

CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture(scope="module")
def volumes() -> Model:
    """A model for volumes that has learned nothing."""
    torch.manual_seed(0)
    network = {"name": "subpixel_unet3d", "widths": (4, 6, 8)}
    return Model.create(ModelConfig(ndim=3, network=network, offsets=OFFSETS_3D)).with_card(name="volumes")


def test_a_live_slab_becomes_the_whole_volume_and_is_corrected(
    correct: Any, viewer: Any, volumes: Model, qtbot: Any
) -> None:
    image, _ = nuclei_3d(np.random.default_rng(0), (12, 40, 48), 6)
    viewer.add_image(image, name="nuclei", axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 5)
    widget = correct(start=False)
    widget.form.model.set_name(widget.state.add(volumes, "volumes"))
    config = SegmentConfig(object_diameter=None)
    made_by = provenance(volumes, config, live=True)
    live = viewer.add_labels(np.zeros(image.shape, np.uint32), name="live", metadata={"napari_grd": made_by})
    widget.form.labels.set_layer(live)
    widget.start.click()
    qtbot.waitUntil(lambda: widget.toolbox.session is not None, timeout=60_000)
    session = widget.toolbox.session
    np.testing.assert_array_equal(session.context.labels, grd.segment(volumes, image, config, axes="zyx"))
    assert "plane by plane" in widget.about.text()
    (z,) = plane = session.target.current_plane(viewer)
    qtbot.waitUntil(lambda: widget._running is None, timeout=60_000)
    assert not widget.message.text()
    expected = grd.predict(volumes, image, config, axes="zyx")
    found = session.context.predictions.of(plane)
    np.testing.assert_allclose(found.embedding, np.moveaxis(expected.embedding[:, z], 0, -1), atol=4e-3)
    np.testing.assert_allclose(found.foreground, expected.foreground[z], atol=4e-3)

    before = session.editor.labels.copy()
    block = np.zeros(image.shape[1:], bool)
    block[10:30, 10:40] = True
    session.editor.apply(Draw(Region.from_mask(block), plane=plane))
    session.editor.apply(Split((12, 12), (12, 38), plane=plane))
    assert len(np.unique(session.editor.labels[z][block])) == 2
    changed = np.flatnonzero((session.editor.labels != before).any(axis=(1, 2)))
    assert changed.tolist() == [z]
    session.editor.undo()
    session.editor.undo()
    np.testing.assert_array_equal(session.editor.labels, before)


def test_merge_and_split_in_all_planes_with_the_mouse(
    correct: Any, viewer: Any, mouse: Any, picture: Any, blocks: Any
) -> None:
    labels = np.stack([blocks, blocks, blocks])
    viewer.add_image(np.stack([picture] * 3), name="stack", axis_labels=("z", "y", "x"))
    layer = viewer.add_labels(labels.copy(), name="stack instances", axis_labels=("z", "y", "x"))
    viewer.dims.set_current_step(0, 1)
    widget = correct(model=False)
    hand, volume = mouse(layer), widget.toolbox.volume
    assert not volume.isVisible()
    hand.key(Qt.Key.Key_J)
    assert volume.isVisible()
    volume.click()
    hand.drag([(1, 20, 20), (1, 22, 45)])
    assert (layer.data[:, 20, 20] == layer.data[:, 20, 45]).all()
    hand.key(Qt.Key.Key_C)
    hand.drag([(1, 58, 30), (1, 70, 30), (1, 82, 30)])
    assert (layer.data[:, 70, 25] != layer.data[:, 70, 35]).all()
    assert len(np.unique(layer.data[:, 70, 25])) == len(np.unique(layer.data[:, 70, 35])) == 1
    assert [made.kind for made in widget.toolbox.session.corrections] == ["join-volume", "cut-volume"]
    assert "in all planes" in widget.toolbox.steps.undo.toolTip()
    hand.key(Qt.Key.Key_Z, CTRL)
    hand.key(Qt.Key.Key_Z, CTRL)
    np.testing.assert_array_equal(layer.data, labels)
    volume.click()
    hand.key(Qt.Key.Key_J)
    hand.drag([(1, 20, 20), (1, 22, 45)])
    np.testing.assert_array_equal(layer.data[[0, 2]], labels[[0, 2]])
