"""Pickers follow the viewer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QStyleOptionViewItem

from napari_grd._napari.panel import Panel
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd.hub import VARIABLE, builtin_paths
from napari_grd.io.model_file import save_model
from napari_grd.models.model import Model, ModelCard, ModelConfig


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
    with qtbot.waitSignal(combo.changed, timeout=60_000):  # it imports torch
        combo.open_file(str(path))
    assert combo.name() == "mine"
    assert panel.state.names[-1] == "mine"


def test_every_built_in_model_has_a_picture(viewer: Any, qtbot: Any) -> None:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    combo = ModelCombo(panel, "the model")
    shown = {combo.itemText(index): combo.itemIcon(index) for index in range(combo.count())}
    for name in builtin_paths():
        assert shown[name].pixmap(64, 64).width() == 64, "docs/model_pictures.py draws it"
    assert shown["Open a model file…"].isNull()
    list_, box = combo.itemDelegate(), QStyleOptionViewItem()
    sizes = [list_.sizeHint(box, combo.model().index(row, 0)).height() for row in (0, combo.count() - 1)]
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize("answer", [False, True])
def test_a_listed_model_is_downloaded_after_a_yes(
    viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    path = save_model(Model.create(ModelConfig(), ModelCard(name="ours")), tmp_path / "ours.grd.safetensors")
    (tmp_path / "models.txt").write_text(f"ours {'0' * 64} https://models.example/ours")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models.txt"))
    monkeypatch.setattr("napari_grd._napari.pickers.fetch_model", lambda _name: path)
    monkeypatch.setattr("napari_grd._napari.pickers.may_download", lambda _parent, _model: answer)
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    combo = ModelCombo(panel, "the model")
    combo.setCurrentText("ours (download…)")
    if answer:
        qtbot.waitUntil(lambda: combo.name() == "ours", timeout=60_000)
        assert panel.message.text() == "ours is downloaded."
        assert combo.findText("ours (download…)") < 0
    else:
        assert combo.name() == "nuclei"
        assert panel.state.names[-1] != "ours"


def test_a_list_of_models_that_cannot_be_used_is_told(
    viewer: Any, qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models.txt").write_text("ours")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "models.txt"))
    told: list[str] = []
    monkeypatch.setattr("napari_grd._napari.remote.show_warning", told.append)
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    assert ModelCombo(panel, "the model").name() == "nuclei"
    ModelCombo(panel, "another model")
    assert ["1 words in line 1" in text for text in told] == [True]


def test_a_broken_model_file_is_told_and_nothing_changes(viewer: Any, qtbot: Any, tmp_path: Path) -> None:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    combo = ModelCombo(panel, "the model")
    broken = tmp_path / "broken.grd.safetensors"
    broken.write_bytes(b"not a model")
    combo.open_file(str(broken))
    qtbot.waitUntil(lambda: "broken.grd.safetensors" in panel.message.text(), timeout=60_000)
    assert combo.name() == "nuclei"


def test_connections_and_jobs_end_with_the_panel(viewer: Any, qtbot: Any) -> None:
    panel = Panel(viewer)
    LayerCombo(panel, (Image,), "the image").setParent(panel)
    before = len(viewer.layers.events.inserted.callbacks)
    panel.deleteLater()
    qtbot.waitUntil(lambda: len(viewer.layers.events.inserted.callbacks) < before)
    viewer.add_image(np.zeros((9, 9)))
