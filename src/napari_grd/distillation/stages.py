"""The stages that trainings are made of: asking a teacher, and fitting a network."""

import hashlib
from pathlib import Path
from typing import Any

import torch

from napari_grd.config import PartitionConfig, TrainConfig
from napari_grd.data.dataset import Example, PatchSampler, TeacherLayout
from napari_grd.data.fingerprint import image_key, model_fingerprint
from napari_grd.distillation import parallel
from napari_grd.distillation.finish import finish, model_path, so_far_path
from napari_grd.distillation.prepare import ImageSet, object_diameter, smallest_object
from napari_grd.distillation.resume import best_so_far
from napari_grd.distillation.stage_progress import ASK
from napari_grd.distillation.teacher_cache import CachedPrediction, TeacherCache
from napari_grd.distillation.validation import Validator
from napari_grd.errors import ConfigError, DataError, LabelError
from napari_grd.inference.contrast import contrast_of
from napari_grd.io.lock import Lock
from napari_grd.io.model_file import save_model
from napari_grd.jobs import FileSaved, Job
from napari_grd.models import Model, ModelConfig
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.confidence import without_uncertain
from napari_grd.teaching.prediction_check import check_some_sense

CHECKPOINT = "checkpoint.safetensors"
LOCK = "training.lock"


def iter_ask(
    teacher: Teacher,
    data: ImageSet,
    held: ImageSet | None,
    folder: Path,
    *,
    confidence: float = 0.0,
    stage: str = ASK,
) -> Job[tuple[ImageSet, ImageSet | None, list[CachedPrediction]]]:
    """Ask a teacher about all images; its instances become the labels of unlabeled ones.

    Parameters
    ----------
    teacher : Teacher
        Whom to ask.
    data, held : ImageSet
        To train on, and to validate on if there is any.
    folder : Path
        Where its predictions are kept.
    confidence : float
        Instances to train on that it is less sure of are ignored.
    stage : str
        Name of the stage in progress events.

    Returns
    -------
    (ImageSet, ImageSet or None, list of CachedPrediction)
        Both sets with labels everywhere, and what the teacher says of the first.

    Raises
    ------
    GrdError
        If what it says cannot be learned from.
    """
    unlabeled = held if held is not None and any(labels is None for labels in held.labels) else None
    asked = data.images if unlabeled is None else data.images + unlabeled.images
    predictions = yield from TeacherCache(folder, teacher).fill(asked, stage)
    known = data.labels if unlabeled is None else data.labels + unlabeled.labels
    used = [p.labels for p, labels in zip(predictions, known, strict=True) if labels is None]
    check_some_sense(used)
    if unlabeled is not None:
        held = unlabeled.with_labels([prediction.labels for prediction in predictions[len(data) :]])
    predictions = predictions[: len(data)]
    taught = [
        p.labels if p.confidence is None else without_uncertain(p.labels, p.confidence, confidence) for p in predictions
    ]
    return data.with_labels(taught), held, predictions


def common_layout(predictions: list[CachedPrediction]) -> TeacherLayout | None:
    """What a teacher gives beside labels, of all images; None if nothing.

    Raises
    ------
    DataError
        If it gives different things of different images.
    """
    layouts = {prediction.layout for prediction in predictions} - {None}
    if len(layouts) > 1:
        raise DataError(
            f"The teacher's outputs differ between images: {' and '.join(map(str, layouts))}.",
            "Let it give the same for every image.",
        )
    return layouts.pop() if layouts else None


