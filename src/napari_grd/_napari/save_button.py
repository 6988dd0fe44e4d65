"""Saving a student: as a model file, or for other programs; not before its terms were read."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qtpy.QtWidgets import QFileDialog, QMessageBox, QPushButton

from napari_grd._napari.panel import Panel
from napari_grd._napari.worker import run_call
from napari_grd.io.names import MODEL_SUFFIX

if TYPE_CHECKING:
    from napari_grd.models import Model

Form = Literal["model", "bioimageio", "onnx", "openvino"]

SUFFIXES: dict[Form, str] = {"model": MODEL_SUFFIX, "bioimageio": ".zip", "onnx": ".onnx", "openvino": ".xml"}
FILTERS: dict[str, Form] = {
    f"Model of napari-grd (*{MODEL_SUFFIX})": "model",
    "bioimage.io package (*.zip)": "bioimageio",
    "ONNX (*.onnx)": "onnx",
    "OpenVINO (*.xml)": "openvino",
}
"""What the file dialog offers: text to format."""


class SaveButton(QPushButton):
    """Asks where to, and writes in a worker.

    Parameters
    ----------
    panel : Panel
        Says how it went.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__("Save as…")
        self.setToolTip("Save the student as a file: for a colleague, a bioimage.io tool, ONNX Runtime or OpenVINO")
        self.model: Model | None = None
        self._panel = panel
        self.clicked.connect(self._ask)
        self.setEnabled(False)

    def offer(self, model: "Model") -> None:
        """Set the student to save."""
        self.model = model
        self.setEnabled(True)

    def save_as(self, path: str, form: Form = "model") -> None:
        """Write the student, whole or not at all.

        Parameters
        ----------
        path : str
            Where to.
        form : {"model", "bioimageio", "onnx", "openvino"}
            A model file, or what :func:`napari_grd.api.export_model` writes.
        """
        model = self.model
        if model is None:
            return

        def write() -> Path:
            import napari_grd.api as grd

            return grd.save_model(model, path) if form == "model" else grd.export_model(model, path, form)

        if form != "model":  # which is written in no time
            self._panel.say("Exporting, and checking what was exported…")
        done = run_call(
            write, on_done=lambda found: self._panel.say(f"Saved as {found}"), on_error=self._panel.show_error
        )
        self._panel.track(done)

    def _ask(self) -> None:
        if self.model is None or not self._accepted(self.model.card.restrictions):
            return
        path, chosen = QFileDialog.getSaveFileName(
            self, "Save the student", f"student{MODEL_SUFFIX}", ";;".join(FILTERS)
        )
        if path:
            form = FILTERS.get(chosen, "model")
            # A dialog keeps the suffix of the name it began with, whatever format was chosen then.
            self.save_as(path.removesuffix(MODEL_SUFFIX).removesuffix(SUFFIXES[form]) + SUFFIXES[form], form)

    def _accepted(self, restrictions: str) -> bool:
        """Whether what its teacher's license forbids was read; nothing is asked where nothing is forbidden."""
        if not restrictions:
            return True
        question = f"This student has learned from a teacher with terms of its own:\n\n{restrictions}\n\nSave it?"
        answer = QMessageBox.question(self, "Terms of the teacher", question)
        return bool(answer == QMessageBox.StandardButton.Yes)
