"""The stages of one job as parts of a whole, with one bar and one time left."""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from napari_grd.config import DistillConfig, NetworkConfig
from napari_grd.distillation.prepare import ImageSet
from napari_grd.jobs import Event, Job, Overall, Progress, Result
from napari_grd.models.complexity import config_macs
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.confidence import VIEWS
from napari_grd.teaching.embedding import EmbeddingTeacher

ASK, FIT, ASK_ASSISTANT, DISTILL = (
    "Asking the teacher",
    "Fitting the assistant",
    "Asking the assistant",
    "Distilling",
)

_PIXEL, _MULTIPLICATION = 0.6e-6, 16e-12  # seconds, from both ResUNets at 512² (method.md, section 1)
_BACKWARD = 2.5  # a training step, in forward passes
_FOREIGN = 30e-6  # seconds a pixel of a teacher that nothing is known of


class StageProgress:
    """Stages that follow each other, each with an expected cost.

    Costs are guesses, and the bar moves by them. The time left is that of the
    stage, by its own pace, and of the later ones, by their costs and by how much
    longer than guessed the stages so far have taken.

    Parameters
    ----------
    costs : mapping of str to float
        Expected seconds by the name of the stage, in their order.
    strange : collection of str
        Stages whose cost is anybody's guess: how long they take says nothing of the others.

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
        """The job with the whole told in its progress events; at its end the whole is done.

        Stages that are not part of the progress, such as the validations within a
        training, pass unchanged.
        """
        last: Progress | None = None
        try:
            while True:
                try:
                    event = self.place(next(job))
                except StopIteration as end:
                    if last is not None and self._done < 1:  # it stopped early, as nothing got better
                        yield replace(last, overall=Overall(1.0, 0.0))
                    result: Result = end.value
                    return result
                if isinstance(event, Progress) and event.overall is not None:
                    last = event
                yield event
        finally:
            job.close()

    def place(self, event: Event) -> Event:
        """An event with the whole told, if it is of one of the stages."""
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
        """Seconds spent so far, and those expected, with a share of the current stage done."""
        if not self._stage or self._stage in self._strange:
            return self._spent, self._guessed
        cost = self._costs[self._stage] * (share - self._first)
        return self._spent + now - self._began, self._guessed + cost


def distillation_progress(data: ImageSet, teacher: Teacher, config: DistillConfig) -> StageProgress:
    """The progress of a distillation, with costs that are counted and not measured.

    Parameters
    ----------
    data : ImageSet
        What is trained on.
    teacher : Teacher
        Who is asked first.
    config : DistillConfig
        The recipe.
    """
    pixels = sum(image[0].size for image in data.images)
    batch = config.batch * config.patch**2 * _BACKWARD

    def forward(network: NetworkConfig) -> float:
        return _PIXEL + _MULTIPLICATION * config_macs(network, data.in_channels)

    known = teacher.model.config.network if isinstance(teacher, EmbeddingTeacher) else None
    asking = pixels * (_FOREIGN if known is None else forward(known))
    costs = {ASK: asking * (1 + len(VIEWS) if config.confidence else 1)}
    if not teacher.gives_embeddings and config.assistant.use:
        assistant = forward(config.assistant.network)
        costs |= {FIT: config.assistant.steps * batch * assistant, ASK_ASSISTANT: pixels * assistant}
    costs[DISTILL] = config.steps * batch * forward(config.network)
    return StageProgress(costs, strange=(ASK,) if known is None else ())
