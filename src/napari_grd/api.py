"""The public functions and types. ``import napari_grd as grd`` offers the same names, and imports them on first use.

A function either computes its result or runs a job to its end. The ``iter_`` functions are the jobs
themselves, for front ends that show their events.

Examples
--------
>>> import napari_grd as grd
>>> "nuclei" in [card.name for card in grd.builtin_models()]
True
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.blockwise.segment_zarr import iter_segment_zarr, segment_zarr
from napari_grd.config import (
    DistillConfig,
    FineTuneConfig,
    NetworkConfig,
    PartitionConfig,
    SegmentConfig,
    TeachConfig,
    TrainConfig,
)
from napari_grd.corrections.apply import iter_segment_corrected as iter_segment
from napari_grd.corrections.before_after import BeforeAfter, before_after
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.correction import Correction
from napari_grd.corrections.files import save_corrections
from napari_grd.corrections.fine_tune import fine_tune, iter_fine_tune
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import (
    Accept,
    Add,
    Draw,
    Erase,
    Link,
    Merge,
    MergeVolume,
    Pick,
    Remove,
    Split,
    SplitLine,
    SplitLineVolume,
    SplitVolume,
    Unlink,
)
from napari_grd.corrections.loading import load_corrections
from napari_grd.corrections.region import Region
from napari_grd.corrections.teach import Taught, iter_teach, teach
from napari_grd.corrections.training_labels import training_labels
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.distillation.recipes import iter_distill, iter_train
from napari_grd.errors import (
    Cancelled,
    ConfigError,
    CorrectionError,
    DataError,
    GrdError,
    GrdWarning,
    ImageError,
    LabelError,
    ModelFileError,
    NothingStandsOut,
    OutOfMemory,
    OutputError,
)
from napari_grd.export.formats import export_model
from napari_grd.graph.instances import InstanceGraph, instance_graph
from napari_grd.hub import ModelLike, builtin_paths, fetch_model, load_model
from napari_grd.inference.int8_calibration import calibrate_int8
from napari_grd.inference.prediction import Prediction, partition_prediction
from napari_grd.inference.segment import affinities, embed, iter_predict, predict
from napari_grd.inference.suggestion import Suggestion, suggest_model
from napari_grd.inference.view import Range
from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel, ImageData
from napari_grd.io.images import list_series, read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import find_images
from napari_grd.io.model_file import read_card, save_model
from napari_grd.io.objects.formats import export_objects, iter_export_objects
from napari_grd.jobs import Event, FileSaved, Notice, PreviewImages, Progress, StepMetrics, drain
from napari_grd.measurements.filtering import filter_objects
from napari_grd.measurements.objects import iter_measure, measure
from napari_grd.measurements.table import ObjectTable
from napari_grd.metrics.errors import SegmentationErrors, find_errors
from napari_grd.metrics.scores import Scores, evaluate
from napari_grd.models.model import Model, ModelCard, ModelConfig
from napari_grd.teaching.base import Teacher, TeacherInfo, TeacherPrediction, TeacherSource
from napari_grd.teaching.registry import TeacherLike, load_teacher, teachers

__all__ = [
    "Accept",
    "Add",
    "BeforeAfter",
    "Calibration",
    "Cancelled",
    "Channel",
    "ConfigError",
    "Correction",
    "CorrectionError",
    "Corrections",
    "DataError",
    "DistillConfig",
    "Draw",
    "Erase",
    "Event",
    "FileSaved",
    "FineTuneConfig",
    "GrdError",
    "GrdWarning",
    "ImageData",
    "ImageError",
    "ImageRef",
    "InstanceGraph",
    "LabelError",
    "Link",
    "Merge",
    "MergeVolume",
    "Model",
    "ModelCard",
    "ModelConfig",
    "ModelFileError",
    "NetworkConfig",
    "NothingStandsOut",
    "Notice",
    "ObjectTable",
    "OutOfMemory",
    "OutputError",
    "PartitionConfig",
    "Pick",
    "Prediction",
    "PreviewImages",
    "Progress",
    "Region",
    "Remove",
    "Scores",
    "SegmentConfig",
    "SegmentationErrors",
    "Split",
    "SplitLine",
    "SplitLineVolume",
    "SplitVolume",
    "StepMetrics",
    "Suggestion",
    "Taught",
    "TeachConfig",
    "Teacher",
    "TeacherInfo",
    "TeacherPrediction",
    "TeacherSource",
    "TrainConfig",
    "Unlink",
    "affinities",
    "before_after",
    "builtin_models",
    "calibrate_int8",
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
    "iter_segment_zarr",
    "iter_teach",
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
    "segment_zarr",
    "suggest_model",
    "teach",
    "teachers",
    "train",
    "training_labels",
]

OnEvent = Callable[[Event], None]
IsCancelled = Callable[[], bool]


def builtin_models() -> list[ModelCard]:
    """List the cards of the models that come with the package.

    Returns
    -------
    list of ModelCard
        ``card.name`` is what :func:`load_model` takes.

    See Also
    --------
    load_model : Load one of them.
    suggest_model : Rank them for an image.

    Examples
    --------
    >>> [card.name for card in builtin_models()]
    ['nuclei', 'axons', 'cells', 'neurites', 'nuclei-3d', 'nuclei-teacher', 'phase', 'tissue', 'yeast']
    """
    return [read_card(path)[1].replace(name=name) for name, path in builtin_paths().items()]


def train(
    images: Any,
    labels: Any,
    config: TrainConfig | None = None,
    *,
    axes: str | None = None,
    validation: float | tuple[Any, Any] = 0.2,
    out_dir: str | Path | None = None,
    start: ModelLike | None = None,
    on_event: OnEvent | None = None,
    cancelled: IsCancelled | None = None,
) -> Model:
    """Train a network on labeled images.

    Parameters
    ----------
    images : array or path, sequence of these, or mapping of names to these
        Images as numpy, dask or zarr arrays, or paths of files, as OME-Zarr; one bare array or path is one image.
        Messages call images by these names. Of large dask and zarr arrays, only patches are read.
    labels : array or path, sequence of these, or None
        Label images of the same spatial shapes; 0 is background. None: those in the files of the images.
    config : TrainConfig, optional
        Network, steps, batch, optimizer, augmentation and seed.
    axes : str, optional
        Axes of every image: "yx", "cyx" or "yxc"; for a network that takes volumes "zyx", "czyx" or "zyxc".
    validation : float or (images, labels)
        Fraction of the images set aside for validation (of a single volume: of its planes, the last ones), or separate
        images.
    out_dir : path, optional
        Folder for ``teacher.grd.safetensors`` and the checkpoint. The same call with the same folder resumes a
        training that was stopped or killed.
    start : Model, str or Path, optional
        Model, or its name or file, whose weights the training begins with; its network must be the one in
        ``config``. Default: random weights.
    on_event : callable, optional
        Called with every event.
    cancelled : callable, optional
        Polled at every event; returning true stops the training.

    Returns
    -------
    Model
        The model of the best validation.

    Raises
    ------
    GrdError
        If images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` returned true; it carries the checkpoint.

    See Also
    --------
    distill : Train a small network with a teacher.
    iter_train : The same as a job.

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
        start=start,
    )
    return drain(job, on_event, cancelled)


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
    start: ModelLike | None = None,
    on_event: OnEvent | None = None,
    cancelled: IsCancelled | None = None,
) -> Model:
    """Distill a small student from a teacher.

    Parameters
    ----------
    teacher : Teacher, Model, str, Path, or mapping of names to these
        A teacher, a model, or the name or file of a model. Of several teachers,
        ``{"nuclei": ..., "cells": ...}``, each image is taught by one.
    images : array or path, sequence of these, or mapping of names to these
        Images to distill on, as for :func:`train`; they need no labels. A large dask or zarr array needs a model as the
        teacher, which predicts the blocks that patches are read from.
    labels : sequence of (array, path or None), optional
        Ground truth of those images that have some; default: those in the files of the images. For the others the
        teacher's instances are used. Pixels
        labeled -1 are ignored: they contribute to no term of the loss.
    config : DistillConfig, optional
        The settings. ``background`` tells what label 0 is: a class of its own ("class"), unlabeled pixels
        ("ignore"), or absent ("none"). ``confidence`` is the smallest agreement under test-time augmentation
        (IoU) of the teacher's instances that are learned from. ``assistant.use`` tells whether a teacher
        without embeddings teaches through an assistant.
    teacher_of : sequence of (str or None), optional
        Of several teachers, the one of each image. None: the teacher that is most certain of its prediction.
    axes : str, optional
        Axes of every image: "yx", "cyx" or "yxc"; for a network that takes volumes "zyx", "czyx" or "zyxc".
    validation : float or (images, labels)
        Fraction of the images set aside for validation (of a single volume: of its planes, the last ones), or separate
        images.
    out_dir : path, optional
        Folder for ``student.grd.safetensors`` and the checkpoint. The same call with the same folder resumes a
        distillation that was stopped or killed.
    cache_dir : path, optional
        Folder for the teacher's predictions, to share them between students of one teacher. Default: inside
        ``out_dir``; without ``out_dir`` they are kept for this call only.
    start : Model, str or Path, optional
        Model, or its name or file, whose weights the student begins with. Default: random weights.
    on_event : callable, optional
        Called with every event.
    cancelled : callable, optional
        Polled at every event; returning true stops the distillation.

    Returns
    -------
    Model
        The student of the best validation.

    Raises
    ------
    GrdError
        If teacher, images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` returned true; it carries the checkpoint.

    See Also
    --------
    train : Train on labels alone.
    load_teacher : Load a model of another program as a teacher.
    fine_tune : Train a model further with corrections.
    iter_distill : The same as a job.

    References
    ----------
    .. [1] Liu et al., "Graph Relation Distillation for Efficient Biomedical Instance Segmentation",
       arXiv:2401.06370.
    .. [2] Berrada et al., "Guided Distillation for Semi-Supervised Instance Segmentation", arXiv:2308.02668
       (few labels and uncertain instances).

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


