"""A column of widgets that scrolls vertically and is never clipped horizontally."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QScrollArea, QWidget


class ColumnScroll(QScrollArea):
    """Scrolls a tall widget; follows the width it needs when styles or contents change.

    Parameters
    ----------
    column : QWidget
        The scrolled widget.
    """

    def __init__(self, column: QWidget) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(column)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        changes = (QEvent.Type.LayoutRequest, QEvent.Type.Polish, QEvent.Type.Resize)
        if watched is self.widget() and event is not None and event.type() in changes:
            needed = self.widget().minimumSizeHint().width()
            self.setMinimumWidth(needed + self.verticalScrollBar().sizeHint().width())
        return bool(super().eventFilter(watched, event))
