"""A short list of check boxes."""

from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QListWidget, QListWidgetItem

_MOST = 5  # rows before it scrolls


class CheckList(QListWidget):
    """Names with a check box each; new names are ticked.

    Parameters
    ----------
    tip : str
        The tooltip.
    empty : str
        Text of an empty list.
    """

    def __init__(self, tip: str, empty: str) -> None:
        super().__init__()
        self.setToolTip(tip)
        self._empty = empty
        self.offer([])

    def offer(self, names: Sequence[str]) -> None:
        """Show these names; unticked names stay unticked."""
        unticked = {item.text() for item in self._items() if item.checkState() == Qt.CheckState.Unchecked}
        self.clear()
        for name in names:
            item = QListWidgetItem(name)
            item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            item.setCheckState(Qt.CheckState.Unchecked if name in unticked else Qt.CheckState.Checked)
            self.addItem(item)
        if not names:
            item = QListWidgetItem(self._empty)
            item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.addItem(item)
        rows = min(max(self.count(), 1), _MOST)
        self.setFixedHeight(rows * (self.fontMetrics().height() + 8) + 6)

    def ticked(self) -> list[str]:
        """The names whose boxes are ticked, in their order."""
        return [item.text() for item in self._items() if item.checkState() == Qt.CheckState.Checked]

    def set_ticked(self, names: Sequence[str]) -> None:
        """Tick these and no others."""
        for item in self._items():
            item.setCheckState(Qt.CheckState.Checked if item.text() in names else Qt.CheckState.Unchecked)

    def _items(self) -> list[QListWidgetItem]:
        items = [self.item(row) for row in range(self.count())]
        return [item for item in items if item.flags() & Qt.ItemFlag.ItemIsUserCheckable]
