"""Fine-tuning on a few corrected objects, as a job with a time limit.

Every step uses corrected patches, of which only the labeled pixels contribute, and rehearsal patches, with the
teacher's graphs in the loss. The network is always in evaluation mode: the batch statistics of a few corrected patches
would replace those of the original training.
"""

import copy
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import napari_grd
from napari_grd.config import FineTuneConfig, SegmentConfig
from napari_grd.data.dataset import Example
from napari_grd.data.inputs import as_image
from napari_grd.distillation.finish import model_path
from napari_grd.distillation.optim import averaged
from napari_grd.errors import ConfigError, LabelError
from napari_grd.finetuning.labeled_windows import labeled_windows
from napari_grd.finetuning.rehearsal import IMAGES, Rehearsal, iter_rehearsal, simulated_images, windows_of
from napari_grd.finetuning.step import FineTuningStep
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.rescale import grid_shape, nearest, rescale_image
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.view import resolve_view
from napari_grd.io.atomic import make_folder
from napari_grd.io.model_file import save_model
from napari_grd.jobs import FileSaved, Job, Progress, StepMetrics
from napari_grd.models import Model
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.embedding import EmbeddingTeacher

RECALL, LEARN = "Recalling what it knows", "Learning"
KIND = "tuned"
"""Name of the result's file."""

_THOUSAND = 1000  # units of the bar: a time limit has no number of steps
_LOG_EVERY = 10
_EMA = 0.98  # averages over the last 50 steps; there are a few hundred


def iter_fit_known(
    model: Model,
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[np.int64]],
    config: FineTuneConfig | None = None,
    *,
    teacher: Teacher | None = None,
    rehearsal: Any = None,
    rehearsal_axes: str | None = None,
    out_dir: str | Path | None = None,
) -> Job[Model]:
    """Fine-tune a model on sparsely labeled images.

    Parameters
    ----------
    model : Model
        The model to fine-tune. It is not changed; the result is a new model.
    images : sequence of (C, H, W) arrays
        Raw intensities.
    labels : sequence of (H, W) int64 arrays
        Objects; 0 is labeled background, and :data:`~napari_grd.data.inputs.IGNORED` is unlabeled.
    config : FineTuneConfig, optional
        The recipe.
    teacher : Teacher, optional
        The teacher for rehearsal. Default: the model before fine-tuning.
    rehearsal : array or sequence of arrays, optional
        Images like its training images, for rehearsal. Default: simulated nuclei.
    rehearsal_axes : str, optional
        Axes of each of these images.
    out_dir : path, optional
        Folder for ``tuned.grd.safetensors``.

    Yields
    ------
    Event
        `Progress` every step, with the time left; `StepMetrics` every 10 steps; `FileSaved` at the end.

    Returns
    -------
    Model

    Raises
    ------
    LabelError
        If no object is labeled.
    GrdError
        If images or settings cannot be used.
    """
    config = config or FineTuneConfig()
    clock = _Clock(config)
    windows = _windows(model, images, labels, config)
    folder = None if out_dir is None else make_folder(out_dir)
    recalled = None
    if config.rehearsal:
        recalled = yield from _iter_recall(model, config, teacher, rehearsal, rehearsal_axes)
    network = copy.deepcopy(model.network).requires_grad_(True)
    tuned = replace(model, network=network)
    step = FineTuningStep(tuned, windows, recalled, config)
    average = averaged(network, _EMA)
    clock.start_learning()
    while clock.step == 0 or clock.share < 1:
        terms = step(clock.step, min(1.0, clock.share))
        average.update_parameters(network)
        clock.step += 1
        if clock.step % _LOG_EVERY == 1:
            yield StepMetrics(clock.step, terms)
        yield clock.progress()
    yield Progress(LEARN, _THOUSAND, _THOUSAND, 0.0)
    network.load_state_dict(average.module.state_dict())
    network.to("cpu").eval()
    _blend(model.network, network, config.blend)
    tuned = tuned.with_card(**_card(model, config, len(windows), len(images), teacher, clock.step))
    if folder is not None:
        yield FileSaved(save_model(tuned, model_path(folder, KIND)), kind="model")
    return tuned


