"""The end of a training: after a number of steps, or after a time."""

from dataclasses import replace
from typing import TYPE_CHECKING

from napari_grd.config import TrainConfig
from napari_grd.distillation.resume import State
from napari_grd.jobs import Progress, Stopwatch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_UNLIMITED = 2**62  # steps


class Schedule:
    """Position in a training that is limited by steps or by time.

    Parameters
    ----------
    config : TrainConfig
        Its ``steps`` or, if there are, ``minutes``.
    state : State
        State of the training; the time spent is stored in it.
    fabric : Fabric
        All ranks use the time of rank 0, so that their weights stay equal.
    stage : str
        Name of the stage in progress events.
    """

    def __init__(self, config: TrainConfig, state: State, fabric: "Fabric", stage: str) -> None:
        self._steps, self._state, self._fabric = config.steps, state, fabric
        self._limit = None if config.minutes is None else 60 * config.minutes
        self._before = state.seconds  # of earlier runs of this training
        self._watch = Stopwatch(stage, config.steps, state.step)

    @property
    def last(self) -> int:
        """The step at which the training ends at the latest."""
        return self._steps if self._limit is None else _UNLIMITED

    def position(self) -> float:
        """The step from 0, or the elapsed fraction of the steps; at the end the number of steps."""
        self._state.seconds = self._before + self._watch.elapsed
        if self._limit is None:
            return self._state.step
        passed = self._state.seconds / self._limit
        if self._fabric.world_size > 1:
            passed = self._fabric.broadcast(passed)
        return min(1.0, passed) * self._steps

    def progress(self) -> Progress:
        """The event for the steps or the time so far."""
        event = self._watch.progress(self._state.step)
        if self._limit is None:
            return event
        spent = self._before + self._watch.elapsed
        done = round(min(1.0, spent / self._limit) * self._steps)
        return replace(event, done=done, seconds_left=max(0.0, self._limit - spent))
