"""The end of a training, by steps or by time."""

from typing import Any

import pytest
from lightning_fabric import Fabric

import napari_grd.jobs
from napari_grd.config import TrainConfig
from napari_grd.distillation.optim import learning_rate
from napari_grd.distillation.recipes import iter_train
from napari_grd.distillation.resume import State
from napari_grd.distillation.schedule import Schedule
from napari_grd.jobs import Progress, drain


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that a stopwatch reads."""
    now = [100.0]
    monkeypatch.setattr(napari_grd.jobs.time, "monotonic", lambda: now[0])
    return now


def schedule(state: State, **settings: Any) -> Schedule:
    return Schedule(TrainConfig(**settings), state, Fabric(accelerator="cpu", devices=1), "Training")


def test_without_a_limit_of_time_the_position_is_the_step(clock: list[float]) -> None:
    state = State(step=7)
    made = schedule(state, steps=50)
    clock[0] += 1000
    assert (made.position(), made.last) == (7, 50)


def test_the_time_moves_the_learning_rate_and_ends_the_training(clock: list[float]) -> None:
    state = State(step=3)
    made = schedule(state, steps=50, minutes=2.0)
    clock[0] += 60
    assert made.position() == 25.0
    assert made.progress() == Progress("Training", 25, 50, 60.0)
    config = TrainConfig().optim
    assert learning_rate(made.position(), 50, config) == pytest.approx(learning_rate(25, 50, config))
    clock[0] += 600
    assert made.position() == 50
    assert made.progress() == Progress("Training", 50, 50, 0.0)
    assert made.last > 10**9  # fast machines make as many steps as they can


def test_the_time_of_earlier_runs_counts(clock: list[float]) -> None:
    state = State(step=3, seconds=90.0)
    made = schedule(state, steps=100, minutes=2.0)
    clock[0] += 15
    assert made.position() == pytest.approx(87.5)
    assert state.seconds == 105.0


def test_a_training_of_some_seconds_ends_in_time(nuclei: Any, small: Any) -> None:
    config = TrainConfig(**small(minutes=0.02, steps=10).model_dump(include=set(TrainConfig.model_fields)))
    events: list[Any] = []
    model = drain(iter_train(*nuclei, config, validation=0.0), events.append)
    steps = [event for event in events if isinstance(event, Progress) and event.stage == "Training"]
    assert steps  # on a slow machine there is one
    assert steps[-1].done <= steps[-1].total
    assert model.card.recipe["minutes"] == 0.02
