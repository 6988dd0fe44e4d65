"""The stages of a training: the teacher's predictions, and training the network."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from napari_grd.config import PartitionConfig, TrainConfig
from napari_grd.data.dataset import Example, PatchSampler, TeacherLayout
from napari_grd.data.fingerprint import model_fingerprint
from napari_grd.data.stored_image import StoredImage
from napari_grd.distillation import parallel
from napari_grd.distillation.finish import finish, model_path, so_far_path
from napari_grd.distillation.online import OnlineTeacher
from napari_grd.distillation.prepare import ImageSet, input_patch, ndim_of, object_diameter, smallest_object
from napari_grd.distillation.resume import best_so_far
from napari_grd.distillation.stage_progress import TEACHER_PREDICTIONS
from napari_grd.distillation.stored import stored_key
from napari_grd.distillation.taught import TaughtImage
from napari_grd.distillation.teacher_cache import CachedPrediction, TeacherCache
from napari_grd.distillation.validation import Validator
from napari_grd.errors import ConfigError, DataError, LabelError
from napari_grd.graph.offsets import default_offsets
from napari_grd.inference.contrast import contrast_of
from napari_grd.io.lock import Lock
from napari_grd.io.model_file import save_model
from napari_grd.jobs import FileSaved, Job
from napari_grd.models.model import Model, ModelConfig
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.confidence import without_uncertain
from napari_grd.teaching.part_teacher import PartTeacher
from napari_grd.teaching.prediction_check import check_plausible

CHECKPOINT = "checkpoint.safetensors"
LOCK = "training.lock"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Images to fit a network to, and what a teacher predicted for them.

    Attributes
    ----------
    training : ImageSet
        The training examples.
    validation : ImageSet or None
        To validate on.
    predictions : tuple of CachedPrediction
        Of the teacher, one for each image to train on; empty without a teacher.
    """

    training: ImageSet
    validation: ImageSet | None
    predictions: tuple[CachedPrediction, ...] = ()

    @property
    def labeled(self) -> bool:
        """Whether every image has labels."""
        labels = self.training.labels + (() if self.validation is None else self.validation.labels)
        return all(each is not None for each in labels)

    @property
    def layout(self) -> TeacherLayout | None:
        """The layout of the teacher's outputs other than labels, the same for all images; None without.

        Raises
        ------
        DataError
            If its outputs differ between images.
        """
        layouts = {prediction.layout for prediction in self.predictions} - {None}
        if len(layouts) > 1:
            raise DataError(
                f"The teacher's outputs differ between images: {' and '.join(map(str, layouts))}.",
                "Make it return the same outputs for every image.",
            )
        return layouts.pop() if layouts else None

    def examples(self, config: TrainConfig) -> list[Example]:
        """Normalized training examples with the outputs of the teacher; every image has to be labeled."""
        outputs = [prediction.output for prediction in self.predictions] if self.predictions else None
        return self.training.examples(config, outputs)


