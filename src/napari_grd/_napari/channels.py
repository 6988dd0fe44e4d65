"""The choice of a model's input channels."""

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QWidget

from napari_grd._napari.best_channel import channel_group, default_channels, note_on
from napari_grd._napari.panel import Panel, stack
from napari_grd._napari.source import Channel, channel_axis, channel_choices
from napari_grd._napari.wrapped_label import WrappedLabel

_CHOOSE = "choose…"


class ChannelPickers(QWidget):
    """One picker for each channel that the model takes; hidden where there is nothing to choose.

    Parameters
    ----------
    panel : Panel
        The panel whose viewer offers the channels.
    """

    changed = Signal()

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self._viewer = panel.viewer
        self._shown: tuple[Image | None, int] = (None, 0)
        self._choices: list[Channel] = []
        self._trivial = True
        self._pickers: list[QComboBox] = []
        self._rows = QWidget()
        self._form = QFormLayout(self._rows)
        self._form.setContentsMargins(0, 0, 0, 0)
        self.note = WrappedLabel()
        self.note.setToolTip(
            "In the middle of the image: the range of intensities, in standard deviations of the noise."
        )
        stack(self, self._rows, self.note)
        self.changed.connect(self._describe)
        self.hide()

    def set_image(self, layer: Image | None, count: int) -> None:
        """Offer the channels of an image for a model with ``count`` inputs, or update the offer.

        A chosen channel stays chosen while it exists.
        """
        choices = [] if layer is None else channel_choices(self._viewer, layer)
        if (layer, count) == self._shown and _same(choices, self._choices):
            return
        chosen = self.channels() if (layer, count) == self._shown else None
        default = None if layer is None else default_channels(self._viewer, layer, count)
        self._shown, self._choices = (layer, count), choices
        while self._form.rowCount():
            self._form.removeRow(0)
        self._pickers = []
        for number, channel in enumerate(chosen or default or (None,) * count if layer is not None else ()):
            self._add(number, channel)
        self._trivial = layer is None or (count == 1 and not layer.rgb and channel_axis(layer) is None)
        self._rows.setVisible(not self._trivial)
        self._describe()

    def _describe(self) -> None:
        """Say which of several channels is read, and why it is the default."""
        layer, count = self._shown
        chosen = self.channels()
        text = ""
        if layer is not None and count == 1 and chosen and not layer.rgb:
            group = [Channel(image, None, image.name) for image in channel_group(self._viewer, layer)]
            text = note_on(chosen[0], group if channel_axis(layer) is None else self._choices)
        self.note.setText(text)
        self.note.setVisible(bool(text))
        self.setVisible(not self._trivial or bool(text))

    def channels(self) -> tuple[Channel, ...] | None:
        """The chosen channels in the model's order; None if not all are chosen."""
        chosen = [picker.currentIndex() - 1 for picker in self._pickers]
        if not chosen or min(chosen) < 0:
            return None
        return tuple(self._choices[index] for index in chosen)

    def _add(self, number: int, default: Channel | None) -> None:
        picker = QComboBox()
        picker.addItems([_CHOOSE, *(choice.label for choice in self._choices)])
        picker.setToolTip("Input channel of the model: the stain or color it was trained on.")
        for index, choice in enumerate(self._choices):
            if default is not None and _same([choice], [default]):
                picker.setCurrentIndex(index + 1)
        picker.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self._pickers.append(picker)
        self._form.addRow("Channel" if self._shown[1] == 1 else f"Channel {number + 1}", picker)


def _same(first: list[Channel], other: list[Channel]) -> bool:
    def keys(channels: list[Channel]) -> list[tuple[Image, int | None, str]]:
        return [(channel.layer, channel.index, channel.label) for channel in channels]

    return keys(first) == keys(other)
