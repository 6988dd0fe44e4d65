"""Pickers follow the viewer."""

from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_grd._napari.panel import Panel
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd.io.model_file import save_model
from napari_grd.models import Model, ModelCard, ModelConfig


def test_a_layer_combo_follows_additions_names_and_removals(viewer: Any, qtbot: Any) -> None:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    combo = LayerCombo(panel, (Image,), "the image")
    told: list[Any] = []
    combo.changed.connect(lambda: told.append(combo.layer()))
    assert combo.layer() is None
    assert combo.currentText() == "no image layer yet"
    first = viewer.add_image(np.zeros((9, 9)), name="first")
    viewer.add_labels(np.zeros((9, 9), int))
    second = viewer.add_image(np.zeros((9, 9)), name="second")
    assert combo.layer() is first, "a new layer must not take the place of the picked one"
    assert combo.count() == 2
    combo.set_layer(second)
    second.name = "renamed"
    assert combo.currentText() == "renamed"
    viewer.layers.remove(second)
    assert combo.layer() is first
    assert told == [first, second, first]


def test_a_layer_combo_can_pick_nothing(viewer: Any, qtbot: Any) -> None:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    layer = viewer.add_labels(np.zeros((9, 9), int))
    combo = LayerCombo(panel, (Labels,), "truth", none="no ground truth")
    assert combo.layer() is None
    combo.set_layer(layer)
    assert combo.layer() is layer


def test_a_model_file_is_opened_and_picked(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    combo = ModelCombo(panel, "the model")
    assert combo.name() == "nuclei"
    path = save_model(Model.create(ModelConfig(), ModelCard(name="mine")), tmp_path / "mine.grd.safetensors")
    with qtbot.waitSignal(combo.changed):
        combo.open_file(str(path))
    assert combo.name() == "mine"
    assert panel.state.names == ["nuclei", "mine"]


def test_a_broken_model_file_is_told_and_nothing_changes(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    combo = ModelCombo(panel, "the model")
    broken = tmp_path / "broken.grd.safetensors"
    broken.write_bytes(b"not a model")
    combo.open_file(str(broken))
    qtbot.waitUntil(lambda: "broken.grd.safetensors" in panel.message.text())
    assert combo.name() == "nuclei"


def test_connections_and_jobs_end_with_the_panel(viewer: Any, qtbot: Any) -> None:
    panel = Panel(viewer)
    LayerCombo(panel, (Image,), "the image").setParent(panel)
    before = len(viewer.layers.events.inserted.callbacks)
    panel.deleteLater()
    qtbot.waitUntil(lambda: len(viewer.layers.events.inserted.callbacks) < before)
    viewer.add_image(np.zeros((9, 9)))