def iter_fit(
    data: ImageSet,
    held: ImageSet | None,
    examples: list[Example],
    config: TrainConfig,
    *,
    folder: Path | None,
    kind: str,
    stage: str,
    teacher: Teacher | None = None,
    layout: TeacherLayout | None = None,
    start: Model | None = None,
) -> Job[Model]:
    """Fit a network to examples, and make a model of it with colors and card.

    Parameters
    ----------
    data, held : ImageSet
        What the examples were made of, and what to validate on.
    examples : list of Example
        To train on.
    config : TrainConfig
        The recipe.
    folder : Path or None
        Where checkpoint and model go.
    kind, stage : str
        Kind of model, and name of the stage in progress events.
    teacher : Teacher, optional
        Whose cached output the examples hold; ``config`` is a `DistillConfig` then.
    layout : TeacherLayout, optional
        What that output is; None if there is none to learn from but labels.
    start : Model, optional
        Whose weights to begin with.

    Returns
    -------
    Model
    """
    model_config = ModelConfig(
        network=config.network,
        in_channels=data.in_channels,
        foreground=config.background == "class",
        normalization=config.normalization,
        partition=PartitionConfig(min_size=smallest_object(data.labels)),
        object_diameter=object_diameter(data.labels),
        pixel_size=config.pixel_size,
        contrast=contrast_of(data.images, data.labels),
    )
    with torch.random.fork_rng(devices=[]):  # a library must not reseed its caller
        torch.manual_seed(config.seed)
        model = Model.create(model_config)
    if start is not None:
        _take_weights(model, start)
    sampler = PatchSampler(
        examples, batch=config.batch, patch=config.patch, augment=config.augment, seed=config.seed, layout=layout
    )
    validate = None if held is None else Validator(held.images, _known(held), min_size=config.min_size)
    checkpoint = None if folder is None else folder / CHECKPOINT
    summary = f"{config.network.name} trained on {len(data)} images"
    if teacher is not None:
        summary = f"{config.network.name} distilled from {teacher.name} on {len(data)} images"

    # What was learned from others, or begun with, is bound by their licenses.
    bound = (getattr(teacher, "restrictions", ""), "" if start is None else start.card.restrictions)
    restrictions = " ".join(dict.fromkeys(filter(None, bound)))

    def finished(model: Model, scores: dict[str, float], summary: str) -> Model:
        name = None if teacher is None else teacher.name
        model = finish(
            model, sampler, config, scores, kind=kind, summary=summary, teacher=name, restrictions=restrictions
        )
        return model if folder is None else model.with_card(name=folder.name or kind)

    try:
        assignment = parallel.Assignment(
            model,
            sampler,
            config,
            layout=layout,
            validate=validate,
            checkpoint=checkpoint,
            signature=_signature(config, data, teacher, start),
            stage=stage,
        )
        model, scores = yield from _alone_in(folder, parallel.run(assignment))
    except GeneratorExit:
        if folder is not None and checkpoint is not None and (best := best_so_far(checkpoint, model)) is not None:
            save_model(finished(*best, f"{summary}, stopped early"), so_far_path(folder, kind))
        raise
    model = finished(model, scores, summary)
    if folder is not None:
        yield FileSaved(save_model(model, model_path(folder, kind)), kind="model")
        so_far_path(folder, kind).unlink(missing_ok=True)
    return model


def _alone_in(folder: Path | None, job: Job[parallel.Fitted]) -> Job[parallel.Fitted]:
    """A job whose folder no other program may write to meanwhile."""
    if folder is None:
        return (yield from job)
    with Lock(folder / LOCK, f"The folder {str(folder)!r}", "Wait for it to end, or choose another folder."):
        return (yield from job)


def _known(held: ImageSet) -> list[Any]:
    if any(labels is None for labels in held.labels):
        raise LabelError("A validation image has no labels.", "Label all of them, or none.")
    return list(held.labels)


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
    settings = config.model_dump_json(by_alias=True, exclude={"device", "devices", "checkpoint_every"})
    digest.update(f"{settings}{teacher.fingerprint if teacher else ''}".encode())
    if start is not None:
        digest.update(model_fingerprint(start).encode())
    for array in (*data.images, *(found for found in data.labels if found is not None)):
        digest.update(image_key(array).encode())
    return digest.hexdigest()
