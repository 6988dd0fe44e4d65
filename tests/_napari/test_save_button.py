"""Saving a student from the widget, for this program and for others."""

from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_grd._napari.panel import Panel
from napari_grd._napari.save_button import FILTERS, SaveButton
from napari_grd.hub import load_model
from napari_grd.models.model import Model, ModelConfig


@pytest.fixture
def panel(viewer: Any, qtbot: Any) -> Panel:
    panel = Panel(viewer)
    qtbot.addWidget(panel)
    return panel


@pytest.fixture
def save(panel: Panel, qtbot: Any) -> SaveButton:
    save = SaveButton(panel)
    qtbot.addWidget(save)
    return save


@pytest.fixture(scope="module")
def model() -> Model:
    return Model.create(ModelConfig(network={"widths": (2, 4, 4, 4, 4)}))


def answer(monkeypatch: Any, path: Path, form: str) -> None:
    """The file dialog is answered with this path and format."""
    chosen = next(text for text, value in FILTERS.items() if value == form)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), chosen))


def test_nothing_to_save_yet(save: SaveButton) -> None:
    assert not save.isEnabled()


def test_terms_of_the_teacher_are_shown_first(
    panel: Panel, save: SaveButton, model: Model, qtbot: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    save.offer(model.with_card(restrictions="Non-commercial use only."))
    asked: list[str] = []
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]

    def question(_parent: Any, _title: str, text: str) -> Any:
        asked.append(text)
        return answers.pop(0)

    monkeypatch.setattr(QMessageBox, "question", question)
    answer(monkeypatch, tmp_path / "mine", "model")
    save.click()
    assert "Non-commercial use only." in asked[0]
    assert not list(tmp_path.iterdir()), "who says no saves nothing"
    save.click()
    qtbot.waitUntil(lambda: "Saved as" in panel.message.text(), timeout=10_000)
    assert load_model(tmp_path / "mine.grd.safetensors").card.restrictions == "Non-commercial use only."


@pytest.mark.parametrize(("form", "suffix"), [("onnx", ".onnx"), ("openvino", ".xml")])
def test_for_other_programs(
    panel: Panel, save: SaveButton, model: Model, qtbot: Any, monkeypatch: Any, tmp_path: Path, form: str, suffix: str
) -> None:
    save.offer(model)
    answer(monkeypatch, tmp_path / "student.grd.safetensors", form)
    save.click()
    qtbot.waitUntil(lambda: "Saved as" in panel.message.text(), timeout=60_000)
    assert (tmp_path / f"student{suffix}").stat().st_size > 0
