"""The two trainings as jobs: supervised, and distillation from a teacher."""

import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.distillation.assistant import iter_assistant
from napari_grd.distillation.prepare import ImageSet, check_images, check_some_instances, split
from napari_grd.distillation.stages import iter_ask, iter_fit
from napari_grd.errors import ConfigError, LabelError
from napari_grd.io.atomic import make_folder
from napari_grd.jobs import Job
from napari_grd.models import Model
from napari_grd.teachers.base import Teacher

CACHE = "teacher-cache"


def iter_train(
    images: Any,
    labels: Any,
    config: TrainConfig | None = None,
    *,
    axes: str | None = None,
    validation: float | tuple[Any, Any] = 0.2,
    out_dir: str | Path | None = None,
    kind: str = "teacher",
    start: Model | None = None,
) -> Job[Model]:
    """Train a network on labelled images, as a job.

    Parameters
    ----------
    images, labels : array or sequence of arrays
        Training images and their instances.
    config : TrainConfig, optional
        The recipe.
    axes : str, optional
        Axes of every image.
    validation : float or (images, labels)
        Fraction of the images set aside, or images of their own.
    out_dir : path, optional
        Where checkpoint and model go; a job that stopped there goes on. One that
        is stopped leaves the model so far there too, see
        :func:`~napari_grd.distillation.finish.so_far_path`.
    kind : str
        Name of the result's file, and the card's kind.
    start : Model, optional
        Whose weights to begin with, instead of random ones. It is left as it is.

    Yields
    ------
    Event

    Returns
    -------
    Model

    Raises
    ------
    GrdError
        If images, labels or settings cannot be used.
    """
    config = config or TrainConfig()
    data = check_images(images, labels, config, axes)
    data, held = _split(data, validation, config, axes)
    missing = [i for i, found in enumerate(data.labels) if found is None]
    if missing:
        raise LabelError(f"Image {missing[0]} has no labels.", "Give labels, or distil from a teacher.")
    check_some_instances(data)
    return (
        yield from iter_fit(
            data,
            held,
            data.examples(config.normalization),
            config,
            folder=None if out_dir is None else make_folder(out_dir),
            kind=kind,
            stage="Training",
            start=start,
        )
    )


def iter_distill(
    teacher: Teacher,
    images: Any,
    labels: Any = None,
    config: DistillConfig | None = None,
    *,
    axes: str | None = None,
    validation: float | tuple[Any, Any] = 0.2,
    out_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    start: Model | None = None,
) -> Job[Model]:
    """Distil a student from a teacher, as a job.

    The teacher is asked once for every image; then the student learns from
    what was cached. A teacher that gives labels only is first turned into an
    embedding *assistant*, which teaches in its place.

    Parameters
    ----------
    teacher : Teacher
        What to learn from.
    images : array or sequence of arrays
        Training images.
    labels : sequence of (array or None), optional
        Ground truth where there is some; else the teacher's own instances.
    config, axes, validation, out_dir, start
        As for :func:`iter_train`.
    cache_dir : path, optional
        Where the teacher's outputs are kept, for several students of one
        teacher. Default: in ``out_dir``, or nowhere beyond this call.

    Yields
    ------
    Event

    Returns
    -------
    Model

    Raises
    ------
    GrdError
        If teacher, images, labels or settings cannot be used.
    """
    config = config or DistillConfig()
    data = check_images(images, labels, config, axes)
    data, held = _split(data, validation, config, axes)
    with ExitStack() as stack:
        folder = None if out_dir is None else make_folder(out_dir)
        if cache_dir is not None:
            cache_folder = Path(cache_dir)
        elif folder is not None:
            cache_folder = folder / CACHE
        else:
            cache_folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        data, held, predictions = yield from iter_ask(teacher, data, held, cache_folder)
        check_some_instances(data)
        if not teacher.gives_embeddings:
            teacher = yield from iter_assistant(teacher, data, held, config, folder)
            data, held, predictions = yield from iter_ask(teacher, data, held, cache_folder)
        outputs = [prediction.output for prediction in predictions]
        channels = predictions[0].embedding_channels
        _check_channels(channels, config)
        return (
            yield from iter_fit(
                data,
                held,
                data.examples(config.normalization, outputs),
                config,
                folder=folder,
                kind="student",
                stage="Distilling",
                teacher=teacher,
                teacher_channels=channels,
                start=start,
            )
        )


def _split(
    data: ImageSet, validation: float | tuple[Any, Any], config: TrainConfig, axes: str | None
) -> tuple[ImageSet, ImageSet | None]:
    if isinstance(validation, tuple):
        # A validation image is segmented whole, so it may be smaller than a patch.
        held = check_images(*validation, config.replace(patch=32), axes, what="validation image")
        return data, held
    return split(data, validation)


def _check_channels(teacher: int, config: DistillConfig) -> None:
    """Nodes and pooled embeddings are compared channel by channel."""
    weights = config.weights
    if teacher != config.network.embedding and (weights.node or weights.agd_inter or weights.igd_inter):
        raise ConfigError(
            f"The teacher's embedding has {teacher} channels, the student's {config.network.embedding}.",
            f"Set network.embedding to {teacher}, or the weights node, agd_inter and igd_inter to 0.",
        )