def segment(
    model: ModelLike,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    corrections: Corrections | None = None,
    axes: str | None = None,
    intensity_range: Range | PlaneStatistics | None = None,
    on_event: OnEvent | None = None,
    cancelled: IsCancelled | None = None,
) -> NDArray[np.uint32]:
    """Segment the instances in an image.

    The model predicts an embedding and a foreground probability for each pixel; the mutex watershed
    partitions the affinities between them into objects.

    Parameters
    ----------
    model : Model, str or Path
        A model, the name of a built-in or fetched model, or the path of a model file.
    image : numpy, dask or zarr array
        One image. A 2D model segments a stack or series (``axes`` with a z or t) plane by plane;
        of a lazy array one plane, or one block of a large plane, is read at a time.
    config : SegmentConfig, optional
        Runtime, precision, tile size, object diameter or pixel size, partition. Default: the model's own settings.
    corrections : Corrections, optional
        Corrections of this image. They hold in the result, plane by plane.
    axes : str, optional
        One letter per axis, of t (time), c (channel), z, y and x, in any order with y before x, as
        "tzcyx". Default: the model's spatial axes; an extra axis is the channel if exactly one end of the
        image has the model's number of channels.
    intensity_range : (C, 2) float32 or PlaneStatistics, optional
        Intensities that become 0 and 1 in each channel. Default: percentiles of the image (of each plane of
        a stack). For a crop, pass those of the whole image.
    on_event : callable, optional
        Called with every event, in this thread: progress with the time left, and notices.
    cancelled : callable, optional
        Polled at every event, at least twice a second; returning true stops the job.

    Returns
    -------
    uint32 array of the image's shape without channels
        0 is background; objects are numbered consecutively from 1 if there are no corrections. In a stack or
        series an object keeps its number from plane to plane, unless ``config.link`` is false: where it overlaps
        itself or, in z-stacks and for models of compact objects, as ``config.stack`` describes.

    Raises
    ------
    ImageError
        If the image does not fit the model.
    ModelFileError
        If there is no such model, or its file cannot be read.
    CorrectionError
        If the corrections are of another image.
    ConfigError
        If the device is not available, or the image cannot be rescaled as requested.
    OutOfMemory
        If the image takes more memory than there is.
    Cancelled
        If ``cancelled`` returned true.

    Warns
    -----
    NothingStandsOut
        If nothing in the image exceeds its noise; the labels are then empty.

    See Also
    --------
    predict : The embedding and foreground probability, without the partition.
    partition : Partition a prediction again, with other settings.
    suggest_model : Which built-in model fits an image.
    iter_segment : The same as a job.

    Notes
    -----
    By default the diameter of the objects is estimated from the image, and the image is rescaled if they differ
    from those that the model was trained on. An image that is dark on bright is inverted for a model of bright
    objects. Each decision is reported as a :class:`~napari_grd.jobs.Notice`;
    ``SegmentConfig().as_known()`` disables all of them.

    References
    ----------
    .. [1] Wolf et al., "The Mutex Watershed: Efficient, Parameter-Free Image Partitioning", ECCV 2018.

    Examples
    --------
    >>> import napari_grd as grd
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, _ = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> labels = grd.segment("nuclei", image)
    >>> labels.shape, labels.dtype, bool(labels.max() > 0)
    ((128, 128), dtype('uint32'), True)
    """
    job = iter_segment(model, image, config, corrections=corrections, axes=axes, intensity_range=intensity_range)
    return drain(job, on_event, cancelled)


def partition(prediction: Prediction, config: PartitionConfig | None = None) -> NDArray[np.uint32]:
    """Partition a prediction into instances, without running the network again.

    Parameters
    ----------
    prediction : Prediction
        From :func:`predict`.
    config : PartitionConfig, optional
        Default: the settings stored in the model.

    Returns
    -------
    ndarray of uint32
        Labels at the shape of the image; 0 is background.

    See Also
    --------
    predict : Make the prediction.
    segment : Predict and partition in one call.

    Examples
    --------
    >>> prediction = predict("nuclei", np.zeros((40, 50)), SegmentConfig(runtime="torch"))
    >>> partition(prediction, PartitionConfig(min_size=20)).shape
    (40, 50)
    """
    return partition_prediction(prediction, config)
