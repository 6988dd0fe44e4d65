"""The widget that trains a student from a teacher and images, and makes it the live model."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_data_path
from qtpy.QtWidgets import QFileDialog, QLabel, QLineEdit

from napari_grd._napari.deferred import DeferredCalls
from napari_grd._napari.distill.cost import Answer, CostLine, CostRequest
from napari_grd._napari.distill.curves import Curves
from napari_grd._napari.distill.data import DataPicker
from napari_grd._napari.distill.form import ConfigForm
from napari_grd._napari.distill.job import DistillRequest, iter_distill_request, read_settings
from napari_grd._napari.distill.pieces import hold_out
from napari_grd._napari.distill.preview import PreviewLayers
from napari_grd._napari.distill.student_picker import StudentPicker
from napari_grd._napari.distill.teacher_picker import TeacherPicker
from napari_grd._napari.docks import show_widget
from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.panel import Panel, button, heading, row
from napari_grd._napari.save_button import SaveButton
from napari_grd._napari.settings import settings
from napari_grd._napari.threads import threads_beside
from napari_grd._napari.worker import Running, message_of, run_call
from napari_grd.config import DistillConfig
from napari_grd.demo.recipe import starting_config
from napari_grd.errors import ConfigError, GrdError
from napari_grd.jobs import Event, Notice, PreviewImages, Progress, StepMetrics

if TYPE_CHECKING:
    import napari

    from napari_grd.models.model import Model

_NOTHING_YET = "No student has been trained yet."
_RESUME = "Resume continues the run."


class DistillWidget(Panel):
    """Distills a student from a teacher in the background and makes it the live model.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Provides the training layers; the student is added to its models.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__(viewer)
        self.teacher = TeacherPicker(self)
        self.data = DataPicker(self)
        self.student = StudentPicker()
        self.form: ConfigForm[DistillConfig] = ConfigForm(
            starting_config().replace(device=settings().device),
            basic=("network", "steps", "background"),
            editors={"network": self.student.editor()},
        )
        self.runs = QLineEdit(str(user_data_path("napari-grd", appauthor=False) / "runs"))
        self.runs.setToolTip("Folder in which every run creates its own, for checkpoints and the student")
        self.cost = QLabel()
        self.cost.setWordWrap(True)
        self.distill = button("Distill", "Train in the background; you can continue working", self._distill)
        self.resume = button("Resume", "Resume the run that was stopped, or one in a folder", self._resume)
        self.save = SaveButton(self)
        self.bar = JobBar("Stop; the best student so far is kept, and the run can be resumed")
        self.curves = Curves()
        self.when_gone(self.curves.close_plots)
        self.preview = PreviewLayers(self.viewer, DeferredCalls(self))
        self._request: DistillRequest | None = None
        self._running: Running[Any] | None = None
        self._stage: Progress | None = None
        self._removed: str | None = None
        self._unfinished = False
        self._lay_out()
        self._estimate = CostLine(
            self,
            self._question,
            self._show_cost,
            self._cannot_estimate,
            lambda: threads_beside(self.state.live, settings().threads),
        )
        self.teacher.changed.connect(self._on_teacher)
        self._problem = ""
        for signal in (self.data.changed, self.form.changed):
            signal.connect(self._choices_changed)
        self.follow(self.viewer.layers.events.removed, self._on_layer_removed)
        self._on_teacher()
        self._enable()

    @property
    def request(self) -> DistillRequest | None:
        """The running job, or the last one."""
        return self._request

    # -- the request ---------------------------------------------------------------------------------

    def _on_teacher(self) -> None:
        choice, model = self.teacher.choice(), self.teacher.config
        self.data.require_channels(None if model is None else model.in_channels)
        self.data.require_labels(choice is not None and choice.kind == "labels")
        if model is not None:
            self.student.set_embedding(model.network.embedding)
        self._choices_changed()

    def _choices_changed(self) -> None:
        """Forget what was missing, and estimate again."""
        if self._problem and self.message.text() == self._problem:
            self.say("")
        self._problem = ""
        self._estimate.changed()

    def _refuse(self, error: GrdError) -> None:
        """Say what is missing until something else is chosen."""
        self.show_error(error)
        self._problem = self.message.text()

    def _make_request(self, out: Path) -> DistillRequest:
        choice = self.teacher.choice()
        if choice is None:
            raise ConfigError("No teacher is chosen.", "Choose a model, or open a model file.")
        config = self.form.value()
        train, held = hold_out(self.data.pieces(patch=config.patch), patch=config.patch)
        chosen = settings()
        return DistillRequest(
            choice,
            tuple(train),
            tuple(held),
            self.data.folder_path(),
            config,
            out,
            chosen.cache_folder / "teachers",
            chosen.cache_bytes,
            chosen.threads,
        )

    def _question(self) -> CostRequest | None:
        if self._running is not None:
            return None  # measuring beside a training would slow both
        try:
            request = self._make_request(Path())
        except GrdError as error:
            self._cannot_estimate(error)
            return None
        self.cost.setText("Estimating time and memory…")
        self.student.say("Measuring its speed…")
        channels = len(request.train[0].source.channels) if request.train else 1
        return CostRequest(request.config, request.train, request.held, request.folder, channels, self.teacher.config)

    def _show_cost(self, answer: Answer) -> None:
        self.cost.setText(answer.text)
        self.student.show_cost(answer.parameters, answer.view_seconds)

    def _cannot_estimate(self, error: BaseException) -> None:
        self.cost.setText(message_of(error))
        self.student.say("")

    # -- running -------------------------------------------------------------------------------------

    def _distill(self) -> None:
        choice = self.teacher.choice()
        name = "" if choice is None else f"{Path(choice.name).name}-"
        folder = Path(self.runs.text()).expanduser() / f"{name}student-{datetime.now():%Y%m%d-%H%M%S}"
        try:
            request = self._make_request(folder)
        except GrdError as error:
            self._refuse(error)
            return
        self.start(request)

    def _resume(self) -> None:
        if self._request is not None and self._unfinished:
            self.start(self._request)
            return
        path = QFileDialog.getExistingDirectory(self, "The folder of a run", self.runs.text())
        if path:
            self.resume_from(Path(path))

    def resume_from(self, folder: Path) -> None:
        """Resume a run in a folder, with its settings, on the images that are chosen now."""
        try:
            self.form.set_value(read_settings(folder))
            request = self._make_request(folder)
        except GrdError as error:
            self.show_error(error)
            return
        self.start(request)

    def start(self, request: DistillRequest) -> None:
        """Start or resume a run."""
        self.curves.prepare()
        if request is not self._request:
            self.curves.clear()
            self.preview.start(request.held[0] if request.held else None)
        self._request, self._stage, self._removed, self._unfinished = request, None, None, True
        self.say("")
        self._running = self.bar.run(
            self,
            lambda: iter_distill_request(request, self.state),
            self._on_done,
            on_end=self._ended,
            on_event=self._on_event,
            on_stopped=self._on_stopped,
        )
        self._enable()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, StepMetrics):
            self.curves.add(event)
        elif isinstance(event, PreviewImages):
            self.preview.show(event)
        elif isinstance(event, Notice):
            self.bar.show_event(event)
        elif isinstance(event, Progress):
            # A stage that begins before another has ended is nested in it, and would make the bar jump.
            outer = self._stage
            if outer is None or outer.over or outer.stage == event.stage or event.overall is not None:
                self._stage = event
                self.bar.show_event(event)

    def _on_layer_removed(self, event: Any) -> None:
        used = [] if self._request is None or self._running is None else self._request.pieces
        if any(event.value in (piece.labels, *(c.layer for c in piece.source.channels)) for piece in used):
            assert self._running is not None
            self._removed = event.value.name
            self._running.stop()

    def _on_done(self, model: "Model") -> None:
        self._unfinished = False
        name = self._use(model)
        shown = "Tick Live to see what it segments."
        self.say(
            " ".join([f"Done: {name!r} is now the live student. {shown} {self._scores(model)}", *self.bar.notices])
        )
        self._enable()
        show_widget(self.viewer, "Live")

    def _on_stopped(self) -> None:
        assert self._request is not None
        why = "Stopped." if self._removed is None else f"The layer {self._removed!r} was removed, so it stopped."
        folder = self._request.out

        def load() -> "Model | None":
            from napari_grd.distillation.finish import so_far_path
            from napari_grd.hub import load_model

            path = so_far_path(folder, "student")
            return load_model(path) if path.exists() else None

        def loaded(model: "Model | None") -> None:
            if model is None:
                self.say(f"{why} {_NOTHING_YET} {_RESUME}", "warning")
                return
            self.say(
                f"{why} The student so far, {self._use(model)!r}, is live. {self._scores(model)} {_RESUME}", "warning"
            )

        self.say(why, "warning")
        self.track(run_call(load, on_done=loaded, on_error=self.show_error))

    def _scores(self, model: "Model") -> str:
        return score_text(model.card.scores, by_labels=self._request is not None and has_labels(self._request))

    def _use(self, model: "Model") -> str:
        name = self.state.add(model)
        choice = None if self._request is None else self._request.teacher
        if choice is not None and choice.kind == "model":
            self.state.teachers[name] = choice.name
        self.state.student = name
        self.save.offer(model)
        self._enable()
        return name

    def _ended(self) -> None:
        self._running = None
        self.preview.finish()
        self._enable()

    def _enable(self) -> None:
        idle = self._running is None
        for widget in (self.teacher, self.data, self.form, self.runs, self.distill, self.resume):
            widget.setEnabled(idle)

    def _lay_out(self) -> None:
        column = self.body
        for title, content in (("Teacher", self.teacher), ("Images", self.data), ("Student", self.form)):
            column.addWidget(heading(title))
            column.addWidget(content)
        column.addLayout(row(QLabel("Runs in"), self.runs, stretch=(0, 0)))
        column.addWidget(self.cost)
        column.addLayout(row(self.distill, self.resume, self.save, stretch=(0, 0, 0)))
        for report in (self.bar, self.curves):
            column.addWidget(report)
        column.addStretch()


def has_labels(request: DistillRequest) -> bool:
    """Whether the images that a student is validated on have ground truth: all of them, or the teacher's is used."""
    folder = request.folder
    labeled = [piece.labels is not None for piece in request.held]
    return all([*labeled, *([] if folder is None else [(folder / "labels").is_dir()])]) and bool(labeled or folder)


def score_text(scores: Mapping[str, float], *, by_labels: bool) -> str:
    """The scores of a student, and what they were measured on.

    Examples
    --------
    >>> score_text({"ap50": 0.9}, by_labels=False)
    "Agreement with the teacher's labels of the validation images, not accuracy: AP50 0.90."
    """
    shown = ", ".join(f"{name.upper()} {scores[name]:.2f}" for name in ("ap50", "aji") if name in scores)
    if not shown:
        return "Too few images for validation, so there are no scores."
    if by_labels:
        return f"Against the ground truth of the validation images: {shown}."
    return f"Agreement with the teacher's labels of the validation images, not accuracy: {shown}."
