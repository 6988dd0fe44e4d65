"""The two trainings as jobs: supervised, and distillation from a teacher."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.data.dataset import TeacherLayout
from napari_grd.distillation.assistant import iter_assistant
from napari_grd.distillation.online import online_teacher
from napari_grd.distillation.prepare import ImageSet, check_assistant, check_images, check_some_instances, split
from napari_grd.distillation.stage_progress import ASSISTANT_PREDICTIONS, DISTILL, distillation_progress
from napari_grd.distillation.stages import TrainingData, iter_fit, iter_teacher_predictions
from napari_grd.distillation.teacher_cache import in_use
from napari_grd.errors import ConfigError, LabelError
from napari_grd.hub import ModelLike, as_model
from napari_grd.io.atomic import make_folder
from napari_grd.jobs import Job, Notice
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.confidence import ConfidentTeacher
from napari_grd.teaching.multi_teacher import MultiTeacher
from napari_grd.teaching.part_teacher import PartTeacher
from napari_grd.teaching.registry import TeacherLike, as_teacher

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
    start: ModelLike | None = None,
) -> Job[Model]:
    """Train a network on labeled images, as a job.

    Parameters
    ----------
    images, labels, config, axes, validation, out_dir
        As for :func:`napari_grd.train`.
    kind : str
        Name of the result's file, and kind of model in its card.
    start : Model, str or Path, optional
        As for :func:`napari_grd.train`.

    Returns
    -------
    Job of Model
        Yields progress, metrics, preview images and saved files; its result is the model. A job that is stopped
        leaves its best model so far in ``out_dir``, see :func:`~napari_grd.distillation.finish.so_far_path`.

    Raises
    ------
    GrdError
        As :func:`napari_grd.train`, when the job is run.

    See Also
    --------
    train : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> from napari_grd.jobs import drain
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> drain(iter_train([image], [labels], TrainConfig(steps=2, batch=1, patch=64))).card.kind
    'teacher'
    """
    config = config or TrainConfig()
    data = check_images(images, labels, config, axes)
    yield from (Notice(note) for note in data.notes)
    yield from data.check_memory(config)
    yield from data.iter_measure(config)
    split_data = _split(data, validation, config, axes)
    missing = [i for i, labels in enumerate(split_data.training.labels) if labels is None]
    if missing:
        raise LabelError(f"Image {missing[0]} has no labels.", "Give labels, or distill from a teacher.")
    check_some_instances(split_data.training)
    return (
        yield from iter_fit(
            split_data,
            config,
            folder=None if out_dir is None else make_folder(out_dir),
            kind=kind,
            stage="Training",
            start=None if start is None else as_model(start),
        )
    )


def iter_distill(
    teacher: TeacherLike | Mapping[str, TeacherLike],
    images: Any,
    labels: Any = None,
    config: DistillConfig | None = None,
    *,
    teacher_of: Sequence[str | None] | None = None,
    axes: str | None = None,
    validation: float | tuple[Any, Any] = 0.2,
    out_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    start: ModelLike | None = None,
) -> Job[Model]:
    """Distill a student from a teacher, as a job.

    The teacher predicts every image once, and the student is trained on the cached predictions. For a teacher without
    embeddings, an *assistant* with embeddings is trained first and acts as the teacher; without
    ``config.assistant.use`` the teacher's labels and soft affinities are distilled into the student directly.

    Parameters
    ----------
    teacher, images, labels, config, teacher_of, axes, validation, out_dir, cache_dir, start
        As for :func:`napari_grd.distill`.

    Returns
    -------
    Job of Model
        Yields progress, metrics, preview images and saved files; its result is the student.

    Raises
    ------
    GrdError
        As :func:`napari_grd.distill`, when the job is run.

    See Also
    --------
    distill : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> from napari_grd.jobs import drain
    >>> image, _ = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> student = drain(iter_distill("nuclei", [image], config=DistillConfig(steps=2, batch=1, patch=64)))
    >>> student.card.teacher
    'nuclei'
    """
    taught_by = as_teacher(teacher)
    start = None if start is None else as_model(start)
    config = config or DistillConfig()
    if not taught_by.gives_embeddings:
        check_assistant(config)
    data = check_images(images, labels, config, axes)
    yield from (Notice(note) for note in data.notes)
    yield from data.check_memory(config)
    if data.stored and not isinstance(taught_by, PartTeacher):
        raise ConfigError(
            f"Image {data.stored[0]} is large and read part by part, but the teacher {taught_by.name!r} needs whole"
            " images.",
            "Pass parts of it as numpy arrays, or distill from a model of napari-grd.",
        )
    yield from data.iter_measure(config)
    if teacher_of is not None:
        taught_by = _assigned(taught_by, data, teacher_of)
    split_data = _split(data, validation, config, axes)
    progress = distillation_progress(split_data.training, taught_by, config)
    if config.confidence:
        taught_by = _confident(taught_by, config)
    return (yield from progress.follow(_distill(taught_by, split_data, config, out_dir, cache_dir, start)))


def _distill(
    teacher: Teacher,
    data: TrainingData,
    config: DistillConfig,
    out_dir: str | Path | None,
    cache_dir: str | Path | None,
    start: Model | None,
) -> Job[Model]:
    with ExitStack() as stack:
        folder = None if out_dir is None else make_folder(out_dir)
        if cache_dir is not None:
            cache = Path(cache_dir)
        elif folder is not None:
            cache = folder / CACHE
        else:
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        # While it is known which images are labeled.
        data = TrainingData(data.training.favoring_labeled(config.labeled_share), data.validation)
        online = None
        if config.online:
            online = online_teacher(teacher, config.normalization, data.training.in_channels)
        if online is None or not data.labeled:
            stack.enter_context(in_use(cache, teacher))
            patches = config.steps * config.batch * config.devices
            data = yield from iter_teacher_predictions(
                teacher, data, cache, confidence=config.confidence, patches=patches
            )
        if online is not None:
            data = replace(data, predictions=())  # of which only the instances were needed
        check_some_instances(data.training)
        if not teacher.gives_embeddings and config.assistant.use:
            teacher = yield from iter_assistant(teacher, data, config, folder)
            stack.enter_context(in_use(cache, teacher))
            data = yield from iter_teacher_predictions(teacher, data, cache, stage=ASSISTANT_PREDICTIONS)
        check_channels(data.layout if online is None else online.layout, config)
        return (
            yield from iter_fit(
                data,
                config,
                folder=folder,
                kind="student",
                stage=DISTILL,
                teacher=teacher,
                online=online,
                start=start,
            )
        )


def _assigned(teacher: Teacher, data: ImageSet, teacher_of: Sequence[str | None]) -> Teacher:
    if not isinstance(teacher, MultiTeacher):
        raise ConfigError(
            f"teacher_of is given, but there is only one teacher, {teacher.name!r}.",
            "Pass several as a mapping of names, or leave teacher_of out.",
        )
    return teacher.assigned(data.images, teacher_of)


def _confident(teacher: Teacher, config: DistillConfig) -> Teacher:
    if isinstance(teacher, MultiTeacher):
        return teacher.confident()
    if hasattr(teacher, "knows"):
        raise ConfigError(
            f"confidence is {config.confidence}, but the teacher {teacher.name!r} only has given labels.",
            "Set confidence to 0: such a teacher cannot predict rotated images.",
        )
    return ConfidentTeacher(teacher)


def _split(data: ImageSet, validation: float | tuple[Any, Any], config: TrainConfig, axes: str | None) -> TrainingData:
    if isinstance(validation, tuple):
        # A validation image is segmented whole, so it may be smaller than a patch.
        held: ImageSet | None = check_images(*validation, config.replace(patch=32), axes, what="validation image")
    else:
        data, held = split(data, validation, least=config.patch_depth)
    return TrainingData(data, None if held is None else held.for_validation())


def check_channels(layout: TeacherLayout | None, config: DistillConfig) -> None:
    """Raise a `ConfigError` if the student's embedding cannot be compared with the teacher's channel by channel."""
    weights = config.weights
    if layout is None or layout.embedding in (0, config.network.embedding):
        return
    if weights.node or weights.agd_inter or weights.igd_inter:
        raise ConfigError(
            f"The teacher's embedding has {layout.embedding} channels, the student's {config.network.embedding}.",
            f"Set network.embedding to {layout.embedding}, or the weights node, agd_inter and igd_inter to 0.",
        )
