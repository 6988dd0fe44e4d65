"""The folder that labels are written to."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QWidget

from napari_grd._napari.panel import button


class TargetLine(QWidget):
    """A line with a path, which follows the image until it is edited, and a button that picks the folder around it."""

    def __init__(self) -> None:
        super().__init__()
        self._proposed = ""
        self.line = QLineEdit()
        self.line.setPlaceholderText("beside the image, or within its OME-Zarr")
        self.line.setToolTip("The OME-Zarr for the labels. A stopped job resumes in its folder.")
        self.choose = button("…", "Choose the folder that it is written in.", self._choose)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line, 1)
        row.addWidget(self.choose)

    def path(self) -> Path:
        """The path."""
        return Path(self.line.text().strip()).expanduser()

    def propose(self, path: Path) -> None:
        """Show a path, unless another one was typed."""
        if self.line.text().strip() in ("", self._proposed):
            self._proposed = str(path)
            self.line.setText(self._proposed)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "The folder for the labels", str(self.path().parent))
        if folder:
            self.line.setText(str(Path(folder) / self.path().name))
