"""The training loop, one for teachers, assistants and students, as a job."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_grd.config import TrainConfig
from napari_grd.data.dataset import Batch, PatchSampler
from napari_grd.data.drawing import can_start_processes, draw
from napari_grd.distillation.checkpoint import is_finite, save_checkpoint
from napari_grd.distillation.objective import Objective
from napari_grd.distillation.online import OnlineTeacher
from napari_grd.distillation.optim import averaged, learning_rate, make_optimizer
from napari_grd.distillation.resume import State, diverged, fell_back, restore, take
from napari_grd.distillation.schedule import Schedule
from napari_grd.jobs import Event, FileSaved, Job, Notice, PreviewImages, StepMetrics, Stopwatch
from napari_grd.models.model import Model

if TYPE_CHECKING:
    from lightning_fabric import Fabric

LOG_EVERY = 10


@dataclass(frozen=True)
class Verdict:
    """The result of a validation.

    Attributes
    ----------
    score : float
        Higher is better; selects the weights.
    values : dict
        The metrics by name.
    images : dict
        Preview images by name.
    """

    score: float
    values: dict[str, float]
    images: dict[str, Any]


Validate = Callable[[Model], Job[Verdict]]


def fit(
    model: Model,
    sampler: PatchSampler,
    objective: Objective,
    config: TrainConfig,
    *,
    fabric: "Fabric",
    online: OnlineTeacher | None = None,
    stage: str = "Training",
    validate: Validate | None = None,
    checkpoint: Path | None = None,
    signature: str = "",
    stop: Callable[[], bool] | None = None,
) -> Job[tuple[Model, dict[str, float]]]:
    """Train a model and return it with its best validated weights.

    Parameters
    ----------
    model : Model
        Initial model, e.g. from :meth:`Model.create`. Its network is trained in place.
    sampler : PatchSampler
        Batches by step and rank.
    objective : Objective
        The loss.
    config : TrainConfig
        Steps, schedule, how often to validate.
    fabric : Fabric
        Device, precision and ranks; launched already.
    online : OnlineTeacher, optional
        Predicts the patches, for an objective that compares with a teacher.
    stage : str
        Name shown in progress events.
    validate : callable, optional
        Job that scores a model. Without it the last averaged weights are returned.
    checkpoint : Path, optional
        Written every ``config.checkpoint_every`` seconds and whenever the job
        ends; if it exists, training is resumed from it, bit for bit on a CPU. If it is damaged, its predecessor, stored
        beside it, is used, with a `Notice`.
    signature : str
        Identifies settings and data; a checkpoint with another one is refused.
    stop : callable, optional
        Polled every step on every rank; returning true on one stops all of them.

    Yields
    ------
    Event
        `Progress` every step, `StepMetrics` every 10 steps, `PreviewImages` at validations, `FileSaved` at checkpoints.

    Returns
    -------
    (Model, dict)
        The model in eval mode on the CPU, and its validation scores.

    Raises
    ------
    GrdError
        If the loss or the weights are no longer finite (they are not saved then), the checkpoint belongs to another
        training, or it is damaged and so is its predecessor.
    """
    from lightning_fabric.plugins.precision import MixedPrecision

    on_gpu = fabric.device.type == "cuda"
    bf16 = isinstance(fabric.strategy.precision, MixedPrecision)
    optimizer: Any = make_optimizer(model.network, config.optim, fused=on_gpu)
    ema = averaged(model.network, config.optim.ema)
    state = State()
    if checkpoint is not None and checkpoint.exists():
        takes = partial(take, signature=signature, model=model, optimizer=optimizer, ema=ema, objective=objective)
        state, used = restore(checkpoint, takes)
        if used != checkpoint and fabric.is_global_zero:
            yield Notice(fell_back(checkpoint, state.step))
    ema.to(fabric.device)
    if on_gpu and model.config.ndim == 2:
        model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network, optimizer = fabric.setup(model.network, optimizer)
    network.train()

    def current() -> dict[str, Any]:
        return {
            "signature": signature,
            "network": model.network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "ema": ema.state_dict(),
            "objective": objective.state_dict(),
            "state": vars(state),
        }

    def save() -> None:
        # Only rank 0 writes; all ranks hold the same state.
        if checkpoint is not None and fabric.is_global_zero:
            save_checkpoint(checkpoint, current())

    def check() -> None:
        if not is_finite(current()):
            raise diverged("weights are no longer numbers", state.step, config, checkpoint)

    schedule = Schedule(config, state, fabric, stage)
    # A teacher that predicts what is drawn does so in this process, with its processors.
    workers = config.workers if on_gpu and can_start_processes() and not sampler.computes else 0
    batches = draw(sampler, state.step, schedule.last, fabric.global_rank, workers=workers)
    try:
        if checkpoint is not None:
            save()  # fails now, not after an hour, if the folder is read-only
            yield FileSaved(checkpoint)
        since_save = Stopwatch("", 1)
        while True:
            position = schedule.position()
            over = position >= config.steps
            if validate is not None and _due(state, config, over):
                check()
                yield from _validate(model, ema.module, validate, state, fabric)
            if over or _anyone(fabric, _should_stop(state, config, stop)):
                break
            if workers:
                batch = next(batches)
            else:
                batch = yield from sampler.iter_batch(state.step, fabric.global_rank, schedule.progress)
            batch = batch.to(fabric.device)
            if online is not None:
                batch = online.predict(batch, bf16=bf16)
            terms = _step(network, model, optimizer, objective, config, batch, state.step, position, fabric)
            ema.update_parameters(model.network)
            state.step += 1
            if state.step % LOG_EVERY == 0 or state.step == config.steps:
                yield _metrics(terms, state.step, optimizer, config, checkpoint)
            if checkpoint is not None and since_save.elapsed > config.checkpoint_every:
                check()
                save()
                since_save = Stopwatch("", 1)
                yield FileSaved(checkpoint)
            yield schedule.progress()
        check()
    finally:
        batches.close()
        if is_finite(current()):  # else keep the last good one
            save()
    model.network.load_state_dict(state.best_weights or ema.module.state_dict())
    model.network.to("cpu").eval()
    return model, state.scores


def _step(
    network: Any,
    model: Model,
    optimizer: Any,
    objective: Objective,
    config: TrainConfig,
    batch: Batch,
    step: int,
    position: float,
    fabric: "Fabric",
) -> dict[str, torch.Tensor]:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(position, config.steps, config.optim)
    embedding, logit = model.split(network(batch.image))
    terms = objective(embedding, logit, batch.targets_within(embedding.shape[2:]), step)
    fabric.backward(terms["loss"])
    fabric.clip_gradients(network, optimizer, max_norm=config.optim.clip, error_if_nonfinite=False)
    optimizer.step()
    optimizer.zero_grad()
    return terms


def _metrics(
    terms: dict[str, torch.Tensor], step: int, optimizer: Any, config: TrainConfig, checkpoint: Path | None
) -> StepMetrics:
    values = {name: float(value.detach()) for name, value in terms.items()}
    if not math.isfinite(values["loss"]):
        raise diverged(f"loss became {values['loss']}", step, config, checkpoint)
    values["lr"] = optimizer.param_groups[0]["lr"]
    return StepMetrics(step, values)


def _due(state: State, config: TrainConfig, over: bool) -> bool:
    if state.validated == state.step or state.step == 0:
        return False
    return state.step % config.validate_every == 0 or over


def _validate(
    model: Model, network: torch.nn.Module, validate: Validate, state: State, fabric: "Fabric"
) -> Generator[Event, None, None]:
    """Score the averaged weights on rank 0 and broadcast the result, so that all ranks stop together."""
    network.eval()
    verdict = None
    if fabric.is_global_zero:
        verdict = yield from validate(replace(model, network=network))
    verdict = fabric.broadcast(verdict)
    assert verdict is not None
    if verdict.score > state.best:
        state.best, state.scores, state.waited = verdict.score, dict(verdict.values), 0
        state.best_weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    else:
        state.waited += 1
    state.validated = state.step
    yield StepMetrics(state.step, verdict.values, kind="validation")
    if verdict.images:
        yield PreviewImages(state.step, verdict.images)


def _should_stop(state: State, config: TrainConfig, stop: Callable[[], bool] | None) -> bool:
    if config.patience and state.waited >= config.patience:
        return True
    return stop is not None and stop()


def _anyone(fabric: "Fabric", flag: bool) -> bool:
    """Whether any rank raised its flag: one that stopped alone would leave the others waiting for it."""
    if fabric.world_size == 1:
        return flag
    total: Any = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(total > 0)
