"""A form generated from a config object."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from pydantic.fields import FieldInfo
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLabel, QWidget

from napari_grd._napari.colors import ColoredLabel
from napari_grd._napari.distill.form_fields import FieldEditor, make_editor
from napari_grd._napari.folded import Folded
from napari_grd._napari.panel import MESSAGES, stack
from napari_grd.config_base import Config
from napari_grd.errors import ConfigError

C = TypeVar("C", bound=Config)


class ConfigForm(QWidget, Generic[C]):
    """Edits a config object: basic settings on top, all others in a collapsed section.

    Labels, tooltips, choices and bounds are those of the config's fields. While the values do not make a valid config,
    the form names the invalid one.

    Parameters
    ----------
    config : Config
        Initial values; its class determines the form's fields.
    basic : sequence of str
        Fields that are always visible, in this order; nested ones with dots.
    editors : mapping of str to FieldEditor
        Custom editors for single fields, e.g. a whole nested object.
    omit : sequence of str
        Fields that are not shown and keep their value.

    Examples
    --------
    In a running application::

        form = ConfigForm(DistillConfig(), basic=("steps",))
        form.value().steps  # 2000, until it is edited
    """

    changed = Signal()

    def __init__(
        self,
        config: C,
        *,
        basic: Sequence[str] = (),
        editors: Mapping[str, FieldEditor] | None = None,
        omit: Sequence[str] = (),
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._kind = type(config)
        self._kept = config
        self._editors: dict[str, FieldEditor] = {}
        own = editors or {}
        fields = {path: field for path, field in _leaves(self._kind, stop=own) if path not in omit}

        self._basic = QFormLayout()
        for path in basic:
            self._add_row(self._basic, path, fields.pop(path), own)
        self.advanced = Folded("Advanced settings")
        for group, paths in _grouped(fields).items():
            self.advanced.addWidget(self._section(group, {path: fields[path] for path in paths}, own))
        self._problem = ColoredLabel()
        self._problem.hide()

        stack(self, self._basic, self._problem, self.advanced)
        self.set_value(config)
        for editor in self._editors.values():
            editor.changed.connect(self._on_edit)

    def value(self) -> C:
        """The current settings.

        Raises
        ------
        ConfigError
            If they are not valid; the message names the field and its value.
        """
        return self._kept.replace(**{path: editor.value() for path, editor in self._editors.items()})

    def set_value(self, config: C) -> None:
        """Show other settings."""
        self._kept = config
        for path, editor in self._editors.items():
            editor.widget.blockSignals(True)
            editor.set_value(_get(config, path))
            editor.widget.blockSignals(False)
        self._on_edit()

    @property
    def problem(self) -> str:
        """Error message for the current settings; empty if they are valid."""
        return str(self._problem.text())

    def editor(self, path: str) -> FieldEditor:
        """The editor of a field, e.g. ``"optim.lr"``."""
        return self._editors[path]

    def _on_edit(self, *_: Any) -> None:
        problem = ""
        try:
            self.value()
        except ConfigError as error:
            problem = error.problem
        self._problem.show_text(problem, MESSAGES["error"])
        self._problem.setVisible(bool(problem))
        self.changed.emit()

    def _section(self, group: str, fields: Mapping[str, FieldInfo], own: Mapping[str, FieldEditor]) -> QWidget:
        section = QWidget()
        rows = QFormLayout(section)
        rows.setContentsMargins(0, 0, 0, 8)
        if group:
            heading = QLabel(f"<b>{title(group)}</b>")
            heading.setToolTip(_about(_get(self._kept, group)))
            rows.addRow(heading)
        for path, field in fields.items():
            self._add_row(rows, path, field, own)
        return section

    def _add_row(self, rows: QFormLayout, path: str, field: FieldInfo, own: Mapping[str, FieldEditor]) -> None:
        editor = own.get(path) or make_editor(field)
        label = QLabel(title(path))
        for widget in (label, editor.widget):
            if not widget.toolTip():
                widget.setToolTip(_tip(path, field, _get(self._kept, path)))
        self._editors[path] = editor
        rows.addRow(label, editor.widget)


def _leaves(kind: type[Config], stop: Mapping[str, FieldEditor], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Fields by dotted path; nested configs are expanded, except those in ``stop``."""
    for name, field in kind.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, Config) and prefix + name not in stop:
            yield from _leaves(nested, stop, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def _grouped(fields: Mapping[str, FieldInfo]) -> dict[str, list[str]]:
    """Paths by the nested config they belong to; the outermost ("") comes first."""
    groups: dict[str, list[str]] = {"": []}
    for path in fields:
        groups.setdefault(path.rpartition(".")[0], []).append(path)
    return {group: paths for group, paths in groups.items() if paths}


def _get(config: Config, path: str) -> Any:
    value: Any = config
    for name in path.split("."):
        value = getattr(value, name)
    return value


_TITLES = {
    "optim": "Optimizer",
    "augment": "Augmentation",
    "weights": "Weights of the loss",
    "bank": "Memory bank",
    "lr": "Learning rate",
    "clip": "Gradient clipping",
    "ema": "Weight averaging",
    "rotate90": "Right-angle rotation",
    "agd": "Affinity graph",
    "agd_balanced": "Balanced affinity graph",
    "agd_inter": "Affinity graph, across images",
    "node": "Instance graph nodes",
    "edge": "Instance graph edges",
    "igd_inter": "Instance graph, across images",
    "affinity": "Affinities",
    "min_size": "Smallest object",
}
"""Fields whose name in a file is no word."""


def title(path: str) -> str:
    """A field's label: "Weight decay" for "optim.weight_decay"; also of a term of the loss."""
    name = path.rpartition(".")[2]
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def _about(config: Config) -> str:
    """What a config is about, without the reference to the documentation in its docstring."""
    return re.sub(r" *\([^()]*\.md[^()]*\)", "", (type(config).__doc__ or "").strip().partition("\n")[0])


def _tip(path: str, field: FieldInfo, value: Any) -> str:
    if isinstance(value, Config):
        return _about(value)
    text = field.description or title(path)
    return f"{text[0].upper()}{text[1:]} ({path})"
