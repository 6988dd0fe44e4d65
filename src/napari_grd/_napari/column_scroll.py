"""A column of widgets that scrolls vertically and is never clipped horizontally."""

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollArea, QScrollBar, QWidget


class ColumnScroll(QScrollArea):
    """Scrolls a tall widget; follows the width it needs when styles or contents change.

    The mouse wheel scrolls the column. It changes the value of a field only while that field is being edited.

    Parameters
    ----------
    column : QWidget
        The scrolled widget.
    """

    def __init__(self, column: QWidget) -> None:
        super().__init__()
        self._no_wheel = _NoWheel(self)
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(column)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        changes = (QEvent.Type.LayoutRequest, QEvent.Type.Polish, QEvent.Type.Resize)
        if watched is self.widget() and event is not None and event.type() in changes:
            needed = self.widget().minimumSizeHint().width()
            self.setMinimumWidth(needed + self.verticalScrollBar().sizeHint().width())
            self._no_wheel.guard(self.widget())
        return bool(super().eventFilter(watched, event))


class _NoWheel(QObject):
    """Prevents the mouse wheel from changing a value while the column is scrolled."""

    def guard(self, column: QWidget) -> None:
        """Guard all fields that are in a column now."""
        for kind in (QAbstractSpinBox, QComboBox, QAbstractSlider):
            for field in column.findChildren(kind):
                if not isinstance(field, QScrollBar):
                    if field.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                        field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                    field.installEventFilter(self)  # which Qt does once, however often it is asked

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # Qt's name
        if event is not None and event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget):
            event.ignore()
            return not watched.hasFocus()
        return False
