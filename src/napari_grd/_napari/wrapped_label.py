"""A label of as many lines as its text needs."""

import re

from qtpy.QtWidgets import QLabel

_LONG = re.compile(r"[^\s<>]{24,}")  # not within a tag's brackets
_BREAK = "\N{ZERO WIDTH SPACE}"


class WrappedLabel(QLabel):
    """Breaks lines between words and, where a word is as long as a path, after its slashes, underscores and dots.

    Qt breaks between words only: with a path in its text, a dock could not be narrower than the path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)

    def setText(self, text: str | None) -> None:
        """Called by Qt's users."""
        long = _LONG.sub(lambda word: re.sub(r"[/\\_.]", rf"\g<0>{_BREAK}", word[0]), text or "")
        super().setText(long)

    def text(self) -> str:
        """The text, as it was given."""
        shown: str = super().text()
        return shown.replace(_BREAK, "")
