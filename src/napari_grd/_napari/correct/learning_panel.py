"""Learn: fine-tune the model on corrected objects, compare before and after, keep or revert."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_grd._napari.correct.jobs import LearningRequest, LearningResult, iter_learn
from napari_grd._napari.correct.session import Session
from napari_grd._napari.job_bar import JobBar
from napari_grd._napari.outputs import output_options, provenance
from napari_grd._napari.panel import Panel, button
from napari_grd._napari.save_button import SaveButton
from napari_grd._napari.settings import settings
from napari_grd._napari.worker import Running, run_job
from napari_grd.config import FineTuneConfig

if TYPE_CHECKING:
    from napari_grd.jobs import Job
    from napari_grd.models import Model

LEAST = 3
"""Fewest corrected objects for fine-tuning."""

_ZERO = np.zeros(2)
_TIP = (
    "Fine-tune the model on verified and corrected objects, in the background, in about a minute. On its original"
    " kind of images it can get slightly worse: check before you keep it."
)


class LearningPanel(QWidget):
    """The Learn button, scores before and after, and Keep or Revert.

    Parameters
    ----------
    panel : Panel
        Shows messages; the fine-tuned model is added to its models.
    on_model_kept : callable
        Called with the name of the model if it is kept.
    config : FineTuneConfig, optional
        Settings of the fine-tuning.
    """

    def __init__(
        self, panel: Panel, on_model_kept: Callable[[str], object], config: FineTuneConfig | None = None
    ) -> None:
        super().__init__()
        self._panel = panel
        self._on_model_kept = on_model_kept
        self.config = config or FineTuneConfig()
        self._session: Session | None = None
        self._running: Running[LearningResult] | None = None
        self._learned: LearningResult | None = None
        self._layers: dict[str, Labels] = {}
        self.start = button("Learn", _TIP, self._start)
        self.bar = JobBar("Stop; the model stays as it was.")
        self.scores = QLabel()
        self.scores.setToolTip("Average precision on the corrected objects, before and after fine-tuning.")
        self.save = SaveButton(panel)
        self._views = {name: self._view(name) for name in ("before", "after")}
        group = QButtonGroup(self)
        self.keep = button("Keep", "Use the fine-tuned model from now on, here and in Live.", self._keep)
        self.revert = button("Revert", "Continue with the model as it was.", self._revert)
        first, second = QHBoxLayout(), QHBoxLayout()
        for view in self._views.values():
            group.addButton(view)
            first.addWidget(view)
        for part in (self.keep, self.revert):
            second.addWidget(part)
        self.choice = QWidget()
        inner = QVBoxLayout(self.choice)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.scores)
        inner.addLayout(first)
        inner.addLayout(second)
        row = QHBoxLayout()
        row.addWidget(self.start, 1)
        row.addWidget(self.save)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.choice)
        self.choice.hide()
        self.save.hide()

    def set_session(self, session: Session | None) -> None:
        """Use another session, or none."""
        if self._running is not None:
            self._running.silence()
            self._running.stop()
            self._running = None
        self.bar.finish()
        self._forget()
        self._session = session
        self.describe()

    def describe(self) -> None:
        """Enable Learn, or show why it is disabled."""
        problem = self._problem()
        self.start.setEnabled(not problem)
        self.start.setToolTip(problem or _TIP)
        self.start.setText("Learn" if not problem or self._running is not None else f"Learn ({problem})")

    def _problem(self) -> str:
        if self._session is None:
            return "nothing is being corrected"
        if self._running is not None:
            return "fine-tuning is running"
        if self._learned is not None:
            return "keep or revert first"
        if self._session.context.request.model is None:
            return "no model is chosen"
        missing = LEAST - self._session.trainable
        return "" if missing <= 0 else f"{missing} more object{'s' if missing > 1 else ''} to correct or accept"

    def _start(self) -> None:
        if self._session is None:
            return
        session, chosen = self._session, settings()
        request, corrections = session.context.request, list(session.corrections)
        learning = LearningRequest(
            request,
            session.target.current_plane(self._panel.viewer),
            corrections,
            {plane: session.editor.labels[plane].copy() for plane in session.corrections.planes},
            self.config.replace(device=chosen.device, threads=request.config.threads),
        )
        self._running = run_job(
            partial(_learn, learning, self._panel.state.get),
            on_event=self.bar.show_event,
            on_done=self._done,
            on_error=self._failed,
            on_stopped=self._end,
        )
        self._panel.track(self._running)
        self.bar.start(self._running)
        self.describe()

    def _end(self) -> None:
        self._running = None
        self.bar.finish()
        self.describe()

    def _failed(self, error: BaseException) -> None:
        self._end()
        self._panel.show_error(error)

    def _done(self, learned: LearningResult) -> None:
        self._learned = learned
        self._end()
        self._panel.say(" ".join(self.bar.notices))
        if self._session is None:
            return
        before, after = learned.scores.before, learned.scores.after
        rows = "".join(
            f"<tr><td>AP {level:.2f}&nbsp;&nbsp;</td><td>{before.ap[level]:.2f}</td>"
            f"<td>&nbsp;→&nbsp;</td><td><b>{after.ap[level]:.2f}</b></td></tr>"
            for level in (0.5, 0.75)
        )
        self.scores.setText(f"On {learned.scores.objects} corrected objects:<table>{rows}</table>")
        self._show(learned)
        self.choice.show()

    def _show(self, learned: LearningResult) -> None:
        """Both results beside the corrected labels, which stay as they are."""
        assert self._session is not None
        target, layers = self._session.target, self._panel.viewer.layers
        active = layers.selection.active
        start = target.lift(_ZERO, learned.plane)
        for name, labels in (("before", learned.before), ("after", learned.after)):
            options = output_options(target.layer, start=start.tolist(), made_by=provenance(learned.model))
            data = labels.reshape((1,) * (target.layer.ndim - 2) + labels.shape)
            layer = Labels(data, name=f"{target.layer.name} {name} learning", **options)
            layer.contour = 2
            layers.append(layer)
            self._layers[name] = layer
        layers.selection.active = active
        self._views["after"].setChecked(True)
        self._toggle("after")

    def _view(self, name: str) -> QPushButton:
        made = QPushButton(name.capitalize())
        made.setCheckable(True)
        made.setToolTip(f"The plane as the model segments it {name} learning, as outlines.")
        made.clicked.connect(lambda _checked=False: self._toggle(name))
        return made

    def _toggle(self, shown: str) -> None:
        for name, layer in self._layers.items():
            layer.visible = name == shown

    def _keep(self) -> None:
        if self._learned is None:
            return
        model = self._learned.model
        self._forget()
        name = self._panel.state.add(model)
        self._panel.state.student = name
        self.save.offer(model)
        self.save.show()
        self._on_model_kept(name)
        self.describe()

    def _revert(self) -> None:
        self._forget()
        self.describe()

    def _forget(self) -> None:
        self._learned = None
        self.choice.hide()
        while self._layers:
            _, layer = self._layers.popitem()
            if layer in self._panel.viewer.layers:
                self._panel.viewer.layers.remove(layer)


def _learn(learning: LearningRequest, get_model: "Callable[[str], Model]") -> "Job[LearningResult]":
    assert learning.request.model is not None
    return iter_learn(learning, get_model(learning.request.model))
