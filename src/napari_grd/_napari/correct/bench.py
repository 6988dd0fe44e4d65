"""The part of the widget that is there while a layer is corrected: tools, steps, doubts, files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_grd._napari.correct.doubtful import Doubtful, center_on
from napari_grd._napari.correct.files_row import FilesRow
from napari_grd._napari.correct.hands import Hands
from napari_grd._napari.correct.learn_part import LearnPart
from napari_grd._napari.correct.record import Record
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.steps import Steps
from napari_grd._napari.correct.subject import Plane
from napari_grd._napari.correct.tool_row import ToolRow
from napari_grd._napari.correct.tools import NEXT_KEY, REDO_KEY, TEXTS, UNDO_KEY, Tool
from napari_grd._napari.panel import Panel, heading
from napari_grd.corrections import Accept, Correction, load_corrections, save_corrections
from napari_grd.errors import GrdError

if TYPE_CHECKING:
    from napari_grd._napari.correct.opening import Opened
    from napari_grd.corrections.doubt import Doubt


class Bench(QWidget):
    """What one corrects with.

    Parameters
    ----------
    panel : Panel
        Shows messages.
    kept : callable
        Called with the name of a model that has learned, if it is kept.
    """

    def __init__(self, panel: Panel, kept: Callable[[str], object]) -> None:
        super().__init__()
        self._panel = panel
        self._viewer = panel.viewer
        self.session: Session | None = None
        self.hands: Hands | None = None
        self._record: Record | None = None
        self.tools = ToolRow()
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.steps = Steps(self.undo, self.redo)
        self.doubtful = Doubtful(panel, self._show_doubt)
        self.files = FilesRow(self._save, self.load)
        self.learn = LearnPart(panel, kept)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (
            self.tools,
            self.hint,
            self.steps,
            self.doubtful,
            heading("Learn"),
            self.learn,
            heading("Corrections"),
            self.files,
        ):
            column.addWidget(part)
        self.tools.chosen.connect(self._choose)
        # What was clicked is to be seen first.
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self.describe)

    def open(self, opened: "Opened") -> None:
        """Begin with labels."""
        self.session = Session(self._viewer, opened, said=self.say, changed=self._changed)
        self._record = Record(self._viewer, self.session.subject)
        self._viewer.layers.selection.active = self.session.layer
        self.hands = Hands(
            self._viewer,
            self.session,
            said=lambda correction: self.say([correction]),
            told=self._told,
            taken=self._tool_taken,
        )
        self.hands.keys.bind(UNDO_KEY, self.undo)
        self.hands.keys.bind(REDO_KEY, self.redo)
        paintable = not self.session.layer.multiscale
        for tool in (Tool.DRAW, Tool.ERASE):
            self.tools.allow(tool, "" if paintable else "napari cannot paint into the pyramid of a large image.")
        stacked = len(self.session.subject.shape) > 2
        self.tools.allow(Tool.LINK, "" if stacked else "There is one plane only; links are for stacks and series.")
        self.files.show_place(opened.place)
        self._tool_taken(Tool.NAVIGATE)
        self.hands.keys.bind(NEXT_KEY, self.doubtful.go_on)
        self.doubtful.set_session(self.session)
        self.learn.set_session(self.session)
        self.describe()

    def close(self) -> None:
        """End with these labels; they stay as they are."""
        hands, session, record = self.hands, self.session, self._record
        self.hands = self.session = self._record = None
        self._later.stop()
        self.learn.set_session(None)
        self.doubtful.set_session(None)
        if hands is not None:
            hands.stop()
        if record is not None:
            record.remove()
        if session is not None:
            session.close()

    def say(self, corrections: list[Correction]) -> None:
        """Make corrections, and show what came of them."""
        if self.session is None or self.hands is None:
            return
        try:
            self.session.apply(corrections)
        except GrdError as error:
            self._panel.show_error(error)
            return
        self._panel.say("")
        painted = [one for one in corrections if one.kind == "draw" and one.area is not None]
        if painted and painted[-1].area is not None:  # the next stroke goes on with this object
            y, x, _ = painted[-1].area.runs[0]
            number = self.session.editor.object_at((y, x), painted[-1].plane)
            self.session.layer.selected_label = number or self.session.layer.selected_label

    def undo(self) -> None:
        """Take the last correction back, and show where it was."""
        self._step("undo")

    def redo(self) -> None:
        """Make it again."""
        self._step("redo")

    def look(self) -> None:
        """Another plane, or another number of axes, is shown."""
        if self.session is not None:
            self._later.start()

    def describe(self) -> None:
        """Bring counts, legend, buttons and the layer of corrections up to date."""
        session = self.session
        if session is None or self._record is None:
            return
        plane = session.subject.current_plane(self._viewer)
        corrections = list(session.corrections)
        self.steps.show_steps(session.editor.undoable, session.editor.redoable)
        self.steps.show_counts(corrections, len(session.verified.objects(plane)), session.objects(plane))
        standing = [one for one in corrections if not isinstance(one, Accept) or session.verified.holds(one)]
        self._record.show(standing)
        self.learn.describe()

    def _choose(self, tool: Tool) -> None:
        if self.hands is None:
            return
        if self._viewer.dims.ndisplay == 3 and tool is not Tool.NAVIGATE:
            self.tools.show_tool(Tool.NAVIGATE)
            self._panel.say("Corrections are made in 2D. Switch the display back to 2D.", "warning")
            return
        self.hands.take(tool)

    def _tool_taken(self, tool: Tool) -> None:
        self.tools.show_tool(tool)
        self.hint.setText(TEXTS[tool].hint)

    def _show_doubt(self, doubt: "Doubt") -> None:
        if self.session is not None:
            center_on(self._viewer, self.session, doubt)

    def _told(self, text: str) -> None:
        tool = Tool.NAVIGATE if self.hands is None else self.hands.tool
        self.hint.setText(text or TEXTS[tool].hint)

    def _changed(self, _plane: Plane) -> None:
        if self.hands is not None:
            self.hands.changed()
        self._later.start()

    def _step(self, which: str) -> None:
        if self.session is None:
            return
        try:
            plane = self.session.undo() if which == "undo" else self.session.redo()
        except GrdError as error:
            self._panel.show_error(error)
            return
        if plane is not None:
            self.session.subject.show_plane(self._viewer, plane)

    def _save(self, path: Path) -> None:
        if self.session is not None:
            self._try(lambda: f"Saved as {save_corrections(self._corrections(), path)}")

    def load(self, path: Path) -> None:
        """Add the corrections of a file, and say how many."""
        if self.session is not None:
            self._try(lambda: self._merge(path))

    def _merge(self, path: Path) -> str:
        assert self.session is not None
        before = len(self.session.corrections)
        self.session.merge(load_corrections(path, self.session.corrections.image))
        return f"Added {len(self.session.corrections) - before} corrections of {path.name}."

    def _corrections(self) -> Any:
        assert self.session is not None
        return self.session.corrections

    def _try(self, act: Any) -> None:
        try:
            self._panel.say(act())
        except GrdError as error:
            self._panel.show_error(error)
