"""The complete experiment as one job: teacher, student, baseline, comparison, figure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import napari_grd.api as grd
from napari_grd.config import DistillConfig, SegmentConfig, TrainConfig
from napari_grd.data.inputs import as_image, as_labels
from napari_grd.demo.compare import BASELINE, STUDENT, TEACHER, Comparison, iter_compare, to_csv, to_markdown
from napari_grd.demo.conclusion import conclude
from napari_grd.demo.figure import draw, make_examples
from napari_grd.distillation.prepare import check_assistant, ndim_of
from napari_grd.errors import DataError, naming
from napari_grd.io.atomic import atomic_path, make_folder
from napari_grd.jobs import Event, FileSaved, Job, Progress, Result, Stopwatch, relay
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher

_SHOWN = 3  # images in the figure, beside an empty one


@dataclass(frozen=True)
class ExperimentImages:
    """Training, validation and test images.

    Attributes
    ----------
    images : list of arrays
        Training images.
    labels : list of (array or None)
        Their instances, where known.
    test_images : list of arrays
        Test images; not used for training or to select weights.
    test_labels : list of arrays, or None
        Their instances, if known.
    validation : (images, labels) or float
        Validation data for selecting the best weights: separate images, or a fraction of the training images. 0.0:
        none, the last weights are used.
    axes : str or None
        Axes of every image.
    empty_images : list of arrays
        Images without any object: objects found in them are counted.
    names, test_names : list of str
        Names of the images in messages; may be empty.
    """

    images: list[Any]
    labels: list[Any]
    test_images: list[Any]
    test_labels: list[Any] | None
    validation: tuple[list[Any], list[Any]] | float = 0.1
    axes: str | None = None
    empty_images: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    test_names: list[str] = field(default_factory=list)

    @property
    def named(self) -> dict[str, Any] | list[Any]:
        """The training images by name, if they have names."""
        return dict(zip(self.names, self.images, strict=True)) if self.names else self.images

    def labeled(self) -> tuple[dict[str, Any] | list[Any], list[Any]]:
        """Training images that have labels, by name if they have names, and the labels."""
        annotated = [i for i, labels in enumerate(self.labels) if labels is not None]
        labels = [self.labels[i] for i in annotated]
        if self.names:
            return {self.names[i]: self.images[i] for i in annotated}, labels
        return [self.images[i] for i in annotated], labels


@dataclass(frozen=True)
class Experiment:
    """The result.

    Attributes
    ----------
    models : mapping of str to Model
        By role.
    comparison : Comparison
        The table.
    conclusion : str
        The result in words; empty without scores.
    files : tuple of Path
        The written files, the models first.
    """

    models: Mapping[str, Model]
    comparison: Comparison
    conclusion: str
    files: tuple[Path, ...]


def iter_experiment(
    data: ExperimentImages,
    config: DistillConfig,
    out: str | Path,
    *,
    teacher: Teacher | Model | None = None,
    baseline: bool = True,
    segment: SegmentConfig | None = None,
) -> Job[Experiment]:
    """Train a teacher or use a given one, distill a student, train a baseline, compare.

    A stopped job is resumed if it is run again with the same arguments.

    Parameters
    ----------
    data : ExperimentImages
        Images.
    config : DistillConfig
        The recipe of student and baseline. A teacher is trained with it too, with the network and steps of
        ``config.assistant``.
    out : path
        Folder, made if missing: ``figure.png``, ``table.csv``, ``table.md``, and
        a folder with model and checkpoint for each training.
    teacher : Teacher or Model, optional
        The teacher; default: one is trained on the labeled images.
    baseline : bool, default True
        Whether a student is trained without the teacher, on the labeled images
        and for the same number of steps. Without labels there is none.
    segment : SegmentConfig, optional
        Settings of the prediction for the comparison.

    Raises
    ------
    GrdError
        If data or settings cannot be used, or the folder cannot be written.
    """
    _check_test_images(data, ndim_of(config))
    out = make_folder(out)
    labeled = data.labeled()
    if teacher is None:
        check_assistant(config)
    if teacher is None and not labeled[0]:
        raise DataError("None of the images has labels to train a teacher on.", "Label some, or give a teacher.")
    models: dict[str, Model] = {}
    files: list[Path] = []
    axes, validation = data.axes, data.validation
    if teacher is None:
        recipe = plain(config, network=config.assistant.network, steps=config.assistant.steps)
        folder = make_folder(out / "teacher")
        job = grd.iter_train(*labeled, recipe, axes=axes, validation=validation, out_dir=folder)
        teacher = yield from _named(job, "Teacher", files)
    folder = make_folder(out / "student")
    job = grd.iter_distill(teacher, data.named, data.labels, config, axes=axes, validation=validation, out_dir=folder)
    student = yield from _named(job, "Student", files)
    if (model := _embedder(teacher, assistant=folder / "assistant")) is not None:
        models[TEACHER] = model
    if baseline and labeled[0]:
        folder = make_folder(out / "baseline")
        job = grd.iter_train(*labeled, plain(config), axes=axes, validation=validation, out_dir=folder, kind="baseline")
        models[BASELINE] = yield from _named(job, "Baseline", files)
    models[STUDENT] = student
    comparison = yield from iter_compare(
        models,
        data.test_images,
        data.test_labels,
        empty=data.empty_images,
        axes=data.axes,
        min_size=config.min_size,
        config=segment,
    )
    annotated = len(labeled[0])
    conclusion = conclude(comparison, labeled=annotated, unlabeled=len(data.images) - annotated)
    drawing = Stopwatch("Drawing the figure", 1)
    yield drawing.progress(0)
    files += _write(models, comparison, conclusion, data, segment, out)
    yield drawing.progress(1)
    return Experiment(models, comparison, conclusion, tuple(files))


def _check_test_images(data: ExperimentImages, ndim: int) -> None:
    """Reject data that could not be compared in the end, before anything is trained."""
    names = data.test_names or [f"test image {number}" for number in range(len(data.test_images))]
    references = data.test_labels or [None] * len(data.test_images)
    for name, image, labels in zip(names, data.test_images, references, strict=True):
        with naming(repr(name)):
            pixels = as_image(image, data.axes, ndim=ndim)
            if labels is not None:
                as_labels(labels, pixels.shape[1:])


def plain(config: DistillConfig, **changes: Any) -> TrainConfig:
    """The part of a recipe that needs no teacher."""
    return TrainConfig(**({name: getattr(config, name) for name in TrainConfig.model_fields} | changes))


def _embedder(teacher: Teacher | Model, assistant: Path) -> Model | None:
    """The model of a teacher: itself, or the assistant trained on its labels."""
    if isinstance(teacher, Model):
        return teacher
    path = assistant / "assistant.grd.safetensors"
    return grd.load_model(path) if path.exists() else None


def _write(
    models: Mapping[str, Model],
    comparison: Comparison,
    conclusion: str,
    data: ExperimentImages,
    segment: SegmentConfig | None,
    out: Path,
) -> list[Path]:
    texts = {"table.md": to_markdown(comparison, conclusion), "table.csv": to_csv(comparison)}
    for name, text in texts.items():
        with atomic_path(out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    shown = min(_SHOWN, len(data.test_images))
    empty = data.empty_images[:1]
    predictions = {
        role: labels[:shown] + labels[comparison.images : comparison.images + len(empty)]
        for role, labels in comparison.labels.items()
    }
    references = None
    if data.test_labels is not None:
        references = [*data.test_labels[:shown], *(np.zeros_like(predictions[STUDENT][shown]) for _ in empty)]
    examples = make_examples(
        models,
        [*data.test_images[:shown], *empty],
        predictions,
        references,
        inside=[role for role in (TEACHER, STUDENT) if role in models],
        axes=data.axes,
        config=segment,
    )
    return [*(out / name for name in texts), draw(examples, out / "figure.png")]


def _named(job: Job[Result], name: str, files: list[Path]) -> Job[Result]:
    """A job whose stages carry a name, and whose models are appended to ``files``."""

    def named(event: Event) -> Event:
        if isinstance(event, Progress):
            return replace(event, stage=f"{name}: {event.stage.lower()}")
        if isinstance(event, FileSaved) and event.kind == "model":
            files.append(event.path)
        return event

    return relay(job, named)
