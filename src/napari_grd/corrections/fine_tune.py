"""Fine-tune a model on corrected images, and compare it with the model before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import FineTuneConfig, SegmentConfig
from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Erase, Remove
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.training_labels import training_labels
from napari_grd.data.fingerprint import image_key
from napari_grd.data.inputs import as_image
from napari_grd.errors import ConfigError, CorrectionError, GrdError, LabelError
from napari_grd.finetuning.channels import widened
from napari_grd.finetuning.fine_tune import iter_fit_known
from napari_grd.finetuning.pupil import Improved
from napari_grd.hub import GENERALIST, ONE_OBJECT, ModelLike, as_model, builtin_paths, load_model
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_segment, predict
from napari_grd.jobs import Event, Job, drain
from napari_grd.metrics.scores import Scores, evaluate
from napari_grd.models.model import Model
from napari_grd.teaching.registry import TeacherLike, as_teacher

_DIFFERENT = 0.5
"""Share of pixels above which two statements contradict each other; outlines always differ a little."""

AUTO = "auto"
"""Instead of a model: :data:`~napari_grd.hub.GENERALIST`, or a built-in student that is clearly better here."""

StartLike: TypeAlias = ModelLike | Sequence[ModelLike]
"""A model to fine-tune, its name or file; several of them; or :data:`AUTO`."""


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
    check_counts(images, corrections, labels)
    planes = []
    for number, (image, made, segmented) in enumerate(zip(images, corrections, labels, strict=True)):
        try:
            planes += _planes(model, image, made, segmented, axes, config)
        except GrdError as error:
            raise type(error)(f"Image {number}: {error.problem}", error.remedy) from error
    _check_same_images(planes)
    if not any(plane.objects for plane in planes):
        raise CorrectionError(
            f"The corrections of {len(images)} images leave no object to learn from.",
            "Accept, draw or correct some objects first; undone corrections do not count.",
        )
    return planes


def check_counts(images: Sequence[Any], corrections: Sequence[Any], labels: Sequence[Any]) -> None:
    """Raise a `CorrectionError` unless there are corrections and labels of every image."""
    if not len(images) == len(corrections) == len(labels):
        raise CorrectionError(
            f"There are {len(images)} images, {len(corrections)} sets of corrections and {len(labels)} label images.",
            "Give one of each for every image.",
        )


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
    >>> from napari_grd.corrections.collection import Corrections
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Accept
    >>> from napari_grd.corrections.region import Region
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
    known = image_axes(image, made, model.config.in_channels)
    axes = axes or known
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
    for plane in planes:
        _check_erased(made, np.asarray(labels[plane]), plane)
    return [CorrectedPlane(shown, training_labels(made, labels[plane], plane)) for plane, shown in planes.items()]


def _check_same_images(planes: Sequence[CorrectedPlane]) -> None:
    """Corrections of one image, given twice, have to agree."""
    seen: dict[str, list[int]] = {}
    for number, plane in enumerate(planes):
        key = image_key(plane.image)
        for earlier in seen.get(key, ()):
            other = planes[earlier].labels
            both = (plane.labels >= 0) & (other >= 0)
            differ = int((both & ((plane.labels > 0) != (other > 0))).sum())
            if differ > _DIFFERENT * max(1, int((both & ((plane.labels > 0) | (other > 0))).sum())):
                raise CorrectionError(
                    f"Images {earlier} and {number} are the same, and their corrections contradict each other: {differ}"
                    " pixels are an object in one and background in the other.",
                    "Keep one of the two, or correct one of them.",
                )
        seen.setdefault(key, []).append(number)


def _check_erased(made: Corrections, labels: NDArray[Any], plane: tuple[int, ...]) -> None:
    """What was erased last is background, if the labels have the corrections in them."""
    corrections = made.of_plane(plane)
    for number, correction in enumerate(corrections):
        if not isinstance(correction, Erase | Remove):
            continue
        later = [each.area for each in corrections[number + 1 :] if each.area is not None]
        if any(area.overlaps(correction.region) for area in later):
            continue
        there = labels[correction.region.mask(labels.shape)] > 0
        if there.size and there.mean() > _DIFFERENT:
            raise CorrectionError(
                f"Corrections and labels contradict each other: of {there.size} pixels that were erased, {there.sum()}"
                " are an object in the labels.",
                "Give the labels with the corrections in them, or none: the image is segmented, then.",
            )


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


def image_axes(image: Any, corrections: Corrections, channels: int) -> str:
    """Axes of an image, from those of its corrections: channels first or last if there is one more.

    Raises
    ------
    CorrectionError
        If these are no corrections.
    """
    if not isinstance(corrections, Corrections):
        kind = type(corrections).__name__
        raise CorrectionError(f"A {kind} is no set of corrections.", "Give Corrections, one an image.")
    reference = corrections.image
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
    model: StartLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    others: Any = (),
    out_dir: str | Path | None = None,
    improved: Improved | None = None,
    finish: Callable[[], bool] | None = None,
) -> Job[Model]:
    """Fine-tune a model with corrections, as a job.

    Parameters
    ----------
    model, images, corrections, labels, config, axes, teacher, rehearsal, others, out_dir
        As for :func:`fine_tune`.
    improved : callable, optional
        Called every few seconds with the model so far; the dict of images that it returns is yielded as a preview.
    finish : callable, optional
        Asked at every step. Once it returns true, the best model so far is the result.

    Returns
    -------
    Job of Model
        Yields progress, metrics, notices and the saved file; its result is the new model.

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
    images = [images] if hasattr(images, "ndim") else list(images)
    others = [others] if hasattr(others, "ndim") else list(others)
    config = config or FineTuneConfig()
    starts = _starts(model, images, corrections)
    planes = corrected_planes(starts[0], images, corrections, labels, axes, _view(config))
    return (
        yield from iter_fit_known(
            starts,
            [plane.image for plane in planes],
            [plane.labels for plane in planes],
            config,
            teacher=None if teacher is None else as_teacher(teacher),
            rehearsal=rehearsal,
            rehearsal_axes=axes,
            others=[as_image(image, axes, in_channels=starts[0].config.in_channels) for image in others],
            out_dir=out_dir,
            improved=improved,
            finish=finish,
        )
    )


