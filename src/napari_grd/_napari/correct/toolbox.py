"""The part of the widget that is shown while a layer is corrected: tools, history, review, learning, files."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_grd._napari.correct.corrections_layer import CorrectionsLayer
from napari_grd._napari.correct.jobs import CorrectionContext
from napari_grd._napari.correct.learning_panel import LearningPanel
from napari_grd._napari.correct.review import ReviewPanel, center_on
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.storage import CorrectionsFile
from napari_grd._napari.correct.target import Plane
from napari_grd._napari.correct.tool_controller import ToolController
from napari_grd._napari.correct.tool_texts import KINDS, NEXT_KEY, REDO_KEY, TEXTS, UNDO_KEY, Tool
from napari_grd._napari.panel import Panel, button, heading
from napari_grd.corrections import Correction, load_corrections, save_corrections
from napari_grd.corrections.files import SUFFIX
from napari_grd.errors import GrdError

if TYPE_CHECKING:
    from napari_grd.corrections.uncertainty import UncertainObject

_COLUMNS = 4


class ToolButtons(QWidget):
    """Buttons of the tools; that of the active tool is checked."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[Tool, QPushButton] = {}
        group = QButtonGroup(self)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(3)
        for number, (tool, text) in enumerate(TEXTS.items()):
            button = QPushButton(f"{text.label}  {text.key}")
            button.setCheckable(True)
            button.setToolTip(f"{text.hint}  (key {text.key})")
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # keys go on to the canvas
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            button.setMinimumWidth(10)
            button.clicked.connect(lambda _checked=False, tool=tool: self.chosen.emit(tool))
            group.addButton(button)
            grid.addWidget(button, number // _COLUMNS, number % _COLUMNS)
            self.buttons[tool] = button
        self.show_tool(Tool.NAVIGATE)

    def show_tool(self, tool: Tool) -> None:
        """Press a tool's button down."""
        self.buttons[tool].setChecked(True)

    def allow(self, tool: Tool, problem: str = "") -> None:
        """Enable a tool, or show why it cannot be used."""
        text = TEXTS[tool]
        self.buttons[tool].setEnabled(not problem)
        self.buttons[tool].setToolTip(problem or f"{text.hint}  (key {text.key})")


class HistoryRow(QWidget):
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
                else f"{word} {KINDS[about.kind].noun}{_where(about)}  ({keys})"
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
        counts = Counter(KINDS[made.kind].legend for made in corrections)
        colors = {text.legend: text.color for text in KINDS.values()}
        lines = [
            f'<span style="color:{color}">\N{BLACK SQUARE}</span>&nbsp;{counts[legend]}&nbsp;{legend}'
            for legend, color in colors.items()
            if counts[legend]
        ]
        self.legend.setText(" &nbsp; ".join(lines))
        self.legend.setVisible(bool(lines))


def _where(about: Correction) -> str:
    return f" in plane {', '.join(str(at) for at in about.plane)}" if about.plane else ""


_FILTER = f"Corrections (*{SUFFIX})"


class FilesRow(QWidget):
    """Says where corrections are written, and asks for other files.

    Parameters
    ----------
    save, load : callable
        Called with the file that was chosen.
    """

    def __init__(self, save: Callable[[Path], object], load: Callable[[Path], object]) -> None:
        super().__init__()
        self._save, self._load = save, load
        self.where = QLabel()
        self.where.setWordWrap(True)
        self.save = button(
            "Save as…", "Write all corrections into a file of their own, for a colleague.", self._ask_save
        )
        self.load = button("Load…", "Add the corrections of a file to these, e.g. a colleague's.", self._ask_load)
        row = QHBoxLayout()
        row.addWidget(self.save)
        row.addWidget(self.load)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.where)
        column.addLayout(row)

    def show_place(self, place: CorrectionsFile) -> None:
        """Say where every correction goes."""
        self._place = place
        self.where.setText(f"Every correction is saved at once in {place.path.name}.")
        self.where.setToolTip(f"{place.why} {place.path}".strip())
        if place.why:
            self.where.setText(f"{place.why} Every correction is saved at once in {place.path}.")

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self, "Save corrections", self._place.path.name, _FILTER)
        if path:
            self._save(Path(path if path.endswith(SUFFIX) else path.removesuffix(".geojson") + SUFFIX))

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load corrections", str(self._place.path.parent), _FILTER)
        if path:
            self._load(Path(path))


