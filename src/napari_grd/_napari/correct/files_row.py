"""Where the corrections are kept, and the buttons to save and load them."""

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_grd._napari.correct.place import FilePlace
from napari_grd._napari.panel import button
from napari_grd.corrections.files import SUFFIX

_FILTER = f"Corrections (*{SUFFIX})"


class FilesRow(QWidget):
    """Says where corrections are written, and asks for other files.

    Parameters
    ----------
    save, load : callable
        Called with the file that was chosen.
    """

    def __init__(self, save: Callable[[Path], object], load: Callable[[Path], object]) -> None:
        super().__init__()
        self._save, self._load = save, load
        self.where = QLabel()
        self.where.setWordWrap(True)
        self.save = button(
            "Save as…", "Write all corrections into a file of their own, for a colleague.", self._ask_save
        )
        self.load = button("Load…", "Add the corrections of a file to these, e.g. a colleague's.", self._ask_load)
        row = QHBoxLayout()
        row.addWidget(self.save)
        row.addWidget(self.load)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.where)
        column.addLayout(row)

    def show_place(self, place: FilePlace) -> None:
        """Say where every correction goes."""
        self._place = place
        self.where.setText(f"Every correction is kept at once in {place.path.name}.")
        self.where.setToolTip(f"{place.why} {place.path}".strip())
        if place.why:
            self.where.setText(f"{place.why} Every correction is kept at once in {place.path}.")

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save corrections", self._place.path.name, _FILTER)
        if path:
            self._save(Path(path if path.endswith(SUFFIX) else path.removesuffix(".geojson") + SUFFIX))

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load corrections", str(self._place.path.parent), _FILTER)
        if path:
            self._load(Path(path))
