"""Review the objects of a plane, the most uncertain first."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QFormLayout, QWidget

from napari_grd._napari.correct import jobs
from napari_grd._napari.correct.overlays import PreviewLayer
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.tool_descriptions import NEXT_KEY
from napari_grd._napari.panel import Panel, button, check_box, stack
from napari_grd._napari.pickers import ModelCombo
from napari_grd._napari.worker import Running, run_job
from napari_grd._napari.wrapped_label import WrappedLabel
from napari_grd.corrections.tools import ToolPreview
from napari_grd.jobs import Event, Progress

if TYPE_CHECKING:
    from napari_grd.corrections.correction import Plane
    from napari_grd.corrections.uncertainty import UncertainObject

_APPEARS = 12  # an object's diameter, at least, is this part of the view
_AUGMENTED = (
    "Test-time augmentation: segment this plane rotated and mirrored too. Objects that differ are uncertain. Finds more"
    " errors; takes three more forward passes."
)
_OTHER = "Objects that this model segments differently are uncertain, e.g. the teacher of the model."
_COLOR = "#ff00ff"  # seen on gray, and no color of a correction
_NAME = "uncertain object"
_TIP = (
    "Go to the most uncertain object of this plane that is neither verified nor drawn yet, and show why."
    f"  (key {NEXT_KEY})"
)


class ReviewPanel(QWidget):
    """Goes through the objects of the visible plane.

    Objects are ranked at the first press on a plane; those that were verified, picked or drawn, or have changed since
    are skipped. The object that is shown is outlined.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self._panel = panel
        self._viewer = panel.viewer
        self._session: Session | None = None
        self._running: Running[list[UncertainObject]] | None = None
        self._left: list[UncertainObject] = []
        self._of: Any = None
        self._mark: PreviewLayer | None = None
        self._marked: tuple[Plane, UncertainObject] | None = None
        self.next = button(f"Next uncertain object  {NEXT_KEY}", _TIP, self.go_on)
        self.augmented = check_box("Test-time augmentation", _AUGMENTED)
        self.augmented.toggled.connect(self._restart)
        self.other = ModelCombo(panel, _OTHER, none="no other model")
        self.other.changed.connect(self._restart)
        self.reason = WrappedLabel()
        self.reason.hide()
        form = QFormLayout()
        form.addRow("Compare with", self.other)
        stack(self, self.next, self.augmented, form, self.reason)

    def set_session(self, session: Session | None) -> None:
        """Review other labels, or none."""
        self._session = session
        self._restart()
        self._mark = None if session is None else PreviewLayer(self._viewer, session.target, _NAME)
        self.augmented.setEnabled(session is not None and session.context.request.model is not None)

    def _restart(self, *_: Any) -> None:
        """Rank the objects again at the next press."""
        self._unmark()
        if self._running is not None:
            self._running.drop()
        self._running, self._left, self._of = None, [], None
        self.next.setEnabled(True)
        self._tell("")

    def go_on(self) -> None:
        """Go to the next one."""
        session = self._session
        if session is None or self._running is not None:
            return
        plane = session.target.current_plane(self._viewer)
        predictions = session.context.predictions.of(plane)
        if predictions is None:
            self._tell("This plane has no prediction yet, so its objects cannot be ranked.")
            return
        if self._of == (plane, predictions):
            self._show_next()
            return
        self._of = (plane, predictions)
        self.next.setEnabled(False)
        self._running = run_job(
            partial(
                jobs.iter_uncertain_objects,
                session.context.request,
                plane,
                session.editor.labels[plane].copy(),
                predictions,
                augmented=self.augmented.isChecked(),
                other=self.other.name(),
            ),
            on_event=self._say_stage,
            on_done=self._answered,
            on_error=self._failed,
        )
        self._panel.track(self._running)

    def describe(self) -> None:
        """Corrections were made: take the outline away if its object is done."""
        session = self._session
        if session is not None and self._marked is not None and self._is_done(session, *self._marked):
            self._unmark()

    def _is_done(self, session: Session, plane: "Plane", uncertain: "UncertainObject") -> bool:
        """Whether an object was verified or drawn, or is another one by now."""
        number = uncertain.id
        return (
            session.editor.object_at(uncertain.pixel, plane) != number
            or number in session.accepted(plane)
            or number in session.drawn(plane)
        )

    def _unmark(self) -> None:
        self._marked = None
        if self._mark is not None:
            self._mark.remove()

    def _say_stage(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._tell(f"{event.stage}…")

    def _answered(self, ranked: "list[UncertainObject]") -> None:
        self._running = None
        self.next.setEnabled(True)
        self._left = ranked
        self._show_next()

    def _failed(self, error: BaseException) -> None:
        self._running = self._of = None
        self.next.setEnabled(True)
        self._panel.show_error(error)

    def _show_next(self) -> None:
        session = self._session
        if session is None:
            return
        plane = self._of[0]
        while self._left:
            uncertain = self._left.pop(0)
            if not self._is_done(session, plane, uncertain):
                self._tell(f"Object {uncertain.id}: {uncertain.reason} (uncertainty {uncertain.score:.0%}).")
                _center_on(self._viewer, session, uncertain)
                self._marked = plane, uncertain
                if self._mark is not None:  # after the zoom, which its width follows
                    region = session.editor.region_at(uncertain.pixel, plane)
                    self._mark.show(ToolPreview(region), plane, _COLOR)
                return
        self._of = None
        self._unmark()
        self._tell("All other objects of this plane are verified or drawn, or were shown. N starts again.")

    def _tell(self, text: str) -> None:
        self.reason.setText(text)
        self.reason.setVisible(bool(text))


def _center_on(viewer: Any, session: Session, uncertain: "UncertainObject") -> None:
    """Bring an object to the middle of the view, at a zoom at which it is seen well, and select it."""
    layer = session.layer
    plane = session.target.current_plane(viewer)
    world = np.asarray(layer.data_to_world(session.target.lift(np.array(uncertain.pixel, float), plane)), float)
    area = np.count_nonzero(session.editor.labels[plane] == uncertain.id)
    size = max(float(np.sqrt(area)), 1.0) * session.target.pixel_size
    wanted = min(viewer.canvas.size) / (_APPEARS * size)
    camera = viewer.scene.camera
    camera.center = (*camera.center[:-2], world[-2], world[-1])
    camera.zoom = max(camera.zoom, wanted)
    session.select(uncertain.id)
