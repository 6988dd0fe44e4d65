"""The controls of Inspect: image, models and views."""

from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QFormLayout, QSpinBox, QWidget

from napari_grd._napari.channels import ChannelPickers
from napari_grd._napari.inspect.request import GraphChoice, View
from napari_grd._napari.inspect.text import EYES, VIEW_NAMES, Eye
from napari_grd._napari.panel import Panel
from napari_grd._napari.pickers import LayerCombo, ModelCombo
from napari_grd.errors import ConfigError
from napari_grd.hub import TEACHER

_NEAREST, _WITHIN = "nearest", "within"


class InspectForm(QWidget):
    """Edits the request; starts nothing.

    Parameters
    ----------
    panel : Panel
        The panel whose viewer and models are offered.
    """

    subject_changed = Signal()
    """Another image, region or model was chosen."""

    views_changed = Signal()
    """Other views were chosen."""

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self.image = LayerCombo(panel, (Image,), "The image to inspect, on the plane that is shown.")
        self.channels = ChannelPickers(panel)
        self.region = _combo(
            {"whole": "the whole plane", "visible": "what I see"},
            "Part of the plane to inspect. The visible part is faster. A model for volumes inspects the whole volume if"
            " it has at most 4 million voxels,\nelse 9 planes around the one that is shown, where visible.",
        )
        self.eye = _combo(EYES, "The student's prediction, the teacher's, or their difference.")
        self.student = ModelCombo(panel, "The small model; initially the live student.")
        self.teacher = ModelCombo(panel, "The model that the student learned from.")
        self.views = {name: QCheckBox(text) for name, (text, _tip) in VIEW_NAMES.items()}
        for name, (_text, tip) in VIEW_NAMES.items():
            self.views[name].setToolTip(tip)
        self.views["embedding"].setChecked(True)
        self._state, self._teacher_chosen = panel.state, False
        self.labels = LayerCombo(
            panel, (Labels,), "The objects that become nodes of the graph.", none="the model's own objects"
        )
        self.edges = _combo(
            {_NEAREST: "nearest objects", _WITHIN: "objects within"}, "Which objects are connected by edges."
        )
        self.nearest = _spin(1, 50, 5, "", "Number of nearest objects that each object is connected to.")
        self.distance = _spin(0, 10_000, 0, " px", "Maximum distance between the centers of connected objects.")
        self.distance.setSpecialValueText("automatic")
        self._layout()
        self._connect(panel)
        self.offer_channels()
        self._show_what_matters()

    def eye_name(self) -> Eye:
        """The chosen prediction: student, teacher or difference."""
        name: Eye = self.eye.currentData()
        return name

    def models(self) -> tuple[str, ...]:
        """Names of the chosen models: one, or student and teacher.

        Raises
        ------
        ConfigError
            If one is missing.
        """
        combos = {"student": (self.student,), "teacher": (self.teacher,)}.get(
            self.eye_name(), (self.student, self.teacher)
        )
        names = tuple(name for combo in combos if (name := combo.name()) is not None)
        if len(names) < len(combos):
            raise ConfigError("There is no model to inspect.", "Open a model file in the picker.")
        return names

    def ticked(self) -> set[View]:
        """Names of the views to show."""
        return {name for name, box in self.views.items() if box.isChecked()}

    def graph_choice(self) -> GraphChoice:
        """Which objects are connected."""
        if self.edges.currentData() == _NEAREST:
            return GraphChoice(nearest=self.nearest.value())
        return GraphChoice(max_distance=self.distance.value() or None)

    def offer_channels(self, count: int = 1) -> None:
        """Offer the input channels for a model that takes ``count``."""
        layer = self.image.layer()
        self.channels.set_image(layer if isinstance(layer, Image) else None, count)

    def _connect(self, panel: Panel) -> None:
        self.image.changed.connect(lambda: self.offer_channels())
        self.eye.currentIndexChanged.connect(self._show_what_matters)
        self.edges.currentIndexChanged.connect(self._show_what_matters)
        self.views["graph"].toggled.connect(self._show_what_matters)
        for signal in (
            *(picker.changed for picker in (self.image, self.channels, self.student, self.teacher)),
            *(combo.currentIndexChanged for combo in (self.region, self.eye)),
        ):
            signal.connect(self.subject_changed)
        for box in self.views.values():
            box.toggled.connect(self.views_changed)
        self.student.set_name(panel.state.student)
        panel.follow(panel.state.events.student, self.student.set_name)
        self.teacher.activated.connect(lambda _index: setattr(self, "_teacher_chosen", True))
        self.student.changed.connect(self._pair)
        self._pair()

    def _pair(self) -> None:
        """Compare the student with its teacher, or the large built-in one, unless the user chose another."""
        student, state = self.student.name(), self._state
        if not self._teacher_chosen and student is not None:
            others = [name for name in state.names if name != student]
            wanted = [name for name in (state.teachers.get(student), TEACHER) if name in others]
            self.teacher.set_name(next(iter([*wanted, *others]), None))

    def _show_what_matters(self, _value: object = None) -> None:
        eye, graph = self.eye_name(), self.views["graph"].isChecked()
        nearest = self.edges.currentData() == _NEAREST
        self._rows.setRowVisible(self.student, eye != "teacher")
        self._rows.setRowVisible(self.teacher, eye != "student")
        self._rows.setRowVisible(self.labels, graph)
        self._rows.setRowVisible(self.edges, graph)
        self._rows.setRowVisible(self.nearest, graph and nearest)
        self._rows.setRowVisible(self.distance, graph and not nearest)

    def _layout(self) -> None:
        self._rows = QFormLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.addRow("Image", self.image)
        self._rows.addRow(self.channels)
        self._rows.addRow("Look at", self.region)
        self._rows.addRow("Through", self.eye)
        self._rows.addRow("Student", self.student)
        self._rows.addRow("Teacher", self.teacher)
        for box in self.views.values():
            self._rows.addRow(box)
        self._rows.addRow("Objects", self.labels)
        self._rows.addRow("Join with", self.edges)
        self._rows.addRow("How many", self.nearest)
        self._rows.addRow("How far", self.distance)


def _combo(entries: dict[Any, str], tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tip)
    for key, text in entries.items():
        combo.addItem(text, key)
    return combo


def _spin(low: int, high: int, value: int, suffix: str, tip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setValue(value)
    spin.setSuffix(suffix)
    spin.setToolTip(tip)
    return spin
