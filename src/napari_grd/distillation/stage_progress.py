"""Overall progress and time left of the stages of a job."""

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.distillation.prepare import ImageSet, input_patch
from napari_grd.jobs import Event, Job, Overall, Progress, Result
from napari_grd.models.complexity import config_macs
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.confidence import VIEWS
from napari_grd.teaching.embedding import EmbeddingTeacher

TEACHER_PREDICTIONS, FIT, ASSISTANT_PREDICTIONS, DISTILL = (
    "Asking the teacher",
    "Fitting the assistant",
    "Asking the assistant",
    "Distilling",
)

_PIXEL, _MULTIPLICATION = 0.6e-6, 16e-12  # seconds, from both ResUNets at 512² (method.md, section 1)
_BACKWARD = 2.5  # cost of a training step in forward passes
_FOREIGN = 30e-6  # seconds per pixel of an unknown teacher


class StageProgress:
    """Consecutive stages, each with an expected cost.

    The bar advances by the estimated costs. The time left is that of the current stage, from its rate, plus the costs
    of the later ones, scaled by the ratio of actual to estimated time so far.

    Parameters
    ----------
    costs : mapping of str to float
        Expected seconds by the name of the stage, in their order.
    strange : collection of str
        Stages with unknown cost, which are not used to scale the others.

    Examples
    --------
    >>> progress = StageProgress({"Asking": 1, "Learning": 3})
    >>> progress.place(Progress("Learning", 1, 2)).overall.done
    0.625
    """

    def __init__(self, costs: Mapping[str, float], strange: Collection[str] = ()) -> None:
        self._costs = dict(costs)
        self._strange = strange
        self._whole = sum(self._costs.values()) or 1.0
        self._done = 0.0
        self._stage = ""
        self._began = 0.0
        self._first = 0.0  # share of the current stage that was done when it began
        self._spent = 0.0  # seconds in earlier stages
        self._guessed = 0.0  # seconds that these were expected to take

    def follow(self, job: Job[Result]) -> Job[Result]:
        """The job with the overall progress in its events; 1 at its end.

        Events of other stages, such as validations within a training, pass unchanged.
        """
        last: Progress | None = None
        try:
            while True:
                try:
                    event = self.place(next(job))
                except StopIteration as end:
                    if last is not None and self._done < 1:  # it stopped early, without improvement
                        yield replace(last, overall=Overall(1.0, 0.0))
                    result: Result = end.value
                    return result
                if isinstance(event, Progress) and event.overall is not None:
                    last = event
                yield event
        finally:
            job.close()

    def place(self, event: Event) -> Event:
        """An event with the overall progress, if it belongs to one of the stages."""
        if not isinstance(event, Progress) or event.stage not in self._costs:
            return event
        share = event.done / event.total if event.total else 1.0
        now = time.monotonic()
        if event.stage != self._stage:
            self._spent, self._guessed = self._pace(now, 1.0)
            self._stage, self._began, self._first = event.stage, now, share
        spent, guessed = self._pace(now, share)
        names = list(self._costs)
        position = names.index(event.stage)
        earlier, later = (sum(self._costs[name] for name in part) for part in (names[:position], names[position + 1 :]))
        self._done = max(self._done, min(1.0, (earlier + self._costs[event.stage] * share) / self._whole))
        own = 0.0 if share == 1 else event.seconds_left
        left = None if own is None else own + later * (spent / guessed if guessed else 1.0)
        return replace(event, overall=Overall(self._done, left))

    def _pace(self, now: float, share: float) -> tuple[float, float]:
        """Seconds spent so far, and expected seconds, at a share of the current stage."""
        if not self._stage or self._stage in self._strange:
            return self._spent, self._guessed
        cost = self._costs[self._stage] * (share - self._first)
        return self._spent + now - self._began, self._guessed + cost


def distillation_progress(data: ImageSet, teacher: Teacher, config: DistillConfig) -> StageProgress:
    """The progress of a distillation, with estimated costs.

    Parameters
    ----------
    data : ImageSet
        The training images.
    teacher : Teacher
        The teacher, which predicts first.
    config : DistillConfig
        The recipe.
    """
    pixels = sum(math.prod(image.shape[1:]) for i, image in enumerate(data.images) if i not in data.stored)
    batch = config.batch * math.prod(input_patch(config)) * _BACKWARD

    def forward(network: NetworkConfig) -> float:
        return _PIXEL + _MULTIPLICATION * config_macs(network, data.in_channels)

    teacher_network = teacher.model.config.network if isinstance(teacher, EmbeddingTeacher) else None
    asking = pixels * (_FOREIGN if teacher_network is None else forward(teacher_network))
    costs = {TEACHER_PREDICTIONS: asking * (1 + len(VIEWS) if config.confidence else 1)}
    if not teacher.gives_embeddings and config.assistant.use:
        assistant = forward(config.assistant.network)
        costs |= {FIT: config.assistant.steps * batch * assistant, ASSISTANT_PREDICTIONS: pixels * assistant}
    costs[DISTILL] = config.steps * batch * forward(config.network)
    return StageProgress(costs, strange=(TEACHER_PREDICTIONS,) if teacher_network is None else ())
