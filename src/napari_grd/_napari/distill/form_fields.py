"""One editor for each kind of setting, chosen by its type: magicgui's widgets, with the field's bounds."""

from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from magicgui.widgets import LineEdit, create_widget
from pydantic.fields import FieldInfo
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QWidget

_LARGEST = 2**31 - 1  # what a QSpinBox holds


@dataclass(frozen=True)
class FieldEditor:
    """A widget that shows and changes one value.

    Attributes
    ----------
    widget : QWidget
        What the user sees.
    value : callable
        Returns the current value; it may not be valid yet.
    set_value : callable
        Shows a value.
    changed : signal
        Emitted with any arguments when the value may have changed.
    """

    widget: QWidget
    value: Callable[[], Any]
    set_value: Callable[[Any], None]
    changed: Any


def make_editor(field: FieldInfo) -> FieldEditor:
    """An editor for a field of a config class, with the field's bounds and choices.

    Parameters
    ----------
    field : FieldInfo
        From ``model_fields`` of a pydantic class; not a nested model.

    Returns
    -------
    FieldEditor
        Bounds that a widget cannot express (an open interval, say) are checked by the config itself.
    """
    kind = field.annotation
    if get_origin(kind) is Literal:
        return _of(create_widget(annotation=kind, options={"choices": [str(choice) for choice in get_args(kind)]}))
    if kind is bool:
        return _of(create_widget(annotation=bool))
    if kind is int:
        low, high = _bounds(field, step=1)
        limits = {"min": -_LARGEST if low is None else low, "max": _LARGEST if high is None else high}
        return _of(create_widget(annotation=int, options=limits))
    if kind is float:
        return _number(*_bounds(field, step=0))
    kinds = get_args(kind) if get_origin(kind) is not tuple else (kind,)
    return _text(optional=NoneType in kinds, several=any(get_origin(kind) is tuple for kind in kinds))


def _of(made: Any) -> FieldEditor:
    """An editor that is one of magicgui's widgets."""

    def set_value(value: Any) -> None:
        made.value = value

    if isinstance(made.native, QComboBox):
        narrow(made.native)
    return FieldEditor(made.native, lambda: made.value, set_value, made.changed)


class NumberBox(QDoubleSpinBox):
    """Shows numbers in short notation, 0.002 and 3.25e-4; magicgui's box has a fixed number of digits."""

    def __init__(self) -> None:
        super().__init__()
        self.setDecimals(10)
        self.setStepType(QDoubleSpinBox.StepType.AdaptiveDecimalStepType)

    def textFromValue(self, value: float) -> str:  # Qt's name
        return f"{value:.8g}"

    def valueFromText(self, text: str | None) -> float:  # Qt's name
        return float(text or 0)

    def validate(self, text: str | None, position: int) -> tuple[QValidator.State, str, int]:
        """Accept an incomplete number, so that it can be typed to its end."""
        text = text or ""
        try:
            value = float(text)
        except ValueError:
            return QValidator.State.Intermediate, text, position
        inside = self.minimum() <= value <= self.maximum()
        return (QValidator.State.Acceptable if inside else QValidator.State.Intermediate), text, position


def narrow(box: QComboBox) -> QComboBox:
    """Let a combo box be narrower than its longest entry, so that it does not widen the whole form."""
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(8)
    return box


def _number(low: float | None, high: float | None) -> FieldEditor:
    box = NumberBox()
    box.setRange(-1e9 if low is None else low, 1e9 if high is None else high)
    return FieldEditor(box, box.value, box.setValue, box.valueChanged)


def _text(*, optional: bool, several: bool) -> FieldEditor:
    """A line of text; several values are separated by commas, and an empty line is None."""
    line = LineEdit()
    if optional:
        line.native.setPlaceholderText("automatic")

    def value() -> Any:
        text = line.value.strip()
        if optional and not text:
            return None
        return tuple(part.strip() for part in text.split(",")) if several else text

    def set_value(value: Any) -> None:
        shown = ", ".join(map(str, value)) if several and value is not None else value
        line.value = "" if shown is None else str(shown)

    return FieldEditor(line.native, value, set_value, line.changed)


def _bounds(field: FieldInfo, *, step: int) -> tuple[float | None, float | None]:
    """Smallest and largest value; an open bound is moved inward by ``step``."""
    low: Any = None
    high: Any = None
    for bound in field.metadata:
        if isinstance(bound, Ge | Gt):
            low = bound.ge if isinstance(bound, Ge) else cast(float, bound.gt) + step
        if isinstance(bound, Le | Lt):
            high = bound.le if isinstance(bound, Le) else cast(float, bound.lt) - step
    return low, high
