"""Colors that can be read in every theme of napari."""

from collections.abc import Sequence
from html import escape

from qtpy.QtCore import QEvent
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from napari_grd._napari.wrapped_label import WrappedLabel

TEXT, GRAPHICS = 4.5, 3.0
"""Least contrast of text, and of graphics, by WCAG 2."""

_STEPS = 40  # from a color to black or white


def contrast(first: QColor, other: QColor) -> float:
    """The contrast of two colors, from 1 to 21, as WCAG 2 defines it.

    Examples
    --------
    >>> contrast(QColor("white"), QColor("black"))
    21.0
    """
    dark, light = sorted((_luminance(first), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(color: str, background: QColor, least: float = TEXT) -> str:
    """A color, or the nearest darker or lighter one that stands out from a background.

    Examples
    --------
    >>> readable("#56b4e9", QColor("black"))
    '#56b4e9'
    >>> readable("#56b4e9", QColor("white"))
    '#3a7a9d'
    """
    wanted = QColor(color)
    end = max((QColor("white"), QColor("black")), key=lambda end: contrast(end, background))
    for step in range(_STEPS + 1):
        mixed = QColor(*(round(a + (b - a) * step / _STEPS) for a, b in zip(_rgb(wanted), _rgb(end), strict=True)))
        if contrast(mixed, background) >= least:
            return str(mixed.name())
    return str(end.name())


def background_of(widget: QWidget) -> QColor:
    """The color behind a widget's text, by napari's theme."""
    return widget.palette().color(widget.backgroundRole())


class ColoredLabel(WrappedLabel):
    """A label of as many lines as its text needs, whose colors follow the theme."""

    def __init__(self) -> None:
        super().__init__()
        self._color = ""
        self._parts: Sequence[tuple[str, str, str]] | None = None

    def show_text(self, text: str, color: str) -> None:
        """Show plain text in a color, or in one like it that is readable."""
        self._color, self._parts = color, None
        self.setText(text)
        self._recolor()

    def show_parts(self, parts: Sequence[tuple[str, str, str]], between: str) -> None:
        """Show parts: each a sign, words after it, and a color, that of the sign, or of the words if there is none."""
        self._color, self._parts, self._between = "", parts, between
        self._recolor()

    def changeEvent(self, event: QEvent) -> None:
        """Called by Qt, e.g. for another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._recolor()

    def _recolor(self) -> None:
        background = background_of(self)
        if self._parts is not None:
            text = self._between.join(_html(*part, background) for part in self._parts)
            if text != self.text():
                self.setText(text)
        elif self._color:
            style = f"color: {readable(self._color, background)};"
            if style != self.styleSheet():  # which is a change of style
                self.setStyleSheet(style)


def _html(sign: str, words: str, color: str, background: QColor) -> str:
    if sign:
        return f'<span style="color:{readable(color, background, GRAPHICS)}">{sign}</span>&nbsp;{escape(words)}'
    return f'<span style="color:{readable(color, background)}">{escape(words)}</span>'


def _rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()


def _luminance(color: QColor) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in _rgb(color))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