def iter_teacher_predictions(
    teacher: Teacher,
    data: TrainingData,
    folder: Path,
    *,
    confidence: float = 0.0,
    stage: str = TEACHER_PREDICTIONS,
    patches: int = 0,
) -> Job[TrainingData]:
    """Predict all images with a teacher; its instances become the labels of unlabeled ones.

    Of stored images a few blocks are predicted, and the others when a patch needs them.

    Parameters
    ----------
    teacher : Teacher
        The teacher.
    data : TrainingData
        Its predictions, if there are any, are replaced.
    folder : Path
        Cache folder for its predictions.
    confidence : float
        Training instances with a lower confidence are ignored.
    stage : str
        Name of the stage in progress events.
    patches : int
        How many will be drawn, about.

    Returns
    -------
    TrainingData
        With labels for all images, and the teacher's predictions.

    Raises
    ------
    GrdError
        If its predictions cannot be used for training.
    """
    training, validation = data.training, data.validation
    unlabeled = None
    if validation is not None and any(labels is None for labels in validation.labels):
        unlabeled = validation
    cache = TeacherCache(folder, teacher)
    images = training.images if unlabeled is None else training.images + unlabeled.images
    whole = [image for image in images if not isinstance(image, StoredImage)]
    filled = iter((yield from cache.fill(whole, stage)) if whole else [])
    predictions = [None if isinstance(image, StoredImage) else next(filled) for image in images]
    annotations = training.labels if unlabeled is None else training.labels + unlabeled.labels
    used = [p.labels for p, labels in zip(predictions, annotations, strict=True) if p is not None and labels is None]
    if unlabeled is not None:
        validation = unlabeled.with_labels([p.labels for p in predictions[len(training) :] if p is not None])
    taught: list[CachedPrediction] = []
    for i, prediction in enumerate(predictions[: len(training)]):
        if prediction is None:
            assert isinstance(teacher, PartTeacher)
            blocks = TaughtImage(training.images[i], teacher, cache, confidence=confidence)
            wanted = training.wanted_samples if training.labels[i] is None else 0
            samples = yield from blocks.iter_begin(wanted, patches // len(training), stage)
            used += samples
            prediction = blocks.prediction
        elif prediction.confidence is not None:
            labels = without_uncertain(prediction.labels, prediction.confidence, confidence)
            prediction = replace(prediction, labels=labels)
        taught.append(prediction)
    check_plausible(used)
    return TrainingData(training.with_labels([p.labels for p in taught]), validation, tuple(taught))


def iter_fit(
    data: TrainingData,
    config: TrainConfig,
    *,
    folder: Path | None,
    kind: str,
    stage: str,
    teacher: Teacher | None = None,
    online: OnlineTeacher | None = None,
    start: Model | None = None,
) -> Job[Model]:
    """Fit a network to images, and make a model of it with colors and card.

    Parameters
    ----------
    data : TrainingData
        Labeled images, and the predictions of the teacher if there is one.
    config : TrainConfig
        The recipe.
    folder : Path or None
        Folder for checkpoint and model.
    kind, stage : str
        Kind of model, and name of the stage in progress events.
    teacher : Teacher, optional
        Whose predictions ``data`` has; ``config`` is a `DistillConfig` then.
    online : OnlineTeacher, optional
        The same teacher, if it predicts the patches instead.
    start : Model, optional
        Model with the initial weights.

    Returns
    -------
    Model
    """
    training, layout = data.training, data.layout
    samples = training.samples()
    examples = data.examples(config)
    ndim = ndim_of(config)
    model_config = ModelConfig(
        network=config.network,
        in_channels=training.in_channels,
        foreground=config.background == "class",
        ndim=ndim,
        offsets=default_offsets(ndim),
        normalization=config.normalization,
        partition=_partition(config, ndim, smallest_object(samples.labels)),
        object_diameter=object_diameter(samples.labels, config.anisotropy),
        pixel_size=config.pixel_size,
        anisotropy=config.anisotropy if ndim == 3 else None,
        contrast=contrast_of(samples.images, samples.labels),
    )
    with torch.random.fork_rng(devices=[]):  # a library must not reseed its caller
        torch.manual_seed(config.seed)
        model = Model.create(model_config)
    if start is not None:
        check_start(start, config, data.training.in_channels)
        model.network.load_state_dict(start.network.state_dict())
    sampler = PatchSampler(
        examples,
        batch=config.batch,
        patch=config.patch if ndim == 2 else input_patch(config),
        augment=config.augment,
        seed=config.seed,
        layout=layout,
        anisotropy=config.anisotropy or 1.0,
    )
    validate = None
    if data.validation is not None:
        validate = Validator(data.validation.images, _labels(data.validation), min_size=config.min_size)
    checkpoint = None if folder is None else folder / CHECKPOINT
    count = f"{len(training)} image{'' if len(training) == 1 else 's'}"
    summary = f"{config.network.name} trained on {count}"
    if teacher is not None:
        summary = f"{config.network.name} distilled from {teacher.name} on {count}"

    # The licenses of teacher and initial model apply to the result.
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
            layout=layout if online is None else online.layout,
            online=online,
            validate=validate,
            checkpoint=checkpoint,
            signature=_signature(config, training, teacher, start),
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


def _partition(config: TrainConfig, ndim: int, min_size: int) -> PartitionConfig:
    """The partition that the model stores."""
    partition = PartitionConfig(min_size=min_size)
    if ndim == 2 or config.background == "class":
        return partition
    return partition.replace(fragment_ratio=0)  # a small neurite beside a large one is not a fragment of it


def _alone_in(folder: Path | None, job: Job[parallel.Fitted]) -> Job[parallel.Fitted]:
    """A job that locks its folder against other programs."""
    if folder is None:
        return (yield from job)
    with Lock(folder / LOCK, f"The folder {str(folder)!r}", "Wait for it to end, or choose another folder."):
        return (yield from job)


def _labels(validation: ImageSet) -> list[Any]:
    if any(labels is None for labels in validation.labels):
        raise LabelError("A validation image has no labels.", "Label all of them, or none.")
    return list(validation.labels)


def check_start(start: Model, config: TrainConfig, in_channels: int) -> None:
    """Raise a `ConfigError` if a training cannot begin with the weights of a model."""
    needed = {"network": config.network, "in_channels": in_channels, "foreground": config.background == "class"}
    for name, wanted in needed.items():
        given = getattr(start.config, name)
        if wanted != given:
            raise ConfigError(
                f"The model to start from has {name} {given!r}, the training requires {wanted!r}.",
                "Make them equal, or start without a model.",
            )


def _signature(config: TrainConfig, data: ImageSet, teacher: Teacher | None, start: Model | None) -> str:
    """Identity of a training: settings, images, labels, teacher and initial weights."""
    digest = hashlib.blake2b(digest_size=16)
    # Whoever resumes with another limit of time gets a training whose learning rate follows that one.
    unrelated = {"device", "devices", "workers", "minutes", "checkpoint_every"}
    if not getattr(config, "online", True):
        unrelated.add("online")  # checkpoints of versions without it stay valid
    settings = config.model_dump_json(by_alias=True, exclude=unrelated)
    digest.update(f"{settings}{teacher.fingerprint if teacher else ''}".encode())
    if start is not None:
        digest.update(model_fingerprint(start).encode())
    for array in (*data.images, *(image_labels for image_labels in data.labels if image_labels is not None)):
        digest.update(stored_key(array).encode())
    return digest.hexdigest()
