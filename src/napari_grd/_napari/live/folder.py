"""The part of Live that segments a folder of images into label images and tables."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QWidget

from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.live.folder_job import FolderRequest, FolderResult, check_folder, iter_segment_folder
from napari_grd._napari.panel import Panel, button, check_box, row, stack
from napari_grd.errors import GrdError
from napari_grd.io.names import file_name

if TYPE_CHECKING:
    from napari_grd.config import SegmentConfig
    from napari_grd.models.model import Model

_RESULTS = "labels"  # the beginning of the name of the folder of results


class FolderPart(QWidget):
    """Segments a folder with the model and the settings of Live, in the background.

    Parameters
    ----------
    panel : Panel
        Shows messages.
    settings : callable
        Returns model and settings when the button is pressed; raises a GrdError that names what is missing.
    when_ready : callable
        Calls a function when there is a model; returns False if it has to wait for it.
    """

    def __init__(
        self,
        panel: Panel,
        settings: "Callable[[], tuple[Model, SegmentConfig]]",
        when_ready: Callable[[Callable[[], object]], bool],
    ) -> None:
        super().__init__()
        self._panel, self._settings, self._when_ready = panel, settings, when_ready
        self.folder, choose = _folder_line("A folder of images. Other files in it are left alone.", self)
        self.out, choose_out = _folder_line("The folder for label images (TIFF) and tables (CSV).", self)
        self.out.setPlaceholderText("in the folder of images")
        self.tables = check_box(
            "Tables of objects", "Write size, shape and intensities of all objects beside each label image.", on=True
        )
        self.skip = check_box(
            "Skip images that have labels", "Go on where a job was stopped. Existing labels are never overwritten."
        )
        self.start = button(
            "Segment folder",
            "Segment every image of the folder with the model and settings above. You can continue working.",
            self._start,
        )
        self.bar = JobBar("Stop; the labels of finished images are kept.")
        form = QFormLayout()
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Images in", choose)
        form.addRow("Results in", choose_out)
        stack(self, form, self.tables, self.skip, self.start, self.bar)

    def _start(self) -> None:
        self.start.setEnabled(False)
        if not self._when_ready(self._begin):
            self._panel.say("Waiting for the model, which is being loaded.")

    def _begin(self) -> None:
        self.start.setEnabled(True)
        try:
            folder = check_folder(self.folder.text())
            model, config = self._settings()
        except GrdError as error:
            self._panel.show_error(error)
            return
        typed = self.out.text().strip()
        out = Path(typed).expanduser() if typed else folder / f"{_RESULTS} {file_name(model.card.name)}"
        request = FolderRequest(folder, out, model, config, self.tables.isChecked(), self.skip.isChecked())
        self.start.setEnabled(False)
        self._panel.say("")
        self.bar.run(
            self._panel,
            lambda: iter_segment_folder(request),
            lambda result: self._done(result, out),
            on_end=lambda: self.start.setEnabled(True),
            on_stopped=lambda: self._panel.say(f"Stopped. The labels of finished images are in {out}."),
        )

    def _done(self, result: FolderResult, out: Path) -> None:
        parts = [result.text(), f"The results are in {out}.", *self.bar.notices]
        self._panel.say(" ".join(parts), "warning" if result.failures else "info")


def _folder_line(tip: str, parent: QWidget) -> tuple[QLineEdit, QHBoxLayout]:
    """A line for a path, and the row of it and a button that opens a dialog."""
    line = QLineEdit()
    line.setToolTip(tip)

    def choose() -> None:
        path = QFileDialog.getExistingDirectory(parent, "Choose a folder", line.text())
        if path:
            line.setText(path)

    return line, row(line, button("…", "Choose the folder.", choose), stretch=(1, 0))
