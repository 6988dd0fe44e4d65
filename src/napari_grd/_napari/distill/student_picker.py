"""The choice of the student's size, with its cost."""

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QLineEdit, QWidget

from napari_grd._napari.distill.form_fields import FieldEditor, narrow
from napari_grd._napari.distill.teacher_picker import millions
from napari_grd._napari.panel import stack
from napari_grd.config import NetworkConfig

_SIZES = {
    "Tiny: for live use on a laptop": NetworkConfig(),
    "Fast: half of Tiny's time": NetworkConfig(name="subpixel_unet"),
    "Small": NetworkConfig(widths=(8, 16, 32, 64, 128)),
    "Medium": NetworkConfig(widths=(16, 32, 64, 128, 256)),
    "MobileNetV2": NetworkConfig(name="mobilenetv2"),
    "ENet": NetworkConfig(name="enet"),
    "ESPNet: the lightest": NetworkConfig(name="espnet"),
}
_OTHER = "Another network…"


class StudentPicker(QWidget):
    """Picks the student's network; a line below shows its size and expected speed."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._embedding = NetworkConfig().embedding
        self.choice = narrow(QComboBox())
        self.choice.setToolTip("Smaller students are faster and train sooner; larger ones can be more accurate")
        for name, network in _SIZES.items():
            self.choice.addItem(name, network)
        self.choice.addItem(_OTHER)
        self.other = QLineEdit()
        self.other.setPlaceholderText("resunet: 4, 8, 16, 32, 64")
        self.other.setToolTip("Name of a network, and its channels at each level: resunet: 4, 8, 16, 32, 64")
        self.cost = QLabel()
        self.cost.setWordWrap(True)
        stack(self, self.choice, self.other, self.cost)
        self.other.hide()
        self.cost.hide()
        self.choice.currentIndexChanged.connect(self._picked)
        self.other.textChanged.connect(lambda _text: self.changed.emit())

    def editor(self) -> FieldEditor:
        """Return the picker as the editor of the field ``network`` in a form."""
        return FieldEditor(self, self.value, self.set_value, self.changed)

    def value(self) -> dict[str, object]:
        """The network, as the fields of a `NetworkConfig`."""
        picked = self.choice.currentData()
        if picked is not None:
            return {**picked.model_dump(), "embedding": self._embedding}
        name, _, widths = self.other.text().partition(":")
        split = tuple(part.strip() for part in widths.split(",")) if widths.strip() else None
        return {"name": name.strip() or NetworkConfig().name, "widths": split, "embedding": self._embedding}

    def set_value(self, network: NetworkConfig) -> None:
        """Show a network."""
        self._embedding = network.embedding
        for row, size in enumerate(_SIZES.values()):
            if (size.name, size.widths) == (network.name, network.widths):
                self.choice.setCurrentIndex(row)
                return
        widths = "" if network.widths is None else f": {', '.join(map(str, network.widths))}"
        self.other.setText(network.name + widths)
        self.choice.setCurrentIndex(self.choice.count() - 1)
        self.other.show()

    def set_embedding(self, channels: int) -> None:
        """Embeddings are compared channel by channel, so the student's dimension must equal the teacher's."""
        if channels != self._embedding:
            self._embedding = channels
            self.changed.emit()

    def show_cost(self, parameters: int, seconds: float) -> None:
        """Show the size and the expected time for a view."""
        self.say(f"{millions(parameters)} parameters, about {_ms(seconds)} ms for 512 x 512 pixels on this CPU")

    def say(self, text: str) -> None:
        """Show a line about the network, or none."""
        self.cost.setText(text)
        self.cost.setVisible(bool(text))
        self.updateGeometry()  # else the form keeps the height of the previous text

    def _picked(self, _index: int) -> None:
        self.other.setVisible(self.choice.currentData() is None)
        self.changed.emit()


def _ms(seconds: float) -> int:
    """Milliseconds with two significant digits, the precision of a quick measurement."""
    value = seconds * 1000
    return round(value) if value < 100 else round(value / 10) * 10