@torch.no_grad()
def _blend(before: nn.Module, after: nn.Module, share: float) -> None:
    """Interpolate the weights: most of the gain comes with the first half of the way, most forgetting with the second.

    Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022.
    """
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        new.lerp_(old.to(new), 1 - share)


class _Clock:
    """Progress of a training that ends after a number of steps or a time, whichever comes first."""

    def __init__(self, config: FineTuneConfig) -> None:
        self.step = 0
        self._steps, self._seconds = config.steps, config.seconds
        self._start = self._learning = time.monotonic()

    def start_learning(self) -> None:
        """Preparation counts for the time limit, but not for the rate."""
        self._learning = time.monotonic()

    @property
    def share(self) -> float:
        """0 to 1."""
        done = self.step / self._steps
        return done if self._seconds is None else max(done, (time.monotonic() - self._start) / self._seconds)

    def progress(self) -> Progress:
        """The event for the steps so far."""
        now = time.monotonic()
        left = (now - self._learning) / self.step * (self._steps - self.step)
        if self._seconds is not None:
            left = min(left, max(0.0, self._seconds - (now - self._start)))
        return Progress(LEARN, min(_THOUSAND, round(_THOUSAND * self.share)), _THOUSAND, left)


def _windows(
    model: Model, images: Sequence[NDArray[Any]], labels: Sequence[NDArray[np.int64]], config: FineTuneConfig
) -> list[Example]:
    """Windows around labeled pixels, at the scale of the prediction."""
    if model.config.ndim != 2:
        raise ConfigError(f"The model works in {model.config.ndim}D.", "Fine-tune a model that works in 2D.")
    if not any((known > 0).any() for known in labels):
        raise LabelError(
            f"None of the {len(labels)} label images has a known object.", "Correct or accept some objects first."
        )
    settings = SegmentConfig(object_diameter=config.object_diameter)
    found = []
    for number, (image, known) in enumerate(zip(images, labels, strict=True)):
        source = ArraySource(image, "cyx", ndim=2, in_channels=model.config.in_channels)
        view = resolve_view(source, model.config, settings)
        seen = SourceStatistics(source, 0, model.config, view).of(()).normalize(image)
        shape = grid_shape(known.shape, view.scale)
        found += labeled_windows(f"image {number}", rescale_image(seen, shape), nearest(known, shape), config.patch)
    return found


def _iter_recall(
    model: Model, config: FineTuneConfig, teacher: Teacher | None, rehearsal: Any, axes: str | None
) -> Job[Rehearsal]:
    rng = np.random.default_rng(config.seed)
    channels = model.config.in_channels
    if rehearsal is None:
        asked: list[NDArray[Any]] = [*simulated_images(rng, channels, model.config.object_diameter, IMAGES)]
    else:
        given = [rehearsal] if hasattr(rehearsal, "ndim") else list(rehearsal)
        asked = windows_of(rng, [as_image(image, axes, in_channels=channels) for image in given], IMAGES)
    # Plain torch: compiling for another runtime costs more than these few images.
    settings = SegmentConfig(runtime="torch", precision="f32", device=config.device, threads=config.threads).as_known()
    return (
        yield from iter_rehearsal(
            teacher or EmbeddingTeacher(model, settings), asked, model.config.normalization, RECALL
        )
    )


def _card(
    model: Model, config: FineTuneConfig, windows: int, images: int, teacher: Teacher | None, steps: int
) -> dict[str, Any]:
    """Changes of the card; scores are cleared because the weights changed."""
    restrictions = (model.card.restrictions, getattr(teacher, "restrictions", ""))
    return {
        "name": f"{model.card.name}-{KIND}",
        "summary": f"{model.card.summary.rstrip('.')}; fine-tuned on {windows} corrections of {images} images",
        "recipe": {**model.card.recipe, "fine_tune": {**config.on_disk(), "steps_taken": steps}},
        "scores": {},
        "restrictions": " ".join(dict.fromkeys(filter(None, restrictions))),
        "version": napari_grd.__version__,
        "created": date.today().isoformat(),
    }
