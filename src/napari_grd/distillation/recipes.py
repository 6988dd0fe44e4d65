"""The two trainings as jobs: supervised, and distillation from a teacher."""

import hashlib
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.data.dataset import Example, PatchSampler
from napari_grd.data.fingerprint import image_key, model_fingerprint
from napari_grd.distillation import parallel
from napari_grd.distillation.finish import finish, model_path, so_far_path
from napari_grd.distillation.prepare import ImageSet, check_images, check_some_instances, object_diameter, split
from napari_grd.distillation.teacher_cache import CachedPrediction, TeacherCache
from napari_grd.distillation.trainer import best_so_far
from napari_grd.distillation.validation import Validator
from napari_grd.errors import ConfigError, LabelError
from napari_grd.io.atomic import make_folder
from napari_grd.io.model_file import save_model
from napari_grd.jobs import Job, Saved
from napari_grd.models import Model, ModelConfig
from napari_grd.teachers.base import Teacher
from napari_grd.teachers.embedding import EmbeddingTeacher

CHECKPOINT = "checkpoint.safetensors"
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
        is stopped leaves the model so far there too, see :func:`so_far_path`.
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
        yield from _train(
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
        data, held, predictions = yield from _ask(teacher, data, held, cache_folder)
        check_some_instances(data)
        if not teacher.gives_embeddings:
            teacher = yield from _assistant(teacher, data, held, config, folder)
            data, held, predictions = yield from _ask(teacher, data, held, cache_folder)
        outputs = [prediction.output for prediction in predictions]
        channels = predictions[0].embedding_channels
        _check_channels(channels, config)
        return (
            yield from _train(
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


def _train(
    data: ImageSet,
    held: ImageSet | None,
    examples: list[Example],
    config: TrainConfig,
    *,
    folder: Path | None,
    kind: str,
    stage: str,
    teacher: Teacher | None = None,
    teacher_channels: int | None = None,
    start: Model | None = None,
) -> Job[Model]:
    model_config = ModelConfig(
        network=config.network,
        in_channels=data.in_channels,
        foreground=config.background == "class",
        normalization=config.normalization,
        object_diameter=object_diameter(data.labels),
    )
    with torch.random.fork_rng(devices=[]):  # a library must not reseed its caller
        torch.manual_seed(config.seed)
        model = Model.create(model_config)
    if start is not None:
        _take_weights(model, start)
    sampler = PatchSampler(examples, batch=config.batch, patch=config.patch, augment=config.augment, seed=config.seed)
    validate = None if held is None else Validator(held.images, _known(held), min_size=config.min_size)
    checkpoint = None if folder is None else folder / CHECKPOINT
    summary = f"{config.network.name} trained on {len(data)} images"
    if teacher is not None:
        summary = f"{config.network.name} distilled from {teacher.name} on {len(data)} images"

    def finished(model: Model, scores: dict[str, float], summary: str) -> Model:
        name = None if teacher is None else teacher.name
        model = finish(model, sampler, config, scores, kind=kind, summary=summary, teacher=name)
        return model if folder is None else model.with_card(name=folder.name or kind)

    try:
        model, scores = yield from parallel.run(
            parallel.Assignment(
                model,
                sampler,
                config,
                teacher_channels=teacher_channels,
                validate=validate,
                checkpoint=checkpoint,
                signature=_signature(config, data, teacher, start),
                stage=stage,
            )
        )
    except GeneratorExit:
        if folder is not None and checkpoint is not None and (best := best_so_far(checkpoint, model)) is not None:
            save_model(finished(*best, f"{summary}, stopped early"), so_far_path(folder, kind))
        raise
    model = finished(model, scores, summary)
    if folder is not None:
        yield Saved(save_model(model, model_path(folder, kind)), kind="model")
        so_far_path(folder, kind).unlink(missing_ok=True)
    return model


def _split(
    data: ImageSet, validation: float | tuple[Any, Any], config: TrainConfig, axes: str | None
) -> tuple[ImageSet, ImageSet | None]:
    if isinstance(validation, tuple):
        # A validation image is segmented whole, so it may be smaller than a patch.
        held = check_images(*validation, config.replace(patch=32), axes, what="validation image")
        return data, held
    return split(data, validation)


def _known(held: ImageSet) -> list[Any]:
    if any(labels is None for labels in held.labels):
        raise LabelError("A validation image has no labels.", "Label all of them, or none.")
    return list(held.labels)


def _ask(
    teacher: Teacher, data: ImageSet, held: ImageSet | None, folder: Path
) -> Job[tuple[ImageSet, ImageSet | None, list[CachedPrediction]]]:
    """The teacher's predictions; its instances become the labels of unlabelled images."""
    cache = TeacherCache(folder, teacher)
    predictions = yield from cache.fill(data.images)
    data = data.with_labels([prediction.labels for prediction in predictions])
    if held is not None and any(labels is None for labels in held.labels):
        unlabelled = held
        found = yield from cache.fill(unlabelled.images)
        held = unlabelled.with_labels([prediction.labels for prediction in found])
    return data, held, predictions


def _assistant(
    teacher: Teacher, data: ImageSet, held: ImageSet | None, config: DistillConfig, folder: Path | None
) -> Job[EmbeddingTeacher]:
    """Fit an embedding network to a label-only teacher's instances."""
    wanted = {name: getattr(config, name) for name in TrainConfig.model_fields}
    wanted.update(network=config.assistant.network, steps=config.assistant.steps)
    training = TrainConfig(**wanted)
    model = yield from _train(
        data,
        held,
        data.examples(config.normalization),
        training,
        folder=None if folder is None else make_folder(folder / "assistant"),
        kind="assistant",
        stage="Fitting the assistant",
    )
    return EmbeddingTeacher(model.with_card(name=f"assistant of {teacher.name}"))


def _check_channels(teacher: int, config: DistillConfig) -> None:
    """Nodes and pooled embeddings are compared channel by channel."""
    weights = config.weights
    if teacher != config.network.embedding and (weights.node or weights.agd_inter or weights.igd_inter):
        raise ConfigError(
            f"The teacher's embedding has {teacher} channels, the student's {config.network.embedding}.",
            f"Set network.embedding to {teacher}, or the weights node, agd_inter and igd_inter to 0.",
        )


def _take_weights(model: Model, start: Model) -> None:
    """Begin with the weights of a model of the same make."""
    for name in ("network", "in_channels", "foreground"):
        wanted, given = getattr(model.config, name), getattr(start.config, name)
        if wanted != given:
            raise ConfigError(
                f"The model to start from has {name} {given!r}, the training asks for {wanted!r}.",
                "Make them equal, or start without a model.",
            )
    model.network.load_state_dict(start.network.state_dict())


def _signature(config: TrainConfig, data: ImageSet, teacher: Teacher | None, start: Model | None) -> str:
    """What a checkpoint is tied to: settings, images, labels, teacher and first weights."""
    digest = hashlib.blake2b(digest_size=16)
    settings = config.model_dump_json(exclude={"device", "devices", "checkpoint_every"})
    digest.update(f"{settings}{teacher.fingerprint if teacher else ''}".encode())
    if start is not None:
        digest.update(model_fingerprint(start).encode())
    for array in (*data.images, *(found for found in data.labels if found is not None)):
        digest.update(image_key(array).encode())
    return digest.hexdigest()
