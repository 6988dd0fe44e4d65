"""Corrected planes of images, with their training labels."""

import math
from collections.abc import Callable, Mapping, Sequence
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
from napari_grd.errors import CorrectionError, LabelError, naming
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import predict
from napari_grd.models.model import Model

_DIFFERENT = 0.5
"""Share of pixels above which two statements contradict each other; outlines always differ a little."""


@dataclass(frozen=True)
class CorrectedPlane:
    """A corrected plane, channels first, and its :func:`~napari_grd.corrections.training_labels.training_labels`."""

    image: NDArray[Any]
    labels: NDArray[np.int64]

    @property
    def objects(self) -> int:
        """Number of labeled objects."""
        return len(np.unique(self.labels[self.labels > 0]))


@dataclass(frozen=True)
class CorrectedImage:
    """An image, its corrections, and its segmentation with the corrections in it, if there is one.

    The image has ``axes``, or those of its corrections, and channels first or last if there is one more.
    """

    image: Any
    corrections: Corrections
    labels: Any = None
    axes: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.corrections, Corrections):
            kind = type(self.corrections).__name__
            raise CorrectionError(f"A {kind} is no set of corrections.", "Give Corrections, one an image.")

    @property
    def channels(self) -> int:
        """Number of channels, from the shape that its corrections are of."""
        size = math.prod(np.shape(self.image)) / math.prod(self.corrections.image.shape)
        return max(1, int(size)) if np.ndim(self.image) == len(self.corrections.image.axes) + 1 else 1

    def reader(self, channels: int, *, hashed: bool = True) -> Callable[[tuple[int, ...]], NDArray[Any]]:
        """A function that reads planes, channels first.

        ``hashed``: whether the content of the image is compared, too, if the corrections have a hash of it. Raises a
        `CorrectionError` if they are of another image.
        """
        image = self.image if hasattr(self.image, "ndim") else np.asarray(self.image)
        ref, axes = self.corrections.image, self.axes
        if axes is None:
            axes = ref.axes
            if image.ndim == len(axes) + 1:
                axes = f"{axes}c" if image.shape[-1] == channels else f"{axes[:-2]}c{axes[-2:]}"
        ref.merged(ImageRef.of(image, axes, hashed=hashed and ref.key is not None))
        planes = np.moveaxis(image, axes.find("c"), -3) if "c" in axes else image
        return lambda plane: as_image(planes[plane], "cyx" if "c" in axes else "yx", in_channels=channels)

    def planes(self, model: Model, config: SegmentConfig | None) -> list[CorrectedPlane]:
        """The corrected planes; without labels, the model segments them and the corrections are applied."""
        made, labels = self.corrections, self.labels
        read = self.reader(model.config.in_channels)
        if labels is not None and np.shape(labels) != made.image.shape:
            raise LabelError(
                f"The labels have shape {np.shape(labels)}, the corrections are of {made.image}.",
                "Give the labels of this image.",
            )
        indices = sorted({correction.plane for correction in made if not correction.between_planes})
        planes = {plane: read(plane) for plane in indices}
        labels = _segmented(model, planes, made, config) if labels is None else labels
        for plane in planes:
            _check_erased(made, np.asarray(labels[plane]), plane)
        return [CorrectedPlane(shown, training_labels(made, labels[plane], plane)) for plane, shown in planes.items()]


def corrected_images(
    images: Any, corrections: Any, labels: Any = None, axes: str | None = None
) -> list[CorrectedImage]:
    """Images with their corrections, and labels or None for each; a bare one is one of them."""
    images, corrections = as_list(images), as_list(corrections)
    labels = [None] * len(images) if labels is None else as_list(labels)
    if not len(images) == len(corrections) == len(labels):
        raise CorrectionError(
            f"There are {len(images)} images, {len(corrections)} sets of corrections and {len(labels)} label images.",
            "Give one of each for every image.",
        )
    corrected = []
    for number, (image, made, segmented) in enumerate(zip(images, corrections, labels, strict=True)):
        with naming(f"Image {number}"):
            corrected.append(CorrectedImage(image, made, segmented, axes))
    return corrected


def corrected_planes(
    model: Model, images: Sequence[CorrectedImage], config: SegmentConfig | None = None
) -> list[CorrectedPlane]:
    """The corrected planes of images, with their training labels; the model segments images without labels."""
    planes = []
    for number, image in enumerate(images):
        with naming(f"Image {number}"):
            planes += image.planes(model, config)
    _check_same_images(planes)
    if not any(plane.objects for plane in planes):
        raise CorrectionError(
            f"The corrections of {len(images)} images leave no object to learn from.",
            "Accept, draw or correct some objects first; undone corrections do not count.",
        )
    return planes


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
        is_object = labels[correction.area.mask(labels.shape)] > 0
        if is_object.size and is_object.mean() > _DIFFERENT:
            raise CorrectionError(
                f"Corrections and labels contradict each other: of {is_object.size} pixels that were erased,"
                f" {is_object.sum()} are an object in the labels.",
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


def as_list(values: Any) -> list[Any]:
    """Several images, labels or sets of corrections; a bare one is one of them."""
    return [values] if hasattr(values, "ndim") or isinstance(values, Corrections) else list(values)
