"""The Plate widget: one field of a plate at a time, chosen by its well."""

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Layer
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractItemView, QComboBox, QTableWidget, QTableWidgetItem

from napari_grd._napari.panel import Panel, row
from napari_grd._napari.settings import PLUGIN
from napari_grd.io.ome_zarr import OmeZarr
from napari_grd.io.remote import address_of

if TYPE_CHECKING:
    import napari

TITLE = "Plate"
_CELL = 27  # pixels
_ROWS = 8  # that are seen without scrolling
_KEPT = ("visible", "contrast_limits", "gamma", "colormap")  # from a field to the next, so that they can be compared


class PlatePicker(Panel):
    """A table of wells: the field of the current one replaces that of the one before.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self._plate: OmeZarr | None = None
        self._wells: dict[tuple[int, int], list[str]] = {}
        self._layers: list[Layer] = []
        self._shown = ""
        self.table = QTableWidget()
        self.table.setToolTip("Click a well, or move with the arrow keys, to open it in place of the one before.")
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.field = QComboBox()
        self.field.setToolTip("Field of the well.")
        self.body.addWidget(self.table)
        self.body.addLayout(row(self.field))
        self.table.currentCellChanged.connect(lambda *_cells: self._well_chosen())
        self.field.currentIndexChanged.connect(lambda _index: self._open())

    def show_plate(self, plate: OmeZarr) -> None:
        """List the wells of a plate, and open its first field."""
        places = [name.split("/") for name in plate.names]
        rows, columns = (sorted({place[axis] for place in places}, key=lambda n: (len(n), n)) for axis in (0, 1))
        self._plate, self._wells = plate, {}
        for name, place in zip(plate.names, places, strict=True):
            self._wells.setdefault((rows.index(place[0]), columns.index(place[1])), []).append(name)
        self.table.blockSignals(True)
        self.table.setRowCount(len(rows))
        self.table.setColumnCount(len(columns))
        self.table.setVerticalHeaderLabels(rows)
        self.table.setHorizontalHeaderLabels(columns)
        for y in range(len(rows)):
            for x in range(len(columns)):
                self.table.setItem(y, x, self._cell((y, x)))
        for header in (self.table.horizontalHeader(), self.table.verticalHeader()):
            header.setMinimumSectionSize(_CELL)
            header.setDefaultSectionSize(_CELL)
        self.table.setFixedHeight((min(len(rows), _ROWS) + 2) * _CELL)  # with a header and a scroll bar
        self.table.setCurrentCell(*min(self._wells))
        self.table.blockSignals(False)
        self._well_chosen()

    def _cell(self, well: tuple[int, int]) -> QTableWidgetItem:
        fields = self._wells.get(well)
        item = QTableWidgetItem(str(len(fields)) if fields else "")
        item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
        if fields:
            item.setToolTip(f"{'/'.join(fields[0].split('/')[:2])}: {len(fields)} field(s)")
        else:
            item.setFlags(Qt.ItemFlag.NoItemFlags)
        return item

    def _well_chosen(self) -> None:
        fields = self._wells.get((self.table.currentRow(), self.table.currentColumn()))
        if not fields:
            return
        index = max(self.field.currentIndex(), 0)  # the same field of the next well
        self.field.blockSignals(True)
        self.field.clear()
        self.field.addItems(fields)
        self.field.setCurrentIndex(min(index, len(fields) - 1))
        self.field.blockSignals(False)
        self._open()

    def _open(self) -> None:
        """Open the chosen field, then remove the one before: widgets that follow an image find the next one."""
        name = self.field.currentText()
        if self._plate is None or not name:
            return
        path = self._plate.path / name
        opened = self.viewer.open(address_of(path) or str(path), plugin=PLUGIN)
        if not opened:
            return  # the reader has said why
        title = f"{self._plate.path.name.split('.')[0]} {name}"
        old = [layer for layer in self._layers if layer in self.viewer.layers]
        for layer in opened:
            layer.name = title if len(opened) == 1 else f"{title}: {layer.name}"
        if len(old) == len(opened):
            _look_alike(opened, old)
        images = [layer for layer in opened if isinstance(layer, Image)]
        self.viewer.layers.selection.active = (images or opened)[0]
        for layer in old:
            self.viewer.layers.remove(layer)
        self._layers = opened


def _look_alike(layers: list[Any], examples: list[Any]) -> None:
    for layer, example in zip(layers, examples, strict=True):
        if type(layer) is type(example):
            for name in _KEPT if isinstance(layer, Image) else ("visible",):
                setattr(layer, name, getattr(example, name))
