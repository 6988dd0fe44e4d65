"""Learn: fine-tune a model on corrected objects, show improved labels meanwhile, keep or revert."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QButtonGroup, QComboBox, QWidget

from napari_grd._napari.correct.learning_jobs import (
    SHOWN,
    CorrectedLayer,
    LearningRequest,
    LearningResult,
    iter_learn,
)
from napari_grd._napari.correct.open_images import middle_plane, planes_without_corrections, untouched_images
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.target import ImagePlane
from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.outputs import add_unselected, output_options, provenance
from napari_grd._napari.panel import Panel, button, check_box, row, stack
from napari_grd._napari.save_button import SaveButton
from napari_grd._napari.settings import settings
from napari_grd._napari.threads import threads_beside
from napari_grd._napari.worker import Running
from napari_grd._napari.wrapped_label import WrappedLabel
from napari_grd.config import FineTuneConfig, TeachConfig
from napari_grd.jobs import Event, PreviewImages, StepMetrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST = 3
"""Fewest corrected objects for fine-tuning."""

_SIDES = ("before", "after")
_TIP = (
    "Fine-tune the model on the verified and corrected objects of all open images, in the background, in about a"
    " minute. Objects that are held out decide how far it goes; if nothing is gained it stays as it is."
)
_MODES: dict[str, Literal["these_images", "keep"]] = {
    "Only these images": "these_images",
    "Keep previous performance": "keep",
}
_TEACH = "Teach the teacher"
_MODE_TIP = (
    "Only these images: as good as possible on images like these.\n"
    "Keep previous performance: as good as before on the model's own kind of images, too, which learns less.\n"
    "Teach the teacher: a large model learns from the corrections, and a student is distilled from it on all open"
    " images, in about eight minutes. The teacher is the chosen model, if it is one, or the built-in nuclei-teacher."
)
_VIEW_TIP = "The plane as the model segments it {} learning, as outlines."
_BEST_TIP = (
    "Start from cells, which was trained on many kinds of objects, unless the chosen model or a built-in one suits the"
    " corrections clearly better."
)
_MOST_UNTOUCHED = 3  # open images without corrections whose segmentation is rehearsed


class LearningPanel(QWidget):
    """The Learn button, scores before and after, and Keep or Revert.

    A model that is kept is added to the models of ``panel``, and ``on_model_kept`` is called with its name.
    """

    def __init__(self, panel: Panel, on_model_kept: Callable[[str], object]) -> None:
        super().__init__()
        self._panel = panel
        self._layers = panel.viewer.layers
        self._on_model_kept = on_model_kept
        self.config, self.teach_config = FineTuneConfig(), TeachConfig()
        self._session: Session | None = None
        self._running: Running[LearningResult | None] | None = None
        self._learned: LearningResult | None = None
        self._outlines: dict[str, list[Labels]] = {name: [] for name in _SIDES}
        self._earlier: dict[Labels, CorrectedLayer] = {}
        self._scores: Mapping[str, float] = {}  # on held-out objects; empty if none could be held out
        self._preview: Labels | None = None
        self.mode = QComboBox()
        self.mode.addItems([*_MODES, _TEACH])
        self.mode.setToolTip(_MODE_TIP)
        self.best = check_box("Best start", _BEST_TIP, on=True)
        self.best.toggled.connect(lambda _on: self.describe())
        self.start = button("Learn", _TIP, self._start)
        self.mode.currentTextChanged.connect(lambda _text: self.describe())
        self.bar = JobBar("Stop; the best model so far is shown.")
        self.scores = WrappedLabel()
        self.scores.setToolTip(
            "On corrected objects, each segmented by a model that has not learned from it, before and after."
        )
        self.save = SaveButton(panel)
        self._views = {
            name: button(name.capitalize(), _VIEW_TIP.format(name), partial(self._toggle, name)) for name in _SIDES
        }
        group = QButtonGroup(self)
        self.keep = button("Keep", "Use the fine-tuned model from now on, here and in Live.", self._keep)
        self.revert = button("Revert", "Continue with the model as it was.", self._forget)
        for view in self._views.values():
            view.setCheckable(True)
            group.addButton(view)
        self.choice = QWidget()
        views, choices = row(*self._views.values(), stretch=(0, 0)), row(self.keep, self.revert, stretch=(0, 0))
        stack(self.choice, self.scores, views, choices)
        first, second = row(self.mode, self.best, stretch=(1, 0)), row(self.start, self.save, stretch=(1, 0))
        stack(self, first, second, self.bar, self.choice)
        self.choice.hide()
        self.save.hide()

    def set_session(self, session: Session | None) -> None:
        """Use another session, or none. The corrections of the one before are learned from, too."""
        if self._running is not None:
            self._running.drop()
            self._running = None
        self.bar.finish()
        if self._session is not None and self._session is not session and self._session.teaches:
            self._earlier[self._session.layer] = CorrectedLayer.of(self._session)
        self._session = session
        if session is not None:
            self._earlier.pop(session.layer, None)
        self._forget()

    def describe(self) -> None:
        """Enable Learn, or show why it is disabled."""
        problem = self._problem()
        self.start.setEnabled(not problem)
        self.start.setToolTip(problem or _TIP)
        self.start.setText("Learn" if not problem or self._running is not None else f"Learn ({problem})")
        self.best.setEnabled(not self._teaching)

    @property
    def _teaching(self) -> bool:
        return bool(self.mode.currentText() == _TEACH)

    def _problem(self) -> str:
        if self._session is None:
            return "nothing is being corrected"
        if self._running is not None:
            return "fine-tuning is running"
        if self._learned is not None:
            return "keep or revert first"
        if self._session.context.request.model is None and not self.best.isChecked() and not self._teaching:
            return "no model is chosen"
        missing = LEAST - self._session.trainable - sum(len(layer.corrections) for layer in self._others())
        return "" if missing <= 0 else f"{missing} more object{'s' if missing > 1 else ''} to correct or accept"

    def _others(self) -> list[CorrectedLayer]:
        """What was corrected before and is still open."""
        open_layers = {*self._layers}
        return [made for made in self._earlier.values() if {made.target.layer, made.target.source.layer} <= open_layers]

    def _request(self, session: Session) -> LearningRequest:
        request, viewer = session.context.request, self._panel.viewer
        corrected = [CorrectedLayer.of(session), *self._others()]
        untouched = untouched_images(viewer, corrected)
        device, threads = settings().device, request.config.threads
        config: FineTuneConfig | TeachConfig
        if self._teaching:
            config = self.teach_config.replace(
                fine_tune=self.teach_config.fine_tune.replace(device=device, threads=threads),
                distill=self.teach_config.distill.replace(device=device),
            )
        else:
            config = self.config.replace(mode=_MODES[self.mode.currentText()], device=device, threads=threads)
        return LearningRequest(
            request,
            corrected,
            session.target.image_plane(session.target.current_plane(viewer)),
            config,
            self.best.isChecked(),
            [middle_plane(source) for source in untouched[:_MOST_UNTOUCHED]],
            planes_without_corrections(corrected, untouched) if self._teaching else (),
        )

    def _start(self) -> None:
        if self._session is None:
            return
        self._panel.say("")
        learning, finish, state = self._request(self._session), _Finish(), self._panel.state
        most = learning.request.config.threads
        self._scores = {}
        self._running = self.bar.run(
            self._panel,
            lambda: iter_learn(learning, finish, lambda: threads_beside(state.live, most)),
            partial(self._done, learning),
            on_end=self._end,
            on_event=partial(self._show_event, learning.visible),
            stop=finish,
        )
        self.describe()

    def _show_event(self, visible: ImagePlane, event: Event) -> None:
        self.bar.show_event(event)
        if isinstance(event, StepMetrics) and event.kind == "held-out":
            self._scores = event.values
        if isinstance(event, PreviewImages) and SHOWN in event.images:
            labels = event.images[SHOWN]
            if self._preview is None or self._preview not in self._layers:
                self._preview = self._outline("learning", visible, labels)
            else:
                self._preview.data = labels.reshape(self._preview.data.shape)

    def _end(self) -> None:
        self._running = None
        self._remove(self._preview)
        self._preview = None
        self.describe()

    def _done(self, learning: LearningRequest, learned: LearningResult | None) -> None:
        self._panel.say(" ".join(self.bar.notices))
        if learned is None:
            return
        self._learned = learned
        self.scores.setText(_table(self._scores, "The teacher, on" if learned.teacher is not None else "On"))
        made_by = provenance(learned.model)
        for name in _SIDES:
            self._outlines[name] = [
                self._outline(f"{name} learning", image, labels, made_by)
                for image, labels in zip(learning.compared, getattr(learned, name), strict=True)
            ]
        self._views["after"].setChecked(True)
        self._toggle("after")
        self.choice.show()
        self.describe()

    def _outline(
        self, what: str, image: ImagePlane, labels: "NDArray[np.uint32]", made_by: "Mapping[str, Any] | None" = None
    ) -> Labels:
        """Add outlines over a plane of the corrected labels, or over that of another image."""
        assert self._session is not None
        target, source = self._session.target, image.source
        if source is target.source:
            over, axes = target.layer, tuple(range(target.layer.ndim))
            start: Sequence[float] = target.lift(np.zeros(2), image.plane).tolist()
        else:
            corner = (span.start or 0 for span in image.region)
            over, axes, start = source.layer, (*source.plane_axes, *source.spatial_axes), (*image.plane, *corner)
        options = output_options(over, axes=axes, start=start, made_by=made_by)
        data = labels.reshape((1,) * (len(start) - 2) + labels.shape)
        layer = Labels(data, name=f"{what} of {over.name}", **options)
        layer.contour = 2
        add_unselected(self._layers, layer)
        return layer

    def _toggle(self, shown: str) -> None:
        for name, layers in self._outlines.items():
            for layer in layers:
                layer.visible = name == shown

    def _keep(self) -> None:
        if self._learned is None:
            return
        model, teacher = self._learned.model, self._learned.teacher
        self._forget()
        if teacher is not None:
            self._panel.state.add(teacher)
        name = self._panel.state.add(model)
        self._panel.state.student = name
        self.save.offer(model)
        self.save.show()
        self._on_model_kept(name)
        self.describe()

    def _forget(self) -> None:
        """Drop what was learned."""
        self._learned = None
        self.choice.hide()
        for layers in self._outlines.values():
            while layers:
                self._remove(layers.pop())
        self.describe()

    def _remove(self, layer: Labels | None) -> None:
        if layer is not None and layer in self._layers:
            self._layers.remove(layer)


class _Finish(Flag):
    """Stops a job that ends by itself, with the best so far."""

    stop = Flag.set


def _table(scores: Mapping[str, float], where: str) -> str:
    """Scores on held-out objects, as rich text."""
    if not scores:
        return "No object could be held out, so that nothing is known about new ones."
    rows = "".join(
        f"<tr><td>{name}&nbsp;&nbsp;</td><td>{scores[f'held-out {name} before']:.2f}</td>"
        f"<td>&nbsp;→&nbsp;</td><td><b>{scores[f'held-out {name}']:.2f}</b></td></tr>"
        for name in ("AP50", "IoU")
    )
    return f"{where} {scores['held-out objects']:.0f} corrected objects, each held out once:<table>{rows}</table>"
