"""The controls of the Live widget, and the settings they stand for."""

from typing import TYPE_CHECKING

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFormLayout, QSpinBox, QWidget

from napari_grd._napari.channels import ChannelPickers
from napari_grd._napari.live.controls import PartitionControls
from napari_grd._napari.panel import Panel
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd._napari.settings import settings
from napari_grd._napari.source import Channel
from napari_grd.config import SegmentConfig
from napari_grd.errors import ImageError

if TYPE_CHECKING:
    from napari_grd.models import Model

_AS_KNOWN = "the model's"


class LiveForm(QWidget):
    """What to segment, with what, and how.

    Parameters
    ----------
    panel : Panel
        Whose viewer and models these are.

    Attributes
    ----------
    source_changed, model_changed, settings_changed, partition_changed : Signal
        What has to be taken up from where: another image or channels, another
        model, settings that need the network, settings that do not.
    """

    source_changed = Signal()
    model_changed = Signal()
    settings_changed = Signal()
    partition_changed = Signal()

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self.image = LayerCombo(panel, (Image,), "The image to segment.")
        self.model = ModelCombo(panel, "The model that segments. A distilled or dropped one appears here.")
        self.model.set_name(panel.state.student)
        self.channels = ChannelPickers(panel)
        self.diameter = QDoubleSpinBox(maximum=10000, decimals=1, suffix=" px")
        self.diameter.setSpecialValueText(_AS_KNOWN)
        self.diameter.setKeyboardTracking(False)
        self.diameter.setToolTip(
            "How large your objects are, in pixels of the image. Set it if they are much larger or smaller than those"
            " the model was trained on."
        )
        self.controls = PartitionControls()
        self.contour = QSpinBox(maximum=20, suffix=" px")
        self.contour.setSpecialValueText("filled")
        self.contour.setToolTip("Show objects filled, or as outlines of this width.")
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        form.addRow(self.channels)
        form.addRow("Object diameter", self.diameter)
        form.addRow(self.controls)
        form.addRow("Outline", self.contour)
        self.image.changed.connect(self.source_changed)
        self.channels.changed.connect(self.source_changed)
        self.model.changed.connect(self.model_changed)
        self.diameter.valueChanged.connect(lambda _value: self.settings_changed.emit())
        self.controls.changed.connect(self.partition_changed)

    def show_model(self, model: "Model") -> None:
        """Take the defaults of another model."""
        known = model.config.object_diameter
        self.diameter.setEnabled(known is not None)
        self.diameter.setSpecialValueText(_AS_KNOWN if known is None else f"{_AS_KNOWN} ({known:.0f} px)")
        self.controls.set_value(model.config.partition, foreground=model.config.foreground)

    def choose_channels(self, layer: Image, count: int) -> tuple[Channel, ...]:
        """The channels of an image for a model that takes ``count`` of them; offers them if that is worth a choice.

        Raises
        ------
        ImageError
            If it is for the user to choose.
        """
        self.channels.set_image(layer, count)
        channels = self.channels.channels()
        if channels is None:
            raise ImageError(
                f"The model takes {count} channel{'s' if count > 1 else ''}, and it is not clear which of"
                f" {layer.name!r} to take.",
                "Choose above; other image layers of the same shape are channels too.",
            )
        return channels

    def segment_config(self, model: "Model") -> SegmentConfig:
        """The settings for a model, with device and threads from napari's preferences."""
        known, diameter = model.config.object_diameter, self.diameter.value()
        chosen = settings()
        return SegmentConfig(
            device=chosen.device,
            threads=chosen.threads,
            object_diameter=diameter if known and diameter else None,
            partition=self.controls.value(known / diameter if known and diameter else 1.0),
        )