def _view(config: FineTuneConfig) -> SegmentConfig:
    """How an image without labels is segmented before its corrections are applied."""
    return SegmentConfig(object_diameter=config.object_diameter, threads=config.threads)


def _starts(model: StartLike, images: Sequence[Any], corrections: Corrections | Sequence[Corrections]) -> list[Model]:
    """The models among which the start of the fine-tuning is chosen."""
    if isinstance(model, str) and model == AUTO:
        made = [corrections] if isinstance(corrections, Corrections) else list(corrections)
        return builtin_starts([_channels(image, each) for image, each in zip(images, made, strict=False)])
    several: list[ModelLike] = list(model) if isinstance(model, list | tuple) else [cast(ModelLike, model)]
    if not several:
        raise ConfigError("The list of models to start from is empty.", f"Give a model, or {AUTO!r}.")
    models = [as_model(each) for each in several]
    if len({each.config.in_channels for each in models}) > 1:
        counts = ", ".join(f"{each.card.name} {each.config.in_channels}" for each in models)
        raise ConfigError(f"The models take different numbers of channels: {counts}.", "Give models of one number.")
    return models


def _channels(image: Any, made: Any) -> int:
    """Number of channels of an image, from the shape that its corrections are of."""
    if isinstance(made, Corrections) and np.ndim(image) == len(made.image.axes) + 1:
        extra = list(np.shape(image))
        for size in made.image.shape:
            extra.remove(size)
        return int(extra[0])
    return 1


def builtin_starts(channels: Sequence[int]) -> list[Model]:
    """The built-in students that images of these numbers of channels can be fine-tuned from.

    Parameters
    ----------
    channels : sequence of int
        Of each image.

    Returns
    -------
    list of Model
        Students of one channel are widened for images of several.

    Raises
    ------
    ConfigError
        If the images differ.

    Examples
    --------
    >>> {model.config.in_channels for model in builtin_starts([3])}
    {3}
    """
    if len(set(channels)) > 1:
        raise ConfigError(
            f"The images have different numbers of channels: {sorted(set(channels))}.",
            "Learn from images of one number of channels at a time.",
        )
    wanted = channels[0] if channels else 1
    return fitting_starts([load_model(name) for name in builtin_paths() if name not in ONE_OBJECT], wanted)


