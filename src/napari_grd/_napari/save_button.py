"""Saving a student, as a model file or for other programs, after its license terms were confirmed."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qtpy.QtWidgets import QFileDialog, QMessageBox, QPushButton

from napari_grd._napari.panel import Panel
from napari_grd._napari.worker import run_call
from napari_grd.io.names import MODEL_SUFFIX

if TYPE_CHECKING:
    from napari_grd.models.model import Model

Form = Literal["model", "bioimageio", "onnx", "openvino"]

SUFFIXES: dict[Form, str] = {"model": MODEL_SUFFIX, "bioimageio": ".zip", "onnx": ".onnx", "openvino": ".xml"}
FILTERS: dict[str, Form] = {
    f"Model of napari-grd (*{MODEL_SUFFIX})": "model",
    "bioimage.io package (*.zip)": "bioimageio",
    "ONNX (*.onnx)": "onnx",
    "OpenVINO (*.xml)": "openvino",
}
"""File types of the dialog: text to format."""


class SaveButton(QPushButton):
    """Asks for a file, and writes it in a worker.

    Parameters
    ----------
    panel : Panel
        The panel that shows the outcome.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__("Save model as…")
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
        """Write the student atomically.

        Parameters
        ----------
        path : str
            The file.
        form : {"model", "bioimageio", "onnx", "openvino"}
            A model file, or what :func:`napari_grd.api.export_model` writes.
        """
        model = self.model
        if model is None:
            return

        def write() -> Path:
            import napari_grd.api as grd

            return grd.save_model(model, path) if form == "model" else grd.export_model(model, path, form)

        if form != "model":  # which is written instantly
            self._panel.say("Exporting, and checking the exported model…")
        done = run_call(
            write, on_done=lambda path: self._panel.say(f"Saved as {path}"), on_error=self._panel.show_error
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
            # A dialog keeps the suffix of the proposed name when another format is chosen.
            self.save_as(path.removesuffix(MODEL_SUFFIX).removesuffix(SUFFIXES[form]) + SUFFIXES[form], form)

    def _accepted(self, restrictions: str) -> bool:
        """Whether the user accepts the restrictions of the teacher's license; True if there are none."""
        if not restrictions:
            return True
        question = f"The student's teacher has its own license terms:\n\n{restrictions}\n\nSave it?"
        answer = QMessageBox.question(self, "Terms of the teacher", question)
        return bool(answer == QMessageBox.StandardButton.Yes)
