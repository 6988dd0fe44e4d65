"""Undo, redo, and what was corrected so far."""

from collections import Counter
from collections.abc import Callable, Iterable

from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_grd._napari.correct.palette import LEGEND, color_of, words_of
from napari_grd._napari.panel import button
from napari_grd.corrections import Correction


class Steps(QWidget):
    """Buttons to go back and forth, how many objects are verified, and the legend.

    Parameters
    ----------
    undo, redo : callable
        What the buttons do.
    """

    def __init__(self, undo: Callable[[], object], redo: Callable[[], object]) -> None:
        super().__init__()
        self.undo = button("Undo", "", undo)
        self.redo = button("Redo", "", redo)
        self.verified, self.legend = QLabel(), QLabel()
        self.legend.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(self.undo)
        row.addWidget(self.redo)
        row.addWidget(self.verified, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.legend)
        self.show_steps(None, None)
        self.show_counts((), 0, 0)

    def show_steps(self, undoable: Correction | None, redoable: Correction | None) -> None:
        """Say what would be undone and redone."""
        for which, about, word, keys in (
            (self.undo, undoable, "Undo", "Ctrl+Z"),
            (self.redo, redoable, "Redo", "Ctrl+Shift+Z"),
        ):
            which.setEnabled(about is not None)
            which.setToolTip(
                f"There is nothing to {word.lower()}."
                if about is None
                else f"{word} {words_of(about.kind)}{_where(about)}  ({keys})"
            )

    def show_counts(self, corrections: Iterable[Correction], verified: int, objects: int) -> None:
        """Say how far one is.

        Parameters
        ----------
        corrections : iterable of Correction
            All of the image.
        verified, objects : int
            Of the plane that is seen.
        """
        self.verified.setText(f"{verified} of {objects} verified" if objects else "")
        self.verified.setToolTip("Objects of this plane that were accepted and have not changed since.")
        kinds = Counter(one.kind for one in corrections)
        lines = []
        for shown, members, words in LEGEND:
            count = sum(kinds[kind] for kind in members)
            if count:
                lines.append(f'<span style="color:{color_of(shown)}">\N{BLACK SQUARE}</span>&nbsp;{count}&nbsp;{words}')
        self.legend.setText(" &nbsp; ".join(lines))
        self.legend.setVisible(bool(lines))


def _where(about: Correction) -> str:
    return f" in plane {', '.join(str(at) for at in about.plane)}" if about.plane else ""
