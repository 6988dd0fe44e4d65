"""One combo box for each channel that a model reads."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSpinBox, QVBoxLayout, QWidget

from napari_grd._napari.form_fields import ignore_wheel


class ChannelPicker(QWidget):
    """Picks which of an image's channels become the input, in their order.

    Where nothing dictates their number, it is picked too.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._choices: list[str] = []
        self._combos: list[QComboBox] = []
        self.number = QSpinBox()
        self.number.setRange(1, 8)
        self.number.setSuffix(" channels")
        self.number.setToolTip("How many channels the student shall read")
        ignore_wheel(self.number)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.addWidget(self.number)
        self._set_combos(1)
        self.number.valueChanged.connect(self._set_combos)

    def positions(self) -> list[int]:
        """The picked positions in the list of choices."""
        return [combo.currentIndex() for combo in self._combos]

    def set_positions(self, positions: Sequence[int]) -> None:
        """Pick, as many as there are channels."""
        for combo, position in zip(self._combos, positions, strict=True):
            combo.setCurrentIndex(position)

    def require(self, count: int | None) -> None:
        """Fix the number of channels to what a teacher takes; None leaves it to the user."""
        self.number.setVisible(count is None)
        if count is not None:
            self.number.setValue(count)

    def offer(self, choices: Sequence[str], default: Sequence[int]) -> None:
        """Show other choices; what is picked stays where a choice of that name is there."""
        if list(choices) == self._choices:
            return
        self._choices = list(choices)
        for i, combo in enumerate(self._combos):
            self._fill(combo, default[i] if i < len(default) else i)

    def _set_combos(self, count: int) -> None:
        while len(self._combos) > count:
            self._combos.pop().deleteLater()
        while len(self._combos) < count:
            combo = QComboBox()
            combo.setToolTip(f"Input channel {len(self._combos) + 1}: what the networks see")
            ignore_wheel(combo)
            self._fill(combo, len(self._combos))
            combo.currentIndexChanged.connect(lambda _index: self.changed.emit())
            self._combos.append(combo)
            self._column.addWidget(combo)
        self.changed.emit()

    def _fill(self, combo: QComboBox, default: int) -> None:
        before = combo.currentText()
        combo.blockSignals(True)
        combo.clear()
        combo.addItems(self._choices)
        found = self._choices.index(before) if before in self._choices else min(default, len(self._choices) - 1)
        combo.setCurrentIndex(found)
        combo.blockSignals(False)
