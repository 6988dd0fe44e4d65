"""Review the objects of a plane, the most uncertain first."""

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QFormLayout, QWidget

from napari_grd._napari.correct import jobs
from napari_grd._napari.correct.jobs import UncertaintyRequest
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.tool_texts import NEXT_KEY
from napari_grd._napari.panel import Panel, button, stack, wrapped
from napari_grd._napari.pickers import ModelCombo
from napari_grd._napari.worker import Running, run_job
from napari_grd.jobs import Event, Progress

if TYPE_CHECKING:
    from napari_grd.corrections.uncertainty import UncertainObject

_APPEARS = 12  # an object's diameter, at least, is this part of the view
_TURNED = (
    "Test-time augmentation: segment this plane rotated and mirrored too. Objects that differ are uncertain. Finds more"
    " errors; takes three more forward passes."
)
_OTHER = "Objects that this model segments differently are uncertain, e.g. the teacher of the model."
_TIP = f"Go to the most uncertain object of this plane that is not verified yet, and show why.  (key {NEXT_KEY})"


class ReviewPanel(QWidget):
    """Goes through the objects of the visible plane.

    Objects are ranked at the first press on a plane; those that were verified or have changed since are skipped.

    Parameters
    ----------
    panel : Panel
        Shows messages.
    """

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self._panel = panel
        self._viewer = panel.viewer
        self._session: Session | None = None
        self._running: Running[list[UncertainObject]] | None = None
        self._left: list[UncertainObject] = []
        self._of: Any = None
        self.next = button(f"Next uncertain object  {NEXT_KEY}", _TIP, self.go_on)
        self.turned = QCheckBox("Test-time augmentation")
        self.turned.setToolTip(_TURNED)
        self.turned.toggled.connect(self._restart)
        self.other = ModelCombo(panel, _OTHER, none="no other model")
        self.other.changed.connect(self._restart)
        self.reason = wrapped()
        self.reason.hide()
        form = QFormLayout()
        form.addRow("Compare with", self.other)
        stack(self, self.next, self.turned, form, self.reason)

    def set_session(self, session: Session | None) -> None:
        """Review other labels, or none."""
        self._session = session
        self._restart()
        self.turned.setEnabled(session is not None and session.context.request.model is not None)

    def _restart(self, *_: Any) -> None:
        """Rank the objects again at the next press."""
        if self._running is not None:
            self._running.silence()
            self._running.stop()
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
        labels, request = session.editor.labels[plane].copy(), session.context.request
        question = UncertaintyRequest(request, plane, labels, predictions, self.turned.isChecked(), self.other.name())
        self._of = (plane, predictions)
        self.next.setEnabled(False)
        self._running = run_job(
            partial(jobs.iter_uncertain_objects, question, self._panel.state.get),
            on_event=self._say_stage,
            on_done=self._answered,
            on_error=self._failed,
        )
        self._panel.track(self._running)

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
        verified = session.accepted(plane)
        while self._left:
            uncertain = self._left.pop(0)
            if uncertain.id not in verified and session.editor.object_at(uncertain.pixel, plane) == uncertain.id:
                self._tell(f"Object {uncertain.id}: {uncertain.reason} (uncertainty {uncertain.score:.0%}).")
                _center_on(self._viewer, session, uncertain)
                return
        self._of = None
        self._tell("All other objects of this plane are verified or were shown. N starts again.")

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
    layer.selected_label = uncertain.id
