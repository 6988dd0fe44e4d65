"""Fine-tuning on a few corrected objects, as a job with a time limit.

The stages are in :mod:`.learning`. Every step uses corrected patches, of which only the labeled pixels contribute, and
rehearsal patches, with the teacher's graphs in the loss. The network is always in evaluation mode: the batch statistics
of a few corrected patches would replace those of the original training.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import FineTuneConfig, SegmentConfig
from napari_grd.data.inputs import as_image
from napari_grd.distillation.finish import model_path
from napari_grd.errors import LabelError
from napari_grd.finetuning.candidate import Candidate, Improved
from napari_grd.finetuning.clock import Clock
from napari_grd.finetuning.learning import REHEARSAL, Learning
from napari_grd.finetuning.rehearsal import IMAGES, Rehearsal, iter_rehearsal, simulated_images, windows_of
from napari_grd.finetuning.result import KIND
from napari_grd.graph.partition import warm_up
from napari_grd.inference.torch_runtime import cpu_threads
from napari_grd.io.atomic import make_folder
from napari_grd.io.model_file import save_model
from napari_grd.jobs import FileSaved, Job
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.embedding import EmbeddingTeacher


def iter_fit_known(
    model: Model | Sequence[Model],
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[np.int64]],
    config: FineTuneConfig | None = None,
    *,
    teacher: Teacher | None = None,
    rehearsal: Any = None,
    rehearsal_axes: str | None = None,
    others: Sequence[NDArray[Any]] = (),
    out_dir: str | Path | None = None,
    improved: Improved | None = None,
    finish: Callable[[], bool] | None = None,
) -> Job[Model]:
    """Fine-tune a model on sparsely labeled images.

    Parameters
    ----------
    model : Model or sequence of Model
        The model to fine-tune. It is not changed; the result is a new model. Of several, the first one is fine-tuned,
        unless another one segments the labeled objects clearly better, untrained and after a few steps.
    images : sequence of (C, H, W) arrays
        Raw intensities.
    labels : sequence of (H, W) int64 arrays
        Objects; 0 is labeled background, and :data:`~napari_grd.data.inputs.IGNORED` is unlabeled.
    config : FineTuneConfig, optional
        The recipe.
    teacher : Teacher, optional
        The teacher for rehearsal. Default: the model before fine-tuning.
    rehearsal : array or sequence of arrays, optional
        Images of the model's own kind, for the mode "keep". Default: simulated nuclei.
    rehearsal_axes : str, optional
        Axes of each of these images.
    others : sequence of (C, H, W) arrays
        Images like the corrected ones, without corrections, which are rehearsed, too.
    out_dir : path, optional
        Folder for ``tuned.grd.safetensors``.
    improved : callable, optional
        Called every few seconds with the model so far; what it returns is yielded as `PreviewImages`.
    finish : callable, optional
        Asked at every step; if true, the model so far is the result.

    Yields
    ------
    Event
        `Progress` every step, with the time left; `StepMetrics` every 10 steps, and of kind "held-out" once the scores
        on held-out objects are known; `Notice`; `FileSaved` at the end.

    Returns
    -------
    Model
        If nothing was gained, the given model that segments the labeled objects best.

    Raises
    ------
    LabelError
        If no object is labeled.
    GrdError
        If images or settings cannot be used.
    """
    config = config or FineTuneConfig()
    models = [model] if isinstance(model, Model) else list(model)
    if not any((each > 0).any() for each in labels):
        raise LabelError(
            f"None of the {len(labels)} label images has a known object.", "Correct or accept some objects first."
        )
    folder = None if out_dir is None else make_folder(out_dir)
    clock = Clock(config)
    yield clock.progress()
    warm_up()
    with cpu_threads(config.threads):
        candidates = [Candidate(each, images, labels, config) for each in models]
    learning = Learning(config, clock, teacher, images, others, improved, finish)
    candidate = baseline = candidates[0]
    if len(candidates) > 1:
        candidate, baseline = yield from learning.choose_start(candidates)
    yield from learning.describe(candidate)
    if config.mode == "keep":
        rehearsed = yield from _iter_own_kind(candidate.model, config, teacher, rehearsal, rehearsal_axes)
    else:
        rehearsed = yield from learning.prepare_rehearsal(candidate)
    tuned = yield from learning.learn(candidate, rehearsed, baseline)
    yield clock.over()
    if folder is not None:
        yield FileSaved(save_model(tuned, model_path(folder, KIND)), kind="model")
    return tuned


def _iter_own_kind(
    model: Model, config: FineTuneConfig, teacher: Teacher | None, rehearsal: Any, axes: str | None
) -> Job[Rehearsal | None]:
    """Images of the model's own kind, as the teacher predicts them."""
    if not config.rehearsal:
        return None
    rng = np.random.default_rng(config.seed)
    channels = model.config.in_channels
    if rehearsal is None:
        asked: list[NDArray[Any]] = [*simulated_images(rng, channels, model.config.grid_diameter, IMAGES)]
    else:
        given = [rehearsal] if hasattr(rehearsal, "ndim") else list(rehearsal)
        asked = windows_of(rng, [as_image(image, axes, in_channels=channels) for image in given], IMAGES)
    # Plain torch: compiling for another runtime costs more than these few images.
    settings = SegmentConfig(runtime="torch", precision="f32", device=config.device, threads=config.threads).as_known()
    return (
        yield from iter_rehearsal(
            teacher or EmbeddingTeacher(model, settings), asked, model.config.normalization, REHEARSAL
        )
    )