class Toolbox(QWidget):
    """What one corrects with.

    Parameters
    ----------
    panel : Panel
        Shows messages.
    on_model_kept : callable
        Called with the name of a model that has learned, if it is kept.
    """

    def __init__(self, panel: Panel, on_model_kept: Callable[[str], object]) -> None:
        super().__init__()
        self._panel = panel
        self._viewer = panel.viewer
        self.session: Session | None = None
        self.controller: ToolController | None = None
        self._record: CorrectionsLayer | None = None
        self.tools = ToolButtons()
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.steps = HistoryRow(self.undo, self.redo)
        self.review = ReviewPanel(panel, self._show_uncertain)
        self.files = FilesRow(self._save, self.load)
        self.learn = LearningPanel(panel, on_model_kept)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for part in (
            self.tools,
            self.hint,
            self.steps,
            self.review,
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

    def open(self, context: CorrectionContext) -> None:
        """Begin with labels."""
        self.session = Session(self._viewer, context, on_corrections=self.apply, on_changed=self._changed)
        self._record = CorrectionsLayer(self._viewer, self.session.target)
        self._viewer.layers.selection.active = self.session.layer
        self.controller = ToolController(
            self._viewer,
            self.session,
            on_correction=lambda correction: self.apply([correction]),
            on_message=self._show_message,
            on_tool_changed=self._tool_changed,
        )
        self.controller.keys.bind(UNDO_KEY, self.undo)
        self.controller.keys.bind(REDO_KEY, self.redo)
        paintable = not self.session.layer.multiscale
        for tool in (Tool.DRAW, Tool.ERASE):
            self.tools.allow(tool, "" if paintable else "napari cannot paint into the pyramid of a large image.")
        stacked = len(self.session.target.shape) > 2
        self.tools.allow(Tool.LINK, "" if stacked else "There is only one plane; links are for stacks and series.")
        self.files.show_place(context.place)
        self._tool_changed(Tool.NAVIGATE)
        self.controller.keys.bind(NEXT_KEY, self.review.go_on)
        self.review.set_session(self.session)
        self.learn.set_session(self.session)
        self.describe()

    def close(self) -> None:
        """End with these labels; they stay as they are."""
        controller, session, record = self.controller, self.session, self._record
        self.controller = self.session = self._record = None
        self._later.stop()
        self.learn.set_session(None)
        self.review.set_session(None)
        if controller is not None:
            controller.stop()
        if record is not None:
            record.remove()
        if session is not None:
            session.close()

    def apply(self, corrections: list[Correction]) -> None:
        """Make corrections, and show what came of them."""
        if self.session is None or self.controller is None:
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
        plane = session.target.current_plane(self._viewer)
        corrections = list(session.corrections)
        self.steps.show_steps(session.editor.undoable, session.editor.redoable)
        self.steps.show_counts(corrections, len(session.accepted(plane)), session.objects(plane))
        self._record.show([made for made in corrections if session.stands(made)])
        self.learn.describe()

    def _choose(self, tool: Tool) -> None:
        if self.controller is None:
            return
        if self._viewer.dims.ndisplay == 3 and tool is not Tool.NAVIGATE:
            self.tools.show_tool(Tool.NAVIGATE)
            self._panel.say("Corrections are made in 2D. Switch the display back to 2D.", "warning")
            return
        self.controller.take(tool)

    def _tool_changed(self, tool: Tool) -> None:
        self.tools.show_tool(tool)
        self.hint.setText(TEXTS[tool].hint)

    def _show_uncertain(self, uncertain: "UncertainObject") -> None:
        if self.session is not None:
            center_on(self._viewer, self.session, uncertain)

    def _show_message(self, text: str) -> None:
        tool = Tool.NAVIGATE if self.controller is None else self.controller.tool
        self.hint.setText(text or TEXTS[tool].hint)

    def _changed(self, _plane: Plane) -> None:
        if self.controller is not None:
            self.controller.changed()
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
            self.session.target.show_plane(self._viewer, plane)

    def _save(self, path: Path) -> None:
        if self.session is not None:
            self._try(lambda: f"Saved as {save_corrections(self._corrections(), path)}")

    def load(self, path: Path) -> None:
        """Add the corrections of a file, and show how many."""
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
