"""Fine-tune a model on corrected images, and compare it with the model before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import FineTuneConfig, SegmentConfig
from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.training_labels import training_labels
from napari_grd.data.inputs import as_image
from napari_grd.errors import CorrectionError, GrdError, LabelError
from napari_grd.finetuning.fine_tune import iter_fit_known
from napari_grd.hub import ModelLike, as_model
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_segment, predict
from napari_grd.jobs import Event, Job, drain
from napari_grd.metrics import Scores, evaluate
from napari_grd.models import Model
from napari_grd.teaching.registry import TeacherLike, as_teacher


@dataclass(frozen=True)
class CorrectedPlane:
    """A corrected plane and its training labels.

    Attributes
    ----------
    image : (C, H, W) array
        Intensities as they were read.
    labels : (H, W) int64
        Training labels, see :func:`~napari_grd.corrections.training_labels.training_labels`.
    """

    image: NDArray[Any]
    labels: NDArray[np.int64]

    @property
    def objects(self) -> int:
        """Number of labeled objects."""
        return len(np.unique(self.labels[self.labels > 0]))


@dataclass(frozen=True)
class BeforeAfter:
    """Scores of two models on the labeled pixels of corrected images.

    Attributes
    ----------
    before, after : Scores
        Objects that lie mostly on unlabeled (ignored) pixels do not count.
    objects : int
        Labeled objects.
    """

    before: Scores
    after: Scores
    objects: int


def corrected_planes(
    model: Model,
    images: Any,
    corrections: Any,
    labels: Any,
    axes: str | None = None,
    config: SegmentConfig | None = None,
) -> list[CorrectedPlane]:
    """The corrected planes of images, with their training labels.

    Parameters
    ----------
    model : Model
        The model to fine-tune.
    images : array or sequence of arrays
        One bare array is one image, which can be a stack or a series.
    corrections : Corrections or sequence of Corrections
        One for each image.
    labels : array, sequence of (array or None), or None
        For each image its segmentation with the corrections in it. None: it is
        segmented here and the corrections are replayed on it.
    axes : str, optional
        Axes of every image, a letter an axis, ``c`` for channels. Default: those
        of its corrections, and channels first or last if there is one more.
    config : SegmentConfig, optional
        How images without labels are segmented.

    Returns
    -------
    list of CorrectedPlane

    Raises
    ------
    CorrectionError
        If there is nothing to learn from, or corrections are of another image.
    ImageError, LabelError
        If an image does not fit the model, or labels do not fit an image.
    """
    images = [images] if hasattr(images, "ndim") else list(images)
    corrections = [corrections] if isinstance(corrections, Corrections) else list(corrections)
    labels = [None] * len(images) if labels is None else [labels] if hasattr(labels, "ndim") else list(labels)
    if not len(images) == len(corrections) == len(labels):
        raise CorrectionError(
            f"There are {len(images)} images, {len(corrections)} sets of corrections and {len(labels)} label images.",
            "Give one of each for every image.",
        )
    planes = []
    for number, (image, made, segmented) in enumerate(zip(images, corrections, labels, strict=True)):
        try:
            planes += _planes(model, image, made, segmented, axes, config)
        except GrdError as error:
            raise type(error)(f"Image {number}: {error.problem}", error.remedy) from error
    if not any(plane.objects for plane in planes):
        raise CorrectionError(
            f"The corrections of {len(images)} images leave no object to learn from.",
            "Accept, draw or correct some objects first; undone corrections do not count.",
        )
    return planes


def before_after(
    before: ModelLike,
    after: ModelLike,
    images: Any,
    corrections: Any,
    labels: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
) -> BeforeAfter:
    """Score a model before and after fine-tuning, on the labeled pixels of corrected images.

    An object that a model finds counts if at least half of it lies on labeled pixels, and then as a whole: an
    object that covers a labeled one and its unlabeled neighbors does not match the labeled one. On the images of
    the fine-tuning the scores tell what the model learned, not what it will do elsewhere: for that, pass
    corrected images that it has not seen.

    Parameters
    ----------
    before, after : Model, str or Path
        Two models of the same channels.
    images, corrections, labels
        As for :func:`fine_tune`.
    config : SegmentConfig, optional
        Settings of both segmentations.
    axes : str, optional
        Axes of every image, as for :func:`fine_tune`.

    Returns
    -------
    BeforeAfter
        Scores of both models, and the number of labeled objects.

    Raises
    ------
    CorrectionError
        If the corrections are of other images, or label no pixel.

    See Also
    --------
    fine_tune : Fine-tune a model with corrections.
    evaluate : Score fully labeled images.

    Examples
    --------
    >>> from napari_grd.corrections import Accept, Corrections, ImageRef, Region
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> one = labels == labels.max()
    >>> accepted = Accept(tuple(int(i) for i in np.argwhere(one)[0]), Region.from_mask(one))
    >>> corrections = Corrections(ImageRef.of(image), [accepted])
    >>> before_after("nuclei", "nuclei", image, corrections, labels).objects
    1
    """
    before, after = as_model(before), as_model(after)
    planes = corrected_planes(before, images, corrections, labels, axes, config)
    objects = sum(plane.objects for plane in planes)
    return BeforeAfter(_score(before, planes, config), _score(after, planes, config), objects)


def _score(model: Model, planes: Sequence[CorrectedPlane], config: SegmentConfig | None) -> Scores:
    labels = [drain(iter_segment(model, plane.image, config, axes="cyx")) for plane in planes]
    return evaluate(
        reference=[np.maximum(plane.labels, 0) for plane in planes],
        labels=[_on_labeled(found, plane.labels) for found, plane in zip(labels, planes, strict=True)],
    )


def _planes(
    model: Model, image: Any, made: Corrections, segmented: Any, axes: str | None, config: SegmentConfig | None
) -> list[CorrectedPlane]:
    if not isinstance(made, Corrections):
        raise CorrectionError(f"A {type(made).__name__} is no set of corrections.", "Give Corrections, one an image.")
    axes = axes or _axes(image, made.image, model.config.in_channels)
    made.image.merged(ImageRef.of(image, axes, hashed=made.image.key is not None))
    channels = axes.find("c")
    first = image if channels < 0 else np.moveaxis(image, channels, -3)
    if segmented is not None and np.shape(segmented) != made.image.shape:
        raise LabelError(
            f"The labels have shape {np.shape(segmented)}, the corrections are of {made.image}.",
            "Give the labels of this image.",
        )
    planes = {
        plane: as_image(first[plane], "yx" if channels < 0 else "cyx", in_channels=model.config.in_channels)
        for plane in sorted({correction.plane for correction in made if not correction.between_planes})
    }
    labels = _segmented(model, planes, made, config) if segmented is None else segmented
    return [CorrectedPlane(shown, training_labels(made, labels[plane], plane)) for plane, shown in planes.items()]


def _segmented(
    model: Model, planes: Mapping[tuple[int, ...], NDArray[Any]], made: Corrections, config: SegmentConfig | None
) -> NDArray[np.uint32]:
    """A segmentation of the corrected planes with the corrections in it; other planes are empty."""
    labels = np.zeros(made.image.shape, np.uint32)
    predictions = Predictions()
    for plane, image in planes.items():
        prediction = predict(model, image, config, axes="cyx")
        predictions.put(plane, prediction)
        labels[plane] = partition_prediction(prediction)
    return apply_corrections(labels, predictions, made)


def _axes(image: Any, reference: ImageRef, channels: int) -> str:
    if np.ndim(image) == len(reference.axes) + 1:
        if np.shape(image)[-1] == channels:
            return f"{reference.axes}c"
        return f"{reference.axes[:-2]}c{reference.axes[-2:]}"
    return reference.axes


def _on_labeled(labels: NDArray[Any], annotated: NDArray[np.int64]) -> NDArray[Any]:
    """The objects of which at least half lies on labeled pixels."""
    counts = np.bincount(labels.ravel())
    inside = np.bincount(labels[annotated >= 0], minlength=len(counts))
    return np.where((2 * inside >= counts)[labels], labels, 0)


def iter_fine_tune(
    model: ModelLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    out_dir: str | Path | None = None,
) -> Job[Model]:
    """Fine-tune a model with corrections, as a job.

    Parameters
    ----------
    model, images, corrections, labels, config, axes, teacher, rehearsal, out_dir
        As for :func:`fine_tune`.

    Returns
    -------
    Job of Model
        Yields progress, metrics and the saved file; its result is the new model.

    Raises
    ------
    CorrectionError, GrdError
        As :func:`fine_tune`, when the job is run.

    See Also
    --------
    fine_tune : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> from napari_grd.jobs import drain
    >>> drain(iter_fine_tune("nuclei", [], []))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    napari_grd.errors.CorrectionError: The corrections of 0 images leave no object to learn from. ...
    """
    settings = SegmentConfig(object_diameter=(config or FineTuneConfig()).object_diameter)
    student = as_model(model)
    planes = corrected_planes(student, images, corrections, labels, axes, settings)
    return (
        yield from iter_fit_known(
            student,
            [plane.image for plane in planes],
            [plane.labels for plane in planes],
            config,
            teacher=None if teacher is None else as_teacher(teacher),
            rehearsal=rehearsal,
            rehearsal_axes=axes,
            out_dir=out_dir,
        )
    )


def fine_tune(
    model: ModelLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    out_dir: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Model:
    """Fine-tune a model on corrected objects, with rehearsal to limit forgetting.

    Parameters
    ----------
    model : Model, str or Path
        The model, or what :func:`napari_grd.api.load_model` takes. It stays as it is: to revert is to go on with it.
    images : array or sequence of arrays
        One bare array is one image, which can be a stack or a series.
    corrections : Corrections or sequence of Corrections
        One for each image. Only what :func:`napari_grd.api.training_labels` makes of them counts:
        all else is masked, not background.
    labels : array or sequence of arrays, optional
        For each image its segmentation with the corrections in it, of the spatial shape of the image. Default: it is
        segmented here and the corrections are applied on it.
    config : FineTuneConfig, optional
        The recipe: how long, how much of it is rehearsal, and at which object diameter.
    axes : str, optional
        Axes of every image, a letter an axis. Default: those of its corrections,
        and channels first or last if there is one more.
    teacher : Teacher, Model, str or Path, optional
        Whose graphs stay in the loss on rehearsed images. Default: the model as it was.
    rehearsal : array or sequence of arrays, optional
        Images of what the model was made for, without labels, to rehearse. Default: simulated nuclei,
        which preserve less.
    out_dir : path, optional
        Where ``tuned.grd.safetensors`` goes.
    on_event, cancelled : callable, optional
        As for :func:`napari_grd.api.train`.

    Returns
    -------
    Model
        A new one, whose card records the fine-tuning.

    Raises
    ------
    CorrectionError
        If there is nothing to learn from, or corrections are of another image.
    GrdError
        If images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` answered true.

    See Also
    --------
    before_after : Score the model before and after.
    training_labels : The labels that corrections give.
    distill : Train a new student.
    iter_fine_tune : The same as a job.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.corrections import Accept, ImageRef, Region
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> right = labels == labels[64, 64] if labels[64, 64] else labels == 1
    >>> pixel = tuple(int(at) for at in np.argwhere(right)[0])
    >>> corrections = Corrections(ImageRef.of(image), [Accept(pixel, Region.from_mask(right))])
    >>> tuned = fine_tune("nuclei", image, corrections, labels, FineTuneConfig(steps=2))
    >>> tuned.card.recipe["fine_tune"]["steps_taken"]
    2
    """
    job = iter_fine_tune(
        model, images, corrections, labels, config, axes=axes, teacher=teacher, rehearsal=rehearsal, out_dir=out_dir
    )
    return drain(job, on_event, cancelled)
