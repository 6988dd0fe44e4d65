"""Which channels of an image a model is given."""

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QWidget

from napari_grd._napari.source import Channel

_AUTOMATIC = "automatic"


class ChannelPicker(QWidget):
    """One picker for each channel that the model takes.

    It starts with "automatic" for all of them, which leaves the choice to
    :func:`napari_grd._napari.source.default_channels`.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._choices: list[Channel] = []
        self.combos: list[QComboBox] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self.offer([])

    def offer(self, choices: Sequence[Channel], count: int = 1) -> None:
        """Offer these channels to a model that takes ``count``; what was chosen is forgotten."""
        self._choices = list(choices)
        for combo in self.combos:
            self._row.removeWidget(combo)
            combo.deleteLater()
        self.combos = [self._combo(number, count) for number in range(count)]

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to choose."""
        return len(self._choices) > 1

    def channels(self) -> tuple[Channel, ...] | None:
        """The chosen channels; None if any is left automatic."""
        picked = [combo.currentData() for combo in self.combos]
        return None if None in picked else tuple(self._choices[index] for index in picked)

    def _combo(self, number: int, count: int) -> QComboBox:
        combo = QComboBox()
        combo.setToolTip(
            "The channel of the image that the model looks at."
            if count == 1
            else f"Channel {number + 1} of the {count} that the model looks at."
        )
        combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        combo.addItem(_AUTOMATIC, None)
        for index, choice in enumerate(self._choices):
            combo.addItem(choice.label, index)
        combo.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self._row.addWidget(combo)
        return combo
