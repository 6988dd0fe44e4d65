"""Resuming from a checkpoint, or from its predecessor if it is damaged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from napari_grd.config import TrainConfig
from napari_grd.distillation.checkpoint import damaged, is_finite, load_checkpoint, previous_path
from napari_grd.distillation.objective import Objective
from napari_grd.errors import ConfigError, DataError, GrdError
from napari_grd.models.model import Model


@dataclass
class State:
    """The state of a training, as stored in a checkpoint."""

    step: int = 0
    validated: int = -1  # step of the last validation
    best: float = -1.0
    best_weights: dict[str, torch.Tensor] | None = None
    scores: dict[str, float] = field(default_factory=dict)
    waited: int = 0  # validations without a better score
    seconds: float = 0.0  # spent on steps and validations; checkpoints of earlier versions lack it


def best_so_far(checkpoint: Path, model: Model) -> tuple[Model, dict[str, float]] | None:
    """The result of a stopped training: its best weights, as a finished training returns them.

    Parameters
    ----------
    checkpoint : Path
        A checkpoint of a training of this model.
    model : Model
        Receives the weights.

    Returns
    -------
    (Model, dict) or None
        The model in eval mode on the CPU, and its validation scores; None if no step was taken.

    Raises
    ------
    DataError
        If the checkpoint cannot be read.
    """

    def take_best(path: Path) -> State:
        saved = load_checkpoint(path)
        with _usable(path):
            state = _state(saved)
            averaged_weights = {
                name.removeprefix("module."): value
                for name, value in saved["ema"].items()
                if name.startswith("module.")
            }
            model.network.load_state_dict(state.best_weights or averaged_weights)
        return state

    state, _ = restore(checkpoint, take_best)
    if state.step == 0:
        return None
    model.network.to("cpu").eval()
    return model, state.scores


def diverged(what: str, step: int, config: TrainConfig, checkpoint: Path | None) -> ConfigError:
    """The error of a training that diverged."""
    kept, where = "", ""
    if checkpoint is not None:
        kept, where = f" The last good state is stored in {str(checkpoint)!r}.", ", in a new folder"
    return ConfigError(
        f"The {what} at step {step}.{kept}",
        f"Lower the learning rate optim.lr (now {config.optim.lr:g}){where}.",
    )


def restore(checkpoint: Path, take: Callable[[Path], State]) -> tuple[State, Path]:
    """Load the state of a checkpoint, or of its predecessor if it is damaged; return which was used."""
    try:
        return take(checkpoint), checkpoint
    except DataError:
        previous = previous_path(checkpoint)
        if not previous.exists():
            raise
        try:
            return take(previous), previous
        except GrdError:
            pass
        raise


def take(path: Path, *, signature: str, model: Model, optimizer: Any, ema: Any, objective: Objective) -> State:
    """Load the state of a checkpoint into model, optimizer and objective.

    Raises
    ------
    DataError
        If it is damaged, or the training has diverged.
    ConfigError
        If it belongs to another training.
    """
    saved = load_checkpoint(path)
    if saved.get("signature") != signature:
        raise ConfigError(
            f"The checkpoint {str(path)!r} belongs to a training with other settings or data.",
            "Choose another output folder, or delete the checkpoint.",
        )
    with _usable(path):
        model.network.load_state_dict(saved["network"])
        optimizer.load_state_dict(saved["optimizer"])
        ema.load_state_dict(saved["ema"])
        objective.load_state_dict(saved["objective"])
        if not is_finite(saved):
            raise ValueError("not all of its values are numbers: the training diverged")
        return _state(saved)


@contextmanager
def _usable(path: Path) -> Iterator[None]:
    """Report a checkpoint as damaged if its content cannot be loaded."""
    try:
        yield
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        raise damaged(path, error) from error


def _state(saved: dict[str, Any]) -> State:
    state = State(**saved["state"])
    counts = state.step, state.validated, state.waited
    if not all(isinstance(count, int) and count >= -1 for count in counts) or not isinstance(state.scores, dict):
        raise ValueError(f"its state is {counts}")
    state.best = float(state.best)
    return state


def fell_back(checkpoint: Path, step: int) -> str:
    """The notice about resuming from a predecessor."""
    return f"The checkpoint {str(checkpoint)!r} is damaged; the training resumes from its predecessor, at step {step}."
