"""The end of a training: after a number of steps, or after a time."""

from lightning_fabric import Fabric

from napari_grd.config import TrainConfig
from napari_grd.distillation.resume import State
from napari_grd.jobs import Progress, Stopwatch


class Schedule:
    """Position in a training that is limited by steps or by time.

    Parameters
    ----------
    config : TrainConfig
        Its ``steps`` and ``minutes``.
    state : State
        State of the training; the time spent is stored in it.
    fabric : Fabric
        All ranks use the time of rank 0, so that their weights stay equal.
    stage : str
        Name of the stage in progress events.
    """

    def __init__(self, config: TrainConfig, state: State, fabric: Fabric, stage: str) -> None:
        self._steps, self._state, self._fabric = config.steps, state, fabric
        self._limit = None if config.minutes is None else 60 * config.minutes
        self._before = state.seconds  # of earlier runs of this training
        self._watch = Stopwatch(stage, config.steps, state.step)

    def position(self) -> float:
        """The step, from 0; a fraction of the steps if the time is further; at the end the number of steps."""
        self._state.seconds = self._before + self._watch.elapsed
        if self._limit is None:
            return self._state.step
        passed = self._state.seconds / self._limit
        if self._fabric.world_size > 1:
            passed = self._fabric.broadcast(passed)
        return max(self._state.step, min(1.0, passed) * self._steps)

    def progress(self) -> Progress:
        """The event for the steps so far."""
        event = self._watch.progress(self._state.step)
        if self._limit is None:
            return event
        spent = self._before + self._watch.elapsed
        left = max(0.0, self._limit - spent)
        if event.seconds_left is not None and event.seconds_left < left:
            return event
        done = max(self._state.step, round(min(1.0, spent / self._limit) * self._steps))
        return Progress(event.stage, done, self._steps, left)
