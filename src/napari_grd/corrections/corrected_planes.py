"""Corrected planes of images, with their training labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.training_labels import training_labels
from napari_grd.data.fingerprint import image_key
from napari_grd.data.inputs import as_image
from napari_grd.errors import CorrectionError, GrdError, LabelError
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import predict
from napari_grd.models.model import Model

_DIFFERENT = 0.5
"""Share of pixels above which two statements contradict each other; outlines always differ a little."""


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
        if not correction.clears or correction.area is None:
            continue
        later = [each.area for each in corrections[number + 1 :] if each.area is not None]
        if any(area.overlaps(correction.area) for area in later):
            continue
        there = labels[correction.area.mask(labels.shape)] > 0
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
