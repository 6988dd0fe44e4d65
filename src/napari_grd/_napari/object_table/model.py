"""A Qt table model of arrays as columns."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtWidgets import QWidget

_ROOT = QModelIndex()


class TableModel(QAbstractTableModel):
    """A table model of arrays as columns; formats only visible cells, sorts by any column.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.
    column_tips : mapping of str to str, optional
        Explanations by heading without unit.
    """

    def __init__(self, parent: QWidget | None = None, column_tips: Mapping[str, str] | None = None) -> None:
        super().__init__(parent)
        self._column_tips = column_tips or {}
        self.fill({})

    def fill(self, columns: Mapping[str, NDArray[Any]], row_tips: Sequence[str] | None = None) -> None:
        """Show another table.

        Parameters
        ----------
        columns : mapping of str to (N,) array
            By heading.
        row_tips : sequence of str, optional
            Explanations, one per row.
        """
        self.beginResetModel()
        self._names = list(columns)
        self._values = list(columns.values())
        self._row_tips = row_tips
        self.order = np.arange(len(self._values[0]) if self._values else 0)
        self.endResetModel()

    def original(self, shown: int) -> int:
        """The original row that is shown at a position."""
        return int(self.order[shown])

    def rowCount(self, parent: QModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._names)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.order[index.row()]
        value = self._values[index.column()][row]
        if role == Qt.ItemDataRole.DisplayRole:
            return show(value)
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(value, str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole and self._row_tips is not None:
            return self._row_tips[row]
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._names[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(self._names[section].split(" [")[0])
        return None

    def _tip(self, key: str) -> str:
        """The explanation of a column, or of all columns of its kind: "intensity_mean" for "intensity_mean-DAPI"."""
        return self._column_tips.get(key) or self._column_tips.get(key.partition("-")[0]) or "Click to sort"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        # Qt sorts by column -1 for the original order, and by the first one for an empty table.
        values = self._values[column] if 0 <= column < len(self._values) else np.arange(len(self.order))
        ranks = np.argsort(values, kind="stable")
        if order == Qt.SortOrder.DescendingOrder:
            ranks = ranks[::-1]
        # NaN comes last in either order.
        missing = np.asarray(values[ranks] != values[ranks])
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = [(self.original(index.row()), index.column()) for index in before]
        self.order = np.concatenate([ranks[~missing], ranks[missing]])
        self.changePersistentIndexList(before, [self.index(self.shown(row), position) for row, position in rows])
        self.layoutChanged.emit()

    def shown(self, row: int) -> int:
        """The position at which an original row is shown."""
        return int(np.flatnonzero(self.order == row)[0])


def show(value: Any) -> str:
    """A cell as text, with four significant digits.

    Examples
    --------
    >>> show(np.float64(12.34567)), show(np.int64(123456)), show(float("nan")), show("split")
    ('12.35', '123456', '', 'split')
    """
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)
