"""The controls of the Live widget, and their settings."""

from typing import TYPE_CHECKING, Literal

from napari.layers import Image
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QFormLayout, QSpinBox, QVBoxLayout, QWidget

from napari_grd._napari.channels import ChannelPickers
from napari_grd._napari.files.calibrated import layer_calibration
from napari_grd._napari.live.controls import PartitionControls
from napari_grd._napari.panel import Panel, check_box
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd._napari.settings import settings
from napari_grd._napari.source import Channel, ImageSource
from napari_grd._napari.wrapped_label import WrappedLabel
from napari_grd.config import SegmentConfig
from napari_grd.errors import ImageError

if TYPE_CHECKING:
    from napari_grd.inference.view import ImageView
    from napari_grd.models.model import Model

_AUTOMATIC = "automatic"
_SIZE_TIP = (
    "How large your objects are, in pixels of the image. Automatic: estimated from the image, or from the pixel"
    " sizes of image and training images if both are known."
    " Set it if the estimate is wrong."
)
_RANGE_TIP = (
    "Intensities that the model receives as black and as white. Automatic: percentiles of each plane."
    " Contrast limits: those of the layer, as its slider shows them."
)
_LIMITS = "contrast limits of the layer"
_INVERT: dict[str, Literal["auto"] | bool] = {_AUTOMATIC: "auto", "inverted": True, "not inverted": False}


