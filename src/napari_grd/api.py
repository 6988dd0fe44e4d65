"""What a script calls.

Every function here is either pure or drives a job to its end; the ``iter_``
functions are the jobs themselves, for front ends that want the events.

Examples
--------
>>> import napari_grd.api as grd
>>> "nuclei" in [card.name for card in grd.builtin_models()]
True
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import DistillConfig, FineTuneConfig, PartitionConfig, SegmentConfig, TrainConfig
from napari_grd.corrections import Corrections, ImageRef, load_corrections, save_corrections, training_labels
from napari_grd.corrections.fine_tune import fine_tune, iter_fine_tune
from napari_grd.corrections.learn import BeforeAfter, before_after
from napari_grd.corrections.replay import iter_segment_corrected as iter_segment
from napari_grd.corrections.replay import segment_corrected as segment
from napari_grd.distillation.recipes import iter_distill as _iter_distill
from napari_grd.distillation.recipes import iter_train
from napari_grd.errors import GrdError, GrdWarning, NothingStandsOut
from napari_grd.export.formats import export_model
from napari_grd.graph.instances import InstanceGraph, instance_graph
from napari_grd.hub import as_model, builtin_paths, fetch_model, load_model
from napari_grd.inference.calibrate import calibrate
from napari_grd.inference.prediction import Prediction, partition_prediction
from napari_grd.inference.segment import affinities, embed, iter_predict, predict
from napari_grd.inference.suggestion import Suggestion, suggest_model
from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel, ImageData
from napari_grd.io.images import list_series, read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import find_images
from napari_grd.io.model_file import read_card, save_model
from napari_grd.io.objects.formats import export_objects, iter_export_objects
from napari_grd.jobs import Event, Job, Metrics, Notice, Preview, Progress, Saved, drain
from napari_grd.measurements.filtering import filter_objects
from napari_grd.measurements.objects import iter_measure, measure
from napari_grd.measurements.table import ObjectTable
from napari_grd.metrics import Scores, SegmentationErrors, evaluate, find_errors
from napari_grd.models import Model, ModelCard
from napari_grd.teaching.base import Teacher, TeacherInfo
from napari_grd.teaching.registry import TeacherLike, as_teacher, load_teacher, teachers

__all__ = [
    "BeforeAfter",
    "Calibration",
    "Channel",
    "Corrections",
    "DistillConfig",
    "Event",
    "FineTuneConfig",
    "GrdError",
    "GrdWarning",
    "ImageData",
    "ImageRef",
    "InstanceGraph",
    "Metrics",
    "Model",
    "ModelCard",
    "NothingStandsOut",
    "Notice",
    "ObjectTable",
    "PartitionConfig",
    "Prediction",
    "Preview",
    "Progress",
    "Saved",
    "Scores",
    "SegmentConfig",
    "SegmentationErrors",
    "Suggestion",
    "Teacher",
    "TeacherInfo",
    "TrainConfig",
    "affinities",
    "before_after",
    "builtin_models",
    "calibrate",
    "distill",
    "drain",
    "embed",
    "evaluate",
    "export_model",
    "export_objects",
    "fetch_model",
    "filter_objects",
    "find_errors",
    "find_images",
    "fine_tune",
    "instance_graph",
    "iter_distill",
    "iter_export_objects",
    "iter_fine_tune",
    "iter_measure",
    "iter_predict",
    "iter_segment",
    "iter_train",
    "list_series",
    "load_corrections",
    "load_model",
    "load_teacher",
    "measure",
    "partition",
    "predict",
    "read_image",
    "read_label_image",
    "save_corrections",
    "save_model",
    "segment",
    "suggest_model",
    "teachers",
    "train",
    "training_labels",
]

OnEvent = Callable[[Event], None]
Cancelled = Callable[[], bool]


def builtin_models() -> list[ModelCard]:
    """Cards of the models that come with the package; ``card.name`` is what :func:`load_model` takes."""
    return [read_card(path)[1].replace(name=name) for name, path in builtin_paths().items()]


def train(
    images: Any,
    labels: Any,
    config: TrainConfig | None = None,
    *,
    axes: str | None = None,
    validation: float | tuple[Any, Any] = 0.2,
    out_dir: str | Path | None = None,
    start: Model | str | Path | None = None,
    on_event: OnEvent | None = None,
    cancelled: Cancelled | None = None,
) -> Model:
    """Train a network on labelled images.

    Parameters
    ----------
    images : array, sequence of arrays, or mapping of names to arrays
        numpy, dask or zarr; one bare array is one image. Names are what messages call the images.
    labels : array or sequence of arrays
        Label images of the same spatial shapes, 0 is background.
    config : TrainConfig, optional
        The recipe.
    axes : str, optional
        Axes of every image: "yx", "cyx" or "yxc".
    validation : float or (images, labels)
        Fraction of the images set aside, or images of their own.
    out_dir : path, optional
        Where ``teacher.grd.safetensors`` and the checkpoint go. The same call
        with the same folder resumes a training that was stopped or killed.
    start : Model, str or Path, optional
        A model, or what :func:`load_model` takes, with whose weights the training
        begins; of the same network as ``config`` asks for. Default: random weights.
    on_event : callable, optional
        Called with every event.
    cancelled : callable, optional
        Polled at every event.

    Returns
    -------
    Model

    Raises
    ------
    GrdError
        If images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` answered true; it carries the checkpoint.

    Examples
    --------
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> model = train([image], [labels], TrainConfig(steps=2, batch=1, patch=64))
    """
    job = iter_train(
        images,
        labels,
        config,
        axes=axes,
        validation=validation,
        out_dir=out_dir,
        start=None if start is None else as_model(start),
    )
    return drain(job, on_event, cancelled)


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
    start: Model | str | Path | None = None,
) -> Job[Model]:
    """:func:`distill` as a job."""
    return _iter_distill(
        as_teacher(teacher),
        images,
        labels,
        config,
        axes=axes,
        validation=validation,
        out_dir=out_dir,
        cache_dir=cache_dir,
        teacher_of=teacher_of,
        start=None if start is None else as_model(start),
    )


def distill(
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
    start: Model | str | Path | None = None,
    on_event: OnEvent | None = None,
    cancelled: Cancelled | None = None,
) -> Model:
    """Distil a small student from a teacher.

    Parameters
    ----------
    teacher : Teacher, Model, str, Path, or mapping of names to these
        A teacher, a model, the name of a built-in model, or a model file. Of
        several, ``{"nuclei": ..., "cells": ...}``, each image is taught by one.
    images : array, sequence of arrays, or mapping of names to arrays
        What to distil on; labels are not needed. Names are what messages call the images.
    labels : sequence of (array or None), optional
        Ground truth where there is some. Elsewhere, and without it, the
        teacher's own instances are used. Pixels that are -1 are ignored: no
        term of the loss looks at them.
    config : DistillConfig, optional
        The recipe; ``background`` says what label 0 is: a class of its own
        ("class"), unlabelled pixels ("ignore"), or absent ("none");
        ``confidence`` below which agreement of turned views the teacher's
        instances are ignored; ``assistant.use`` whether a teacher without
        embeddings teaches through an assistant.
    teacher_of : sequence of (str or None), optional
        With several teachers: which of them teaches each image. None: the one
        that is most sure of what it sees there.
    axes, validation, out_dir, start, on_event, cancelled
        As for :func:`train`; the model is ``student.grd.safetensors``.
    cache_dir : path, optional
        Where the teacher's outputs are kept, for several students of one
        teacher. Default: in ``out_dir``, or nowhere beyond this call.

    Returns
    -------
    Model

    Raises
    ------
    GrdError
        If teacher, images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` answered true; it carries the checkpoint.

    References
    ----------
    Liu et al., "Graph Relation Distillation for Efficient Biomedical Instance
    Segmentation", arXiv 2401.06370. Few labels, unsure instances: Berrada et
    al., "Guided Distillation for Semi-Supervised Instance Segmentation", arXiv 2308.02668.

    Examples
    --------
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, _ = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> config = DistillConfig(steps=2, batch=1, patch=64)
    >>> student = distill("nuclei", [image], config=config)
    """
    job = iter_distill(
        teacher,
        images,
        labels,
        config,
        axes=axes,
        validation=validation,
        out_dir=out_dir,
        cache_dir=cache_dir,
        teacher_of=teacher_of,
        start=start,
    )
    return drain(job, on_event, cancelled)


def partition(prediction: Prediction, config: PartitionConfig | None = None) -> NDArray[np.uint32]:
    """Turn a prediction into instances, without running the network again.

    Parameters
    ----------
    prediction : Prediction
        From :func:`predict`.
    config : PartitionConfig, optional
        Default: the settings stored in the model.

    Returns
    -------
    ndarray of uint32
        Labels at the shape of the image.
    """
    return partition_prediction(prediction, config)
