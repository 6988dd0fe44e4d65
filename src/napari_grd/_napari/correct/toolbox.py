"""The part of the widget that is shown while a layer is corrected: tools, history, review, learning, files."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_grd._napari.colors import ColoredLabel
from napari_grd._napari.correct.jobs import CorrectionContext
from napari_grd._napari.correct.learning_panel import LearningPanel
from napari_grd._napari.correct.overlays import CorrectionsLayer
from napari_grd._napari.correct.review import ReviewPanel
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.tool_controller import ToolController
from napari_grd._napari.correct.tool_descriptions import KINDS, NEXT_KEY, REDO_KEY, UNDO_KEY, Tool
from napari_grd._napari.panel import Panel, button, check_box, heading, row, stack
from napari_grd._napari.wrapped_label import WrappedLabel
from napari_grd.corrections.correction import Correction, Plane
from napari_grd.corrections.files import JOURNAL_SUFFIX, SUFFIX, save_corrections
from napari_grd.corrections.journal import Journal
from napari_grd.corrections.loading import load_corrections

if TYPE_CHECKING:
    from napari_grd.corrections.editor import Change

_COLUMNS = 3
_FILL_TIP = "A stroke of the brush that returns to its beginning makes an object of what lies inside."
_VOLUME_TIP = "Merge and split objects in all planes of the stack at once: a split goes on by the object's shape in 3D."


class ToolButtons(QWidget):
    """Buttons of the tools; that of the active tool is checked. ``choose`` is called with the one that is clicked."""

    def __init__(self, choose: Callable[[Tool], object]) -> None:
        super().__init__()
        self.buttons: dict[Tool, QPushButton] = {}
        group = QButtonGroup(self)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for number, tool in enumerate(Tool):
            made = button(f"{tool.label}  {tool.key}", "", partial(choose, tool))
            made.setCheckable(True)
            made.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys go on to the canvas
            made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            made.setMinimumWidth(10)
            group.addButton(made)
            grid.addWidget(made, number // _COLUMNS, number % _COLUMNS)
            self.buttons[tool] = made
            self.allow(tool)

    def allow(self, tool: Tool, problem: str = "") -> None:
        """Enable a tool, or show why it cannot be used."""
        self.buttons[tool].setEnabled(not problem)
        self.buttons[tool].setToolTip(problem or f"{tool.hint}  (key {tool.key})")


class HistoryRow(QWidget):
    """Buttons to go back and forth, how many objects are verified, and the legend."""

    def __init__(self, undo: Callable[[], object], redo: Callable[[], object]) -> None:
        super().__init__()
        self.undo = button("Undo", "", undo)
        self.redo = button("Redo", "", redo)
        self.verified, self.legend = QLabel(), ColoredLabel()
        stack(self, row(self.undo, self.redo, self.verified), self.legend)

    def show_state(self, session: Session, plane: Plane) -> None:
        """Say what would be undone and redone, and how far one is in a plane."""
        corrections = session.corrections
        verified, objects = len(session.accepted(plane)), np.count_nonzero(np.unique(session.editor.labels[plane]))
        for step, correction, word, keys in (
            (self.undo, corrections.undoable, "Undo", "Ctrl+Z"),
            (self.redo, corrections.redoable, "Redo", "Ctrl+Shift+Z"),
        ):
            step.setEnabled(correction is not None)
            tip = f"There is nothing to {word.lower()}."
            if correction is not None:
                where = f" in plane {', '.join(map(str, correction.plane))}" if correction.plane else ""
                tip = f"{word} {KINDS[correction.kind].noun}{where}  ({keys})"
            step.setToolTip(tip)
        where = " in this plane" if len(session.target.shape) > 2 else ""
        self.verified.setText(f"{verified} of {objects} verified{where}" if objects else "")
        self.verified.setToolTip("Objects of this plane that were accepted and have not changed since.")
        counts = Counter(KINDS[made.kind].legend for made in corrections)
        # Objects, as above, and not how often they were accepted.
        counts[KINDS["accept"].legend] = sum(len(session.accepted(plane)) for plane in corrections.planes)
        colors = {text.legend: text.color for text in KINDS.values()}
        parts = [
            ("\N{BLACK SQUARE}", f"{counts[legend]}\N{NO-BREAK SPACE}{legend}", color)
            for legend, color in colors.items()
            if counts[legend]
        ]
        self.legend.show_parts(parts, " &nbsp; ")
        self.legend.setVisible(bool(parts))


_FILTER = f"Corrections (*{SUFFIX})"
_WITH_JOURNALS = f"Corrections (*{SUFFIX} *{JOURNAL_SUFFIX})"


class FilesRow(QWidget):
    """Shows where corrections are written; ``save`` and ``load`` are called with a file that was chosen."""

    def __init__(self, save: Callable[[Path], object], load: Callable[[Path], object]) -> None:
        super().__init__()
        self._save, self._load = save, load
        self.where = WrappedLabel()
        self.save = button(
            "Save corrections as…", "Write all corrections into a file of their own, for a colleague.", self._ask_save
        )
        self.load = button(
            "Load corrections…", "Add the corrections of a file to these, e.g. a colleague's.", self._ask_load
        )
        stack(self, self.where, row(self.save, self.load))

    def show_place(self, journal: Journal, why_elsewhere: str) -> None:
        """Show where corrections are saved, and why not beside the image."""
        self._path = journal.path
        where = journal.journal_path if why_elsewhere else journal.journal_path.name
        self.where.setText(f"{why_elsewhere} Every correction is saved at once in {where}.".strip())
        self.where.setToolTip(f"{journal.journal_path}\nDone moves all to {journal.path.name}.")

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save corrections", self._path.name, _FILTER)
        if path:
            self._save(Path(path if path.endswith(SUFFIX) else path.removesuffix(".geojson") + SUFFIX))

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load corrections", str(self._path.parent), _WITH_JOURNALS)
        if path:
            self._load(Path(path))


class Toolbox(QWidget):
    """What one corrects with.

    ``on_model_kept`` is called with the name of a model that has learned, if it is kept, ``on_corrected`` when
    corrections were made with a tool.
    """

    def __init__(
        self, panel: Panel, on_model_kept: Callable[[str], object], on_corrected: Callable[[], object]
    ) -> None:
        super().__init__()
        self._panel = panel
        self._on_corrected = on_corrected
        self._viewer = panel.viewer
        self.session: Session | None = None
        self.controller: ToolController | None = None
        self._layer: CorrectionsLayer | None = None
        self.tools = ToolButtons(self._choose)
        self.hint = WrappedLabel()
        self.fill = check_box("Fill what is encircled", _FILL_TIP, on=True)
        self.fill.hide()
        self.volume = check_box("In all planes", _VOLUME_TIP)
        self.volume.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys go on to the canvas
        self.volume.hide()
        self.steps = HistoryRow(self.undo, self.redo)
        self.review = ReviewPanel(panel)
        self.files = FilesRow(self._save, self.load)
        self.learn = LearningPanel(panel, on_model_kept)
        learn, corrections = heading("Learn"), heading("Corrections")
        tools = (self.tools, self.hint, self.fill, self.volume, self.steps, self.review)
        stack(self, *tools, learn, self.learn, corrections, self.files)
        # What was clicked is to be seen first.
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self.describe)

    def open(self, context: CorrectionContext) -> None:
        """Begin with labels."""
        self.session = Session(self._viewer, context, self, self.apply, self.fill.isChecked)
        self._layer = CorrectionsLayer(self._viewer, self.session.target)
        self._viewer.layers.selection.active = self.session.layer
        self.session.layer.visible = True  # who corrects it wants to see it
        self.controller = ToolController(
            self._viewer,
            self.session,
            {UNDO_KEY: self.undo, REDO_KEY: self.redo, NEXT_KEY: self.review.go_on},
            self,
            on_correction=lambda correction: self.apply([correction]),
            on_message=self._show_message,
            on_tool_changed=self._tool_changed,
            in_volume=lambda: self._in_stack and self.volume.isChecked(),
        )
        paintable = not self.session.layer.multiscale
        for tool in (Tool.DRAW, Tool.ERASE, Tool.BACKGROUND):
            self.tools.allow(tool, "" if paintable else "napari cannot paint into the pyramid of a large image.")
        stacked = len(self.session.target.shape) > 2
        self.tools.buttons[Tool.LINK].setVisible(stacked)
        self.files.show_place(context.journal, context.why_elsewhere)
        self._tool_changed(Tool.NAVIGATE)
        self.review.set_session(self.session)
        self.learn.set_session(self.session)
        self.describe()

    def close(self) -> None:
        """End with these labels; they stay as they are."""
        session, controller, layer = self.session, self.controller, self._layer
        if session is None or controller is None or layer is None:
            return
        session.take_painted()
        self.session = self.controller = self._layer = None
        self._later.stop()
        self.learn.set_session(None)
        self.review.set_session(None)
        controller.stop()
        layer.remove()
        session.close()

    @property
    def _in_stack(self) -> bool:
        """Whether there are planes along z."""
        return self.session is not None and "z" in self.session.target.axes

    @property
    def _opened(self) -> Session:
        """The session, for what is called only between :meth:`open` and :meth:`close`."""
        assert self.session is not None
        return self.session

    def apply(self, corrections: list[Correction]) -> None:
        """Make corrections, as one for undo, and show what came of them."""
        if not self._act(lambda: self._opened.editor.apply_group(corrections)):
            return
        self._panel.say("")
        numbers = [self._opened.object_of(made) for made in corrections if made.draws]
        if numbers and numbers[-1] and self.controller is not None:
            self.controller.drawn(numbers[-1])
        self._on_corrected()

    def undo(self) -> None:
        """Take the last correction back, and show where it was."""
        self._step(undo=True)

    def redo(self) -> None:
        """Make it again."""
        self._step(undo=False)

    def _step(self, *, undo: bool) -> None:
        session = self._opened
        session.take_painted()
        changes = self._act(session.editor.undo if undo else session.editor.redo)
        if changes:
            session.target.show_plane(self._viewer, changes[-1].plane)

    def _act(self, act: "Callable[[], tuple[Change, ...]]") -> "tuple[Change, ...]":
        """Let the editor do something, and show what changed."""
        changes = self._panel.attempt(act)
        if changes is None:
            self._opened.show_all()  # a part of it may have been done
            return ()
        self._opened.show(changes)
        self._changed()
        return changes

    def look(self) -> None:
        """Another plane, or another number of axes, is shown."""
        if self.session is not None:
            self._later.start()

    def describe(self) -> None:
        """Bring counts, legend, buttons and the layer of corrections up to date."""
        session = self.session
        if session is None or self._layer is None:
            return
        session.mark()
        self.steps.show_state(session, session.target.current_plane(self._viewer))
        self._layer.show(filter(session.stands, session.corrections))
        self.learn.describe()
        self.review.describe()

    def _choose(self, tool: Tool) -> None:
        if self.controller is not None:
            self.controller.take(tool)

    def _tool_changed(self, tool: Tool) -> None:
        self.tools.buttons[tool].setChecked(True)
        self.hint.setText(tool.hint)
        self.fill.setVisible(tool is Tool.DRAW)
        self.volume.setVisible(self._in_stack and tool in (Tool.MERGE, Tool.SPLIT))

    def _show_message(self, text: str) -> None:
        tool = Tool.NAVIGATE if self.controller is None else self.controller.tool
        self.hint.setText(text or tool.hint)

    def _changed(self) -> None:
        if self.controller is not None:
            self.controller.renew()
        self._later.start()

    def _save(self, path: Path) -> None:
        session = self._opened
        session.take_painted()
        if self._panel.attempt(lambda: save_corrections(session.corrections, path)) is not None:
            self._panel.say(f"Saved as {path}")

    def load(self, path: Path) -> None:
        """Add the corrections of a file, and show how many."""
        session = self._opened
        session.take_painted()
        before = len(session.corrections)
        if self._panel.attempt(lambda: session.merge(load_corrections(path, session.corrections.image))) is not None:
            self._changed()
            self._panel.say(f"Added {len(session.corrections) - before} corrections of {path.name}.")
