"""The choice of the teacher: a model, labels, or another program; with information about it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QComboBox, QLabel, QWidget

from napari_grd._napari.distill.form_fields import narrow
from napari_grd._napari.distill.teacher_options import TeacherOptions
from napari_grd._napari.panel import Panel, stack
from napari_grd._napari.pickers import ModelCombo
from napari_grd._napari.worker import message_of, run_call
from napari_grd.hub import TEACHER

if TYPE_CHECKING:
    from napari_grd.models.model import Model, ModelCard, ModelConfig
    from napari_grd.teaching.base import TeacherInfo
    from napari_grd.teaching.options import TeacherOption

    Installed = tuple[TeacherInfo, tuple[TeacherOption, ...]]

_NOT_PLUGINS = ("model", "labels", "several")  # the first two have separate entries, the third needs options
_DIAMETER = "object_diameter"  # the only option of a model that is edited here
_LABELS_TEXT = (
    "With labels, a larger assistant network is trained first and then teaches the student. "
    "Choose the Labels layer of each image."
)


@dataclass(frozen=True)
class TeacherChoice:
    """The picked teacher.

    Attributes
    ----------
    kind : {"model", "labels", "installed"}
        A model of the viewer, the labels beside the images, or a teacher of the registry.
    name : str
        Name of the model or the teacher.
    options : tuple of (str, str)
        Names and texts of the teacher's options.
    """

    kind: Literal["model", "labels", "installed"]
    name: str
    options: tuple[tuple[str, str], ...] = ()


class TeacherPicker(QWidget):
    """Picks a teacher; a line below shows its size, license and training data.

    The information is read in workers: neither torch nor another program is imported in the GUI thread.
    """

    changed = Signal()

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self._panel = panel
        self._known_options: dict[str, tuple[TeacherOption, ...]] = {}
        self.config: ModelConfig | None = None
        self.kind = narrow(QComboBox())
        self.kind.setToolTip("The teacher that the student learns from")
        self.kind.addItem("A model", "model")
        self.kind.addItem("Labels layers (ground truth)", "labels")
        self.models = ModelCombo(panel, "The teacher model; its file may come from another machine")
        self.models.set_name(TEACHER)
        self.options = TeacherOptions()
        self.options.hide()
        self.facts = QLabel()
        self.facts.setWordWrap(True)
        self.facts.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)  # it may name a command
        stack(self, self.kind, self.models, self.facts, self.options)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.models.changed.connect(self._look_up)
        self.options.changed.connect(self.changed)
        self._look_up()
        panel.track(run_call(_installed, on_done=self._offer, on_error=panel.show_error))

    def choice(self) -> TeacherChoice | None:
        """The picked teacher; None if it is a model and none is picked."""
        kind = self.kind.currentData()
        if kind == "model":
            name = self.models.name()
            return None if name is None else TeacherChoice("model", name, self.options.texts())
        if kind == "labels":
            return TeacherChoice("labels", "labels")
        return TeacherChoice("installed", kind, self.options.texts())

    def _on_kind(self) -> None:
        self.config = None
        self._show_options()
        self._look_up()

    def _show_options(self) -> None:
        self.options.show_options(self._known_options.get(self.kind.currentData(), ()))
        self._show_known_diameter()

    def _show_known_diameter(self) -> None:
        if self.config is not None and _DIAMETER in self.options.editors:
            diameter = self.config.object_diameter
            self.options.set_placeholder(
                _DIAMETER, "not known" if diameter is None else f"{diameter:.0f}, from training"
            )

    def _look_up(self, *_: Any) -> None:
        choice = self.choice()
        self.config = None
        self.models.setVisible(self.kind.currentData() == "model")
        self.facts.setToolTip("")
        if choice is None:
            self.facts.setText("No model yet: open a model file.")
        elif choice.kind == "labels":
            self.facts.setText(_LABELS_TEXT)
        elif choice.kind == "installed":
            self.facts.setText(self.kind.currentData(_FACTS_ROLE))
        else:
            self.facts.setText("Reading the model…")
            state, name = self._panel.state, choice.name
            self._panel.track(
                run_call(
                    lambda: state.get(name),
                    on_done=lambda model: self._known(choice, model),
                    on_error=lambda error: self._unknown(choice, error),
                )
            )
        self.changed.emit()

    def _known(self, choice: TeacherChoice, model: "Model") -> None:
        if not self._still(choice):
            return  # another was picked meanwhile
        self.config = model.config
        self._show_known_diameter()
        self.facts.setText(describe(model.card, model.config))
        self.facts.setToolTip(model.card.limits and f"Known limitations: {model.card.limits}")
        self.changed.emit()

    def _unknown(self, choice: TeacherChoice, error: BaseException) -> None:
        if self._still(choice):
            self.facts.setText(message_of(error))

    def _still(self, choice: TeacherChoice) -> bool:
        """Whether that teacher is picked, with any options."""
        now = self.choice()
        return now is not None and (now.kind, now.name) == (choice.kind, choice.name)

    def _offer(self, installed: "dict[str, Installed]") -> None:
        """Add the teachers of other programs; unavailable ones name the package to install."""
        self._known_options = {name: options for name, (_, options) in installed.items()}
        for name, (info, _) in installed.items():
            if name in _NOT_PLUGINS:
                continue
            self.kind.addItem(name if info.available else f"{name} (not installed)", name)
            self.kind.setItemData(self.kind.count() - 1, _facts(info), _FACTS_ROLE)
        self._show_options()


def describe(card: "ModelCard", config: "ModelConfig") -> str:
    """A model's summary: size, channels, license, training data."""
    channels = f"{config.in_channels} channel" + ("s" if config.in_channels > 1 else "")
    trained = ", ".join(card.trained_on) or card.summary or "not stated"
    return f"{millions(card.parameters)} parameters · {channels} · {card.license} · trained on: {trained}"


def _facts(info: "TeacherInfo") -> str:
    size = "" if info.parameters is None else f"{millions(info.parameters)} parameters"
    license = info.license and f"License: {info.license.rstrip('.')}."
    missing = "" if info.available else f"Not available here: {info.reason}"
    return " ".join(part for part in (info.summary, size and f"{size}.", license, info.restrictions, missing) if part)


def millions(count: int) -> str:
    """A number of parameters in millions.

    Examples
    --------
    >>> millions(295_749), millions(33_608_005)
    ('0.30 M', '33.6 M')
    """
    return f"{count / 1e6:.2f} M" if count < 10e6 else f"{count / 1e6:.1f} M"


_FACTS_ROLE = 257  # Qt.UserRole + 1; the role itself holds the name


def _installed() -> "dict[str, Installed]":
    from napari_grd.teaching.registry import options_of, teachers  # imports torch

    installed = {name: (info, options_of(name)) for name, info in teachers().items()}
    model, options = installed["model"]
    diameter = tuple(option for option in options if option.name == _DIAMETER)
    return {"model": (model, diameter)} | {name: both for name, both in installed.items() if name not in _NOT_PLUGINS}