class LiveForm(QWidget):
    """Image, model and settings of a segmentation.

    Parameters
    ----------
    panel : Panel
        The panel whose viewer and models are offered.

    Attributes
    ----------
    source_changed, model_changed, settings_changed, partition_changed : Signal
        Emitted for another image or channels, another model, settings that need a forward pass, and settings that do
        not.
    """

    source_changed = Signal()
    model_changed = Signal()
    settings_changed = Signal()
    partition_changed = Signal()

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self._knows_size = True
        self.image = LayerCombo(panel, (Image,), "The image to segment.")
        self.model = ModelCombo(panel, "The model that segments. Distilled and dropped models are listed here.")
        self.model.set_name(panel.state.student)
        self.fit = WrappedLabel()
        self.fit.setToolTip("Judged by histogram and colors of the image. The list of models says what each is for.")
        self.fit.hide()
        self.channels = ChannelPickers(panel)
        self.diameter = QDoubleSpinBox(maximum=10000, decimals=1, suffix=" px")
        self.diameter.setSpecialValueText(_AUTOMATIC)
        self.diameter.setKeyboardTracking(False)
        self.diameter.setToolTip(_SIZE_TIP)
        self.as_known = check_box(
            "As in training", "Do not rescale: assume objects of the size that the model was trained on."
        )
        size = QVBoxLayout()
        size.setSpacing(2)
        size.addWidget(self.diameter)
        size.addWidget(self.as_known)
        self.invert = QComboBox()
        self.invert.addItems(list(_INVERT))
        self.invert.setToolTip("Whether to invert intensities. Automatic: if objects are dark on a bright background.")
        self.range = QComboBox()
        self.range.addItems([_AUTOMATIC, _LIMITS])
        self.range.setToolTip(_RANGE_TIP)
        self.planes = QSpinBox(minimum=1, maximum=64, value=9)
        self.planes.setKeyboardTracking(False)
        self.planes.setToolTip(
            "How many planes Live segments at once, around the one that is shown. More planes take longer, and show"
            " more of each object."
        )
        self.controls = PartitionControls()
        self.contour = QSpinBox(maximum=20, suffix=" px")
        self.contour.setSpecialValueText("filled")
        self.contour.setToolTip("Show objects filled, or as outlines of this width.")
        self._rows = form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        form.addRow(self.fit)
        form.addRow(self.channels)
        form.addRow("Planes of the slab", self.planes)
        form.setRowVisible(self.planes, False)
        form.addRow("Object diameter", size)
        form.addRow("Inversion", self.invert)
        form.addRow("Intensity range", self.range)
        form.addRow(self.controls)
        form.addRow("Outline", self.contour)
        self.image.changed.connect(self.source_changed)
        self.channels.changed.connect(self.source_changed)
        self.model.changed.connect(self.model_changed)
        self.planes.valueChanged.connect(lambda _value: self.settings_changed.emit())
        self.diameter.valueChanged.connect(lambda _value: self._resized())
        self.as_known.toggled.connect(lambda _on: self._resized())
        self.invert.currentIndexChanged.connect(lambda _index: self._resized())
        self.range.currentIndexChanged.connect(lambda _index: self._resized())
        self.controls.changed.connect(self.partition_changed)

    def show_model(self, model: "Model") -> None:
        """Adopt the defaults of another model."""
        trained_diameter = model.config.object_diameter
        self._rows.setRowVisible(self.planes, model.config.ndim == 3)
        self._knows_size = trained_diameter is not None
        self.as_known.setVisible(self._knows_size)
        self.as_known.setText(
            "As in training" if trained_diameter is None else f"As in training: {trained_diameter:.0f} px"
        )
        self.forget_view()
        self.controls.set_value(model.config.partition, foreground=model.config.foreground)

    def show_fit(self, text: str) -> None:
        """Say why a model was chosen for the image, or nothing."""
        self.fit.setText(text)
        self.fit.setVisible(bool(text))

    def show_view(self, view: "ImageView") -> None:
        """Show the values chosen automatically for the image."""
        if view.diameter is not None and self._knows_size:
            used = view.config.object_diameter
            text = f"{view.diameter:.0f} px" if used is not None else "as in training"
            self.diameter.setSpecialValueText(f"{_AUTOMATIC}: {text}")
        if view.config.pixel_size is not None:
            self.diameter.setSpecialValueText(f"{_AUTOMATIC}: by pixel size")
        self.diameter.setToolTip("\n".join((_SIZE_TIP, *view.notes)))
        self.controls.show_scale(view.scale)
        decided = "inverted" if view.invert else "not inverted"
        self.invert.setItemText(0, f"{_AUTOMATIC}: {decided}" if self.invert.currentIndex() == 0 else _AUTOMATIC)

    def forget_view(self) -> None:
        """Another image: no automatic values yet."""
        self.diameter.setSpecialValueText(_AUTOMATIC)
        self.diameter.setToolTip(_SIZE_TIP)
        self.diameter.setEnabled(self._knows_size and not self.as_known.isChecked())
        self.invert.setItemText(0, _AUTOMATIC)
        self.controls.show_scale(1.0)

    @property
    def takes_limits(self) -> bool:
        """Whether the layers' contrast limits are the intensity range."""
        return self.range.currentIndex() > 0 and self._limits() is not None

    def _limits(self) -> tuple[tuple[float, float], ...] | None:
        channels = self.channels.channels() or ()
        if not channels or any(channel.layer.rgb for channel in channels):
            return None
        limits = [tuple(float(value) for value in channel.layer.contrast_limits) for channel in channels]
        return tuple((low, high) for low, high in limits) if all(low < high for low, high in limits) else None

    def _resized(self) -> None:
        self.forget_view()
        self.settings_changed.emit()

    def choose_channels(self, layer: Image, count: int) -> tuple[Channel, ...]:
        """The channels of an image for a model that takes ``count`` of them; shows the pickers if there is a choice.

        Raises
        ------
        ImageError
            If the user has to choose.
        """
        self.channels.set_image(layer, count)
        # RGB layers have no contrast limits.
        self._rows.setRowVisible(self.range, not layer.rgb)
        channels = self.channels.channels()
        if channels is None:
            raise ImageError(
                f"The model takes {count} channel{'s' if count > 1 else ''}, but which of {layer.name!r} is ambiguous.",
                "Choose above; other image layers of the same shape are channels too.",
            )
        return channels

    def segment_config(self, model: "Model") -> SegmentConfig:
        """The settings for a model, with device and threads from napari's preferences."""
        given: float | Literal["auto"] = self.diameter.value() or "auto"
        as_known = model.config.object_diameter is None or self.as_known.isChecked()
        chosen = settings()
        config = SegmentConfig(
            device=chosen.device,
            threads=chosen.threads,
            object_diameter=None if as_known else given,
            invert=list(_INVERT.values())[self.invert.currentIndex()],
            intensity_range=self._limits() if self.range.currentIndex() > 0 else None,
            partition=self.controls.value(),
        )
        from napari_grd.inference.view import with_anisotropy, with_pixel_size  # torch; a model has been loaded

        config = with_pixel_size(config, model.config, self._pixel_size())
        layer = self.image.layer()
        if model.config.ndim == 2 or layer is None:
            return config
        source = ImageSource(layer)
        return with_anisotropy(config, source.distance(-1) if source.plane_axes else None)

    def _pixel_size(self) -> float | None:
        layer = self.image.layer()
        if layer is None or layer.ndim < 2:
            return None
        meta = {"scale": layer.scale, "units": layer.units, "axis_labels": layer.axis_labels}
        return layer_calibration(meta, layer.ndim).pixel_size
