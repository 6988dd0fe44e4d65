"""What is corrected, and which model's embedding helps."""

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_grd._napari.best_channel import best_channel, channel_group
from napari_grd._napari.channels import ChannelPickers
from napari_grd._napari.correct.target import CorrectionTarget
from napari_grd._napari.outputs import made_by
from napari_grd._napari.panel import Panel
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd._napari.source import Channel
from napari_grd.errors import ImageError, LabelError

_NO_MODEL = "none (strokes and painting only)"


class CorrectForm(QWidget):
    """Labels, their image, and a model."""

    changed = Signal()

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self._panel = panel
        self.labels = LayerCombo(panel, (Labels,), "The segmentation to correct; a live one is made permanent first.")
        self.image = LayerCombo(panel, (Image,), "The image that was segmented.")
        self.model = ModelCombo(
            panel, "The model whose embedding guides corrections, and that is fine-tuned on them.", none=_NO_MODEL
        )
        self.channels = ChannelPickers(panel)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Labels", self.labels)
        form.addRow("Image", self.image)
        form.addRow("Model", self.model)
        form.addRow(self.channels)
        self.model.set_name(panel.state.student)
        self.labels.changed.connect(self._labels_changed)
        self.image.changed.connect(self._image_changed)
        self.model.changed.connect(self._image_changed)
        self.channels.changed.connect(self.changed)
        self._labels_changed()

    def target(self) -> CorrectionTarget:
        """What was chosen; a `GrdError` if something is missing, or labels and image do not fit each other."""
        labels, image = self.labels.layer(), self.image.layer()
        if labels is None:
            raise LabelError("There are no labels to correct.", "Segment an image with Live, or open its labels.")
        if image is None:
            raise ImageError("There is no image.", "Open the image that was segmented.")
        channels = self.channels.channels()
        if self.model.name() is not None and channels is None:
            raise ImageError(f"It is not clear which channels of {image.name!r} the model reads.", "Choose them above.")
        return CorrectionTarget.of(labels, image, channels)

    def _labels_changed(self) -> None:
        """Labels of a model bring their image and model along."""
        layer = self.labels.layer()
        card = made_by(layer).get("model")
        name = card.get("name") if isinstance(card, dict) else None
        if name in self._panel.state.names:
            self.model.set_name(name)
        if layer is not None:
            targets = CorrectionTarget.all_of(layer, self._panel.viewer.layers)
            fitting = [target.source.layer for target in targets]
            named = [candidate for candidate in fitting if _is_named_after(layer, candidate)]
            if fitting and self.image.layer() not in (named or fitting):
                # The longest of the names in the labels' name: "a 2" for "instances of a 2", not "a".
                image = max(named, key=lambda layer: len(layer.name)) if named else self._best(fitting)
                self.image.set_layer(image)
        self._image_changed()

    def _best(self, fitting: list[Image]) -> Image:
        """The topmost, or of its channels the one of the highest contrast."""
        group = [layer for layer in channel_group(self._panel.viewer, fitting[-1]) if layer in fitting]
        return best_channel([Channel(layer, None, layer.name) for layer in group]).layer

    def _image_changed(self) -> None:
        image = self.image.layer()
        self.channels.set_image(image, 0 if image is None else 1)
        self.changed.emit()


def _is_named_after(labels: Labels, image: Image) -> bool:
    """Whether the labels' name has the image's at its end, as ours, or in front, as those of many programs."""
    name = str(labels.name)
    return name.endswith(f" {image.name}") or name.startswith(image.name)