def fitting_starts(models: Sequence[Model], channels: int) -> list[Model]:
    """Those of several models that are students for planes of so many channels, those of one channel widened.

    The generalist comes first.
    """
    students = [each for each in models if each.card.kind != "teacher" and each.config.ndim == 2]
    found = [each for each in students if each.config.in_channels == channels]
    if channels > 1:
        found += [widened(each, channels) for each in students if each.config.in_channels == 1]
    return sorted(found, key=lambda model: model.card.name != GENERALIST)


def fine_tune(
    model: StartLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    others: Any = (),
    out_dir: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Model:
    """Fine-tune a model on corrected objects.

    How far to go is decided by objects that are held out, in turns, and can be "not at all": then a warning says so and
    the model is returned as it is.

    Parameters
    ----------
    model : "auto", Model, str, Path, or list of these
        The model, or what :func:`napari_grd.api.load_model` takes. It stays as it is: to revert is to go on with it.
        Of a list, the first model is fine-tuned, unless another one segments held-out objects clearly better (by 0.1
        and two standard errors). "auto": the list of the built-in students, ``cells`` first (for images of several
        channels also those of one channel, which then see their mean).
    images : array or sequence of arrays
        One bare array is one image, which can be a stack or a series.
    corrections : Corrections or sequence of Corrections
        One for each image. Only what :func:`napari_grd.api.training_labels` makes of them counts:
        all else is unlabeled, not background.
    labels : array or sequence of arrays, optional
        For each image its segmentation with the corrections in it, of the spatial shape of the image. Default: it is
        segmented here and the corrections are applied on it.
    config : FineTuneConfig, optional
        The recipe: how long, for these images only or to keep what the model knows, and at which object diameter.
    axes : str, optional
        Axes of every image, a letter an axis. Default: those of its corrections,
        and channels first or last if there is one more.
    teacher : Teacher, Model, str or Path, optional
        Whose predictions are rehearsed. Default: the model as it was, if it is of use on these images.
    rehearsal : array or sequence of arrays, optional
        For the mode "keep": images of what the model was made for, without labels. Default: simulated nuclei,
        which preserve less.
    others : array or sequence of arrays, optional
        More images like the corrected ones, each of one plane, without corrections: what is predicted on them is
        rehearsed, too.
    out_dir : path, optional
        Where ``tuned.grd.safetensors`` goes.
    on_event, cancelled : callable, optional
        As for :func:`napari_grd.api.train`.

    Returns
    -------
    Model
        A new one, whose card records the fine-tuning and its scores on held-out objects, and which segments images of
        this kind at their size without being told. If nothing was gained, the given model that segments the corrected
        objects best.

    Raises
    ------
    CorrectionError
        If there is nothing to learn from, corrections are of another image, or they contradict each other.
    GrdError
        If images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` returned true.

    Warns
    -----
    GrdWarning
        If nothing was gained, or too little was corrected to know.

    See Also
    --------
    before_after : Score the model before and after.
    training_labels : The labels that corrections give.
    distill : Train a new student.
    iter_fine_tune : The same as a job.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Draw
    >>> from napari_grd.corrections.region import Region
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> drawn = [Draw(Region.from_mask(labels == number)) for number in (1, 2, 3)]
    >>> corrections = Corrections(ImageRef.of(image), drawn)
    >>> tuned = fine_tune("auto", image, corrections, labels)  # doctest: +SKIP
    >>> job = iter_fine_tune("nuclei", image, corrections, labels, FineTuneConfig(steps=8))
    >>> [event.values["held-out objects"] for event in job if getattr(event, "kind", "") == "held-out"]
    [3.0]
    """
    job = iter_fine_tune(
        model,
        images,
        corrections,
        labels,
        config,
        axes=axes,
        teacher=teacher,
        rehearsal=rehearsal,
        others=others,
        out_dir=out_dir,
    )
    return drain(job, on_event, cancelled)
