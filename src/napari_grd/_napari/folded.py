"""A part of a form that is folded away until it is asked for."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QSizePolicy, QVBoxLayout, QWidget


class Folded(QWidget):
    """A title that shows and hides what is below it.

    What is folded is hidden, so that the Tab key passes over it.

    Parameters
    ----------
    title : str
        Of the part.
    """

    toggled = Signal(bool)

    def __init__(self, title: str) -> None:
        super().__init__()
        self._title = title
        self._button = QPushButton()
        self._button.setCheckable(True)
        self._button.setFlat(True)
        self._button.setStyleSheet("text-align: left; background: transparent; border: none; padding: 4px 0;")
        self._button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._button.setToolTip("Show or hide these settings.")
        self._content = QWidget()
        self._parts = QVBoxLayout(self._content)
        self._parts.setContentsMargins(5, 0, 0, 0)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._button)
        column.addWidget(self._content)
        self._button.toggled.connect(self._toggle)
        self._toggle(False)

    def addWidget(self, widget: QWidget) -> None:  # as a layout of Qt
        """Add something to what is folded."""
        self._parts.addWidget(widget)

    def isExpanded(self) -> bool:  # as Qt's name would be
        """Whether it is shown."""
        return bool(self._button.isChecked())

    def expand(self) -> None:
        """Show it."""
        self._button.setChecked(True)

    def _toggle(self, on: bool) -> None:
        self._button.setText(f"{'▾' if on else '▸'}  {self._title}")
        self._content.setVisible(on)
        self.toggled.emit(on)
