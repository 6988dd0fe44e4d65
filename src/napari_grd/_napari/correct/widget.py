"""The Correct widget: correct a segmentation manually, and fine-tune the model on it."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.layers import Labels
from qtpy.QtWidgets import QWidget

from napari_grd._napari.correct import jobs
from napari_grd._napari.correct.form import CorrectForm
from napari_grd._napari.correct.jobs import CorrectionContext, CorrectionRequest
from napari_grd._napari.correct.target import empty_labels
from napari_grd._napari.correct.tool_controller import ONLY_IN_2D
from napari_grd._napari.correct.tool_descriptions import Tool
from napari_grd._napari.correct.toolbox import Toolbox
from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.outputs import made_by, view_settings
from napari_grd._napari.panel import Panel, button
from napari_grd._napari.settings import settings
from napari_grd._napari.worker import Running
from napari_grd._napari.wrapped_label import WrappedLabel
from napari_grd.errors import GrdError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import napari.viewer

    from napari_grd._napari.correct.target import CorrectionTarget
    from napari_grd.corrections.correction import Plane
    from napari_grd.corrections.predictions import Predictions
    from napari_grd.jobs import Job

_START, _DRAW, _DONE = "Correct these labels", "Draw objects", "Done"
_EMPTY = "Segment an image with Live, or drop an image on the window, to begin."
_DRAW_TIP = "Add an empty layer over the image, and open the tools to draw its objects."
_OTHER_SIZE = 1.25  # factor by which drawn objects differ from those that the image was rescaled for


class CorrectWidget(Panel):
    """Correct a segmentation, and let the model learn from it."""

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.form = CorrectForm(self)
        self.start = button(_START, "", self._start_or_end)
        self.bar = JobBar("Stop; corrections are kept.")
        self.toolbox = Toolbox(self, self._model_kept, self._follow_size)
        self._running: Running[Any] | None = None
        self._requested: set[Plane] = set()
        self.about = WrappedLabel()  # in place of the form, of which nothing can be changed meanwhile
        self.about.hide()
        parts: tuple[QWidget, ...] = (self.form, self.about, self.start, self.bar, self.toolbox)
        for part in parts:
            self.body.addWidget(part)
        self.toolbox.hide()
        self.form.changed.connect(self._describe)
        self.follow(self.viewer.dims.events.current_step, self._plane_changed)
        self.follow(self.viewer.dims.events.ndisplay, self._display_changed)
        self.follow(self.viewer.layers.events.removed, self._removed)
        self.when_gone(self.toolbox.close)
        self._describe()

    @property
    def opening(self) -> bool:
        """Whether the tools are being opened."""
        return self._running is not None and self.toolbox.session is None

    def _start_or_end(self) -> None:
        if self.toolbox.session is not None:
            self.end()
        else:
            self._begin()

    def _run(
        self, make: "Callable[[], Job[Any]]", on_done: "Callable[[Any], object]", otherwise: "Callable[[], object]"
    ) -> None:
        """Run a job; ``on_done`` takes its result, ``otherwise`` is called if it has none."""

        def failed(error: BaseException) -> None:
            otherwise()
            self.show_error(error)

        self._running = self.bar.run(self, make, on_done, on_end=self._free, on_error=failed, on_stopped=otherwise)

    def _free(self) -> None:
        self._running = None

    def _drop_job(self) -> None:
        if self._running is not None:
            self._running.drop()
            self.bar.finish()
            self._free()

    def add_file(self, path: "Path", target: "CorrectionTarget") -> None:
        """Add the corrections of a file to the labels that they are of; opens the tools for these."""
        session = self.toolbox.session
        if self.opening or (session is not None and session.layer is not target.layer):
            self.say(f"Press {_DONE} first, then drop {path.name!r} again: it is of {target.layer.name!r}.", "warning")
        elif session is not None:
            self.toolbox.load(path)
        else:
            self.form.labels.set_layer(target.layer)
            self.form.image.set_layer(target.source.layer)
            self._begin(path)

    def _begin(self, added: "Path | None" = None) -> None:
        try:
            new = self._add_labels() if self._from_nothing else None
            request = self._correction_request()
        except GrdError as error:
            self.show_error(error)
            return
        self.say("")
        self.start.setEnabled(False)
        self.form.setEnabled(False)
        origin = made_by(self.form.labels.layer())
        if origin.get("live"):
            make: Callable[[], Job[Any]] = partial(jobs.iter_permanent, request, origin)
            self._run(make, partial(self._made_permanent, added), self._allow_start)
        else:
            opened = partial(self._on_opened, draw=new is not None)
            self._run(partial(jobs.iter_open, request, added), opened, self._allow_start)

    @property
    def _from_nothing(self) -> bool:
        """Whether there is an image, but no labels."""
        return self.form.labels.layer() is None and self.form.image.layer() is not None

    def _add_labels(self) -> Labels:
        """Add an empty layer for the objects of the image."""
        layer = empty_labels(self.form.image.layer(), self.form.channels.channels())
        self.viewer.add_layer(layer)
        self.form.labels.set_layer(layer)
        return layer

    def _allow_start(self) -> None:
        self.start.setEnabled(True)
        self.form.setEnabled(True)

    def _made_permanent(self, added: "Path | None", layer: Labels) -> None:
        """Go on with what the live segmentation has become."""
        self._allow_start()
        live = self.form.labels.layer()
        self.viewer.add_layer(layer)
        if live is not None:
            live.visible = False
        self.form.labels.set_layer(layer)
        self._begin(added)

    def _correction_request(self) -> CorrectionRequest:
        chosen = settings()
        config = view_settings(made_by(self.form.labels.layer())).replace(
            device=chosen.device, threads=1 if self.state.live else chosen.threads
        )
        return CorrectionRequest(self.form.target(), self.form.model.name(), config, self.state.get)

    def _on_opened(self, context: CorrectionContext, *, draw: bool) -> None:
        if context.request.target.layer not in self.viewer.layers:
            context.journal.close()
            self._allow_start()
            return
        self.toolbox.open(context)
        self._show_about(context.request)
        self.toolbox.show()
        self.make_room()
        self.start.setEnabled(True)
        self.start.setText(_DONE)
        self.start.setToolTip("Close the tools. Labels and corrections stay as they are.")
        if context.journal.dropped:
            self.say(context.journal.dropped, "warning")
        elif len(context.journal):
            self.say(f"Corrections restored: {len(context.journal)}. Undo removes them one by one.")
        self._requested.clear()
        self._predict_plane()
        if draw and self.toolbox.controller is not None:
            self.toolbox.controller.take(Tool.DRAW)

    def _show_about(self, request: CorrectionRequest) -> None:
        """Say what is corrected, and with which model."""
        target = request.target
        model = "no model" if request.model is None else f"model {request.model}"
        drawn = "" if request.drawn is None else f" · object diameter {request.drawn:.0f} px"
        planes = " · plane by plane" if "z" in target.axes else ""
        self.about.setText(f"{target.layer.name} · {model}{drawn}{planes}")
        tip = f"Of the image {target.source.layer.name}. The diameter follows the objects you draw."
        if planes:
            tip += "\nA correction changes the plane that is shown. If it is ticked, Merge and Split change all planes;"
            tip += " Link joins and separates objects across planes."
        self.about.setToolTip(tip)
        self.form.hide()
        self.about.show()

    def _follow_size(self) -> None:
        """Predict at the size of the objects that were drawn, if there was none to begin with."""
        session = self.toolbox.session
        if session is None or not session.from_nothing:
            return
        drawn, request = session.drawn_diameter, session.context.request
        if drawn is None or (request.drawn and 1 / _OTHER_SIZE < drawn / request.drawn < _OTHER_SIZE):
            return
        self._predict_anew(session.context, replace(request, drawn=drawn))

    def end(self) -> None:
        """Put the tools away; what was corrected stays."""
        self._drop_job()
        self.toolbox.hide()
        self.about.hide()
        self.form.show()
        self.form.setEnabled(True)
        self.attempt(self.toolbox.close)
        self._describe()

    # Prediction of the visible plane

    def _predict_plane(self) -> None:
        session = self.toolbox.session
        if session is None or self._running is not None:
            return
        plane, context = session.target.current_plane(self.viewer), session.context
        if context.request.model is None or plane in self._requested or context.predictions.of(plane) is not None:
            return
        self._requested.add(plane)
        make = partial(jobs.iter_predict_plane, context.request, plane)
        self._run(make, self._answered, self._predict_plane)

    def _predict_anew(self, context: CorrectionContext, request: CorrectionRequest) -> None:
        """Go on with another model, or at another size; a prediction that is still made is dropped."""
        self._drop_job()
        context.request = request
        self._show_about(request)
        context.predictions.clear()
        self._requested.clear()
        self._predict_plane()

    def _answered(self, predictions: "Predictions") -> None:
        if self.toolbox.session is not None:
            self.toolbox.session.context.predictions.update(predictions)
        if self.toolbox.controller is not None:
            self.toolbox.controller.renew()
        self._predict_plane()  # the sliders may have moved on

    def _model_kept(self, name: str) -> None:
        """Use the fine-tuned model from now on."""
        self.form.model.set_name(name)
        session = self.toolbox.session
        if session is not None:
            self._predict_anew(session.context, replace(session.context.request, model=name))
        self.say(f"{name} is fine-tuned and used from now on, in Live too. Save it with Save model as….")

    def _plane_changed(self, _event: Any = None) -> None:
        self.toolbox.look()
        self._predict_plane()

    # The viewer

    def _display_changed(self, _event: Any = None) -> None:
        if self.toolbox.controller is not None and self.viewer.dims.ndisplay == 3:
            self.toolbox.controller.take(Tool.NAVIGATE)
            self.say(ONLY_IN_2D, "warning")
        elif self.toolbox.session is not None:
            self.say("")

    def _removed(self, event: Any) -> None:
        session = self.toolbox.session
        if session is not None and event.value in (session.layer, session.target.source.layer):
            self.end()
            self.say(
                f"The layer {event.value.name!r} was removed, so correcting ended. Its corrections are kept.", "warning"
            )

    def _describe(self) -> None:
        """Say what is missing."""
        if self.toolbox.session is not None or self.opening:
            return
        ready = self.form.image.layer() is not None
        self.start.setEnabled(ready)
        self.start.setText(_DRAW if self._from_nothing else _START)
        tip = _DRAW_TIP if self._from_nothing else "Open the tools for these labels."
        self.start.setToolTip(tip if ready else _EMPTY)
        if not ready:
            self.say(_EMPTY)
        elif self.message.text() == _EMPTY:
            self.say("")
