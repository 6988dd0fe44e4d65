"""The controls of the partition of the network's prediction into instances."""

from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QLabel, QWidget
from superqt import QLabeledDoubleSlider, QLabeledSlider

from napari_grd.config import PartitionConfig

_METHODS = {"mutex": "mutex watershed", "agglomeration": "agglomeration", "multicut": "multicut"}
_METHOD_TIP = (
    "Mutex watershed: of pixels, by attraction and repulsion. Agglomeration: watershed fragments, merged by their mean"
    " affinity.\nMulticut: watershed fragments, partitioned at the lowest cost. The last two suit volumes of neurites."
)
_LARGEST = 2000  # pixels of the smallest object, at most


class PartitionControls(QWidget):
    """The method of the partition, and sliders for the smallest object, the foreground and splitting or merging."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._base = PartitionConfig()
        self.min_size = _slider(
            QLabeledSlider,
            0,
            _LARGEST,
            1,
            "Smaller objects are merged with a neighbor, or removed if they have none.\n"
            "In pixels at the scale of the training images, to which images are rescaled first.",
        )
        self.threshold = _slider(
            QLabeledDoubleSlider,
            0.05,
            0.95,
            0.05,
            "How certain the model must be that a pixel is foreground; further left, more pixels are foreground.",
        )
        self.bias = _slider(
            QLabeledDoubleSlider, -0.9, 0.9, 0.05, "To the left objects are split more often, to the right merged."
        )
        self.method = QComboBox()
        self.method.setToolTip(_METHOD_TIP)
        for method, name in _METHODS.items():
            self.method.addItem(name, method)
        self.form = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Partition by", self.method)
        self._size_label = QLabel()
        form.addRow(self._size_label, self.min_size)
        form.addRow("Foreground above", self.threshold)
        form.addRow(QLabel("Split – merge"), self.bias)
        for slider in (self.min_size, self.threshold, self.bias):
            slider.valueChanged.connect(lambda _value: self.changed.emit())
        self.method.currentIndexChanged.connect(lambda _index: self.changed.emit())
        self.set_value(self._base)
        self.show_scale(1.0)

    def show_scale(self, scale: float) -> None:
        """Say at which scale of the image the pixels of the smallest object are.

        Parameters
        ----------
        scale : float
            Pixels of the network's grid per pixel of the image.
        """
        zoom = "" if scale == 1 else f" at {scale:.2g} x"
        self._size_label.setText(f"Smallest object (px{zoom})")

    def set_value(self, config: PartitionConfig, *, foreground: bool = True) -> None:
        """Show settings, usually those stored in a model; a model without foreground has no threshold."""
        self._base = config
        for slider, value in (
            (self.min_size, min(config.min_size, _LARGEST)),
            (self.threshold, config.foreground_threshold),
            (self.bias, config.bias),
        ):
            slider.blockSignals(True)
            slider.setValue(value)
            slider.blockSignals(False)
        self.form.setRowVisible(self.threshold, foreground)
        self.method.blockSignals(True)
        self.method.setCurrentIndex(self.method.findData(config.method))
        self.method.blockSignals(False)

    def value(self) -> PartitionConfig:
        """The settings; sizes are in pixels of the network's grid, so they are independent of the image's scale."""
        return self._base.replace(
            method=self.method.currentData(),
            min_size=self.min_size.value(),
            foreground_threshold=round(self.threshold.value(), 3),
            bias=round(self.bias.value(), 3),
        )


def _slider(kind: Any, low: float, high: float, step: float, tip: str) -> Any:
    slider = kind(Qt.Orientation.Horizontal)
    slider.setRange(low, high)
    slider.setSingleStep(step)
    slider.setToolTip(tip)
    return slider
