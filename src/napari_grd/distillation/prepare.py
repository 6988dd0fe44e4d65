"""Validation of the caller's arrays, and the split into training and validation images."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import DistillConfig, PartitionConfig, TrainConfig
from napari_grd.data.augment import check_stain
from napari_grd.data.dataset import Example
from napari_grd.data.inputs import IGNORED, as_image, as_labels
from napari_grd.data.normalized_image import NormalizedImage
from napari_grd.data.stored_image import StoredImage
from napari_grd.data.stored_labels import ChangedLabels, LabelParts, StoredLabels
from napari_grd.distillation.open_images import open_images
from napari_grd.distillation.parallel import resolve_device
from napari_grd.distillation.stored import (
    SAMPLES,
    Pair,
    check_values,
    has_instance,
    iter_samples,
    validation_part,
    whole_statistics,
)
from napari_grd.errors import ConfigError, ImageError, LabelError, naming
from napari_grd.graph.boundaries import widen_borders
from napari_grd.inference.memory import check_memory
from napari_grd.io.lazy import IN_MEMORY, is_lazy
from napari_grd.jobs import Job, Stopwatch
from napari_grd.models import networks
from napari_grd.models.complexity import step_bytes

_VALIDATED = 16  # stored images that are validated on


@dataclass(frozen=True)
class ImageSet:
    """Validated images, with labels where available.

    Attributes
    ----------
    images : tuple of (ndarray (C, *S), or StoredImage)
        Intensities as given, channels first; of a stored image, patches are read.
    labels : tuple of (ndarray (*S) of int64, LabelParts, or None)
        Instances, with :data:`~napari_grd.data.inputs.IGNORED` pixels; None for an unlabeled image.
    weights : tuple of float, or None
        Sampling weight of each image; None: uniform.
    notes : tuple of str
        Messages about files that were opened.
    """

    images: tuple[Any, ...]
    labels: tuple[Any, ...]
    weights: tuple[float, ...] | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def in_channels(self) -> int:
        """Number of channels of every image."""
        return int(self.images[0].shape[0])

    @property
    def stored(self) -> list[int]:
        """Which of the images are stored."""
        return [i for i, image in enumerate(self.images) if isinstance(image, StoredImage)]

    @property
    def wanted_samples(self) -> int:
        """How many windows with objects are looked for in each of the stored images."""
        return max(1, SAMPLES // max(1, len(self.stored)))

    def samples(self) -> "ImageSet":
        """The same set in memory: of stored images parts with labeled objects, from which the others are estimated."""
        parts = [part for part in self.iter_samples() if part is not None]
        return ImageSet(tuple(image for image, _ in parts), tuple(labels for _, labels in parts))

    def iter_samples(self) -> Iterator[Pair | None]:
        """Images and labels of :meth:`samples`, one by one; None for a window without an object."""
        for image, labels in zip(self.images, self.labels, strict=True):
            yield from iter_samples(image, labels, self.wanted_samples)

    def for_validation(self) -> "ImageSet":
        """The same set in memory: of a few of the stored images a part each."""
        stored = self.stored
        few = stored[:: -(-len(stored) // _VALIDATED)] if stored else []
        kept = self.take([i for i in range(len(self)) if i in few or i not in stored])
        parts = [validation_part(*pair) for pair in zip(kept.images, kept.labels, strict=True)]
        return replace(kept, images=tuple(image for image, _ in parts), labels=tuple(labels for _, labels in parts))

    def iter_measure(self, config: TrainConfig) -> Job[None]:
        """Measure the intensities of stored images, and check them."""
        watch = Stopwatch("Measuring intensities", len(self.stored))
        for done, i in enumerate(self.stored):
            yield watch.progress(done)
            try:
                whole_statistics(self.images[i], config.normalization)
            except ImageError as error:
                raise ImageError(f"Image {i}: {error.problem}", error.remedy) from error

    def take(self, indices: Sequence[int]) -> "ImageSet":
        """A subset of the images."""
        weights = None if self.weights is None else tuple(self.weights[i] for i in indices)
        return ImageSet(tuple(self.images[i] for i in indices), tuple(self.labels[i] for i in indices), weights)

    def favoring_labeled(self, share: float) -> "ImageSet":
        """The same images; labeled ones are sampled with this share, if it would be lower.

        Otherwise the teacher's predictions would dominate a few labeled images among many, although the labels are
        correct.

        Examples
        --------
        >>> labels = (np.ones((8, 8), int), None, None)
        >>> ImageSet((np.zeros((1, 8, 8)),) * 3, labels).favoring_labeled(0.5).weights
        (0.5, 0.25, 0.25)
        """
        annotated = sum(labels is not None for labels in self.labels)
        unknown = len(self) - annotated
        if not annotated or annotated >= share * len(self):
            return self
        each = {True: share / annotated, False: (1 - share) / unknown}
        return replace(self, weights=tuple(each[labels is not None] for labels in self.labels))

    def with_labels(self, labels: Sequence[Any]) -> "ImageSet":
        """The same images; unlabeled ones get the given labels."""
        merged = tuple(
            own if own is not None else other if isinstance(other, LabelParts) else np.asarray(other, np.int64)
            for own, other in zip(self.labels, labels, strict=True)
        )
        return replace(self, labels=merged)

    def check_memory(self, config: TrainConfig) -> Job[None]:
        """Report if the normalized images and a training step need much of the available memory."""
        sizes = [math.prod(image.shape) for image in self.images if not isinstance(image, StoredImage)]
        images, patch = sum(4 * size for size in sizes), input_patch(config)
        step = 0
        if resolve_device(config)[0] == "cpu":  # otherwise it takes the memory of the device
            step = round(config.devices * step_bytes(config.network, config.batch * math.prod(patch), self.in_channels))
        return check_memory(
            images + step,
            f"{len(sizes)} images of together {images / 4e6:.0f} million values and a training step on {config.batch}"
            f" patches of {' x '.join(map(str, patch))} pixels",
            "Train on fewer images, or on crops of them."
            if images > step
            else f"Set a smaller batch (now {config.batch}) or patch (now {config.patch}).",
        )

    def examples(self, config: TrainConfig, teacher: Sequence[Any] | None = None) -> list[Example]:
        """Training examples, normalized where they are read; every image must be labeled."""
        outputs = teacher if teacher is not None else [None] * len(self)
        examples = []
        for i, (image, labels, output) in enumerate(zip(self.images, self.labels, outputs, strict=True)):
            if labels is None:
                raise LabelError(f"Image {i} has no labels.", "Give labels, or distill from a teacher.")
            weight = 1.0 if self.weights is None else self.weights[i]
            pixels = NormalizedImage(image, whole_statistics(image, config.normalization))
            examples.append(Example(f"image {i}", pixels, targets(labels, config), output, weight))
        return examples


def ndim_of(config: TrainConfig) -> int:
    """Spatial dimensions of the images of a training: those of its network."""
    return networks.entry(config.network.name).ndim


def input_patch(config: TrainConfig) -> tuple[int, ...]:
    """Shape of the patches that a network reads in training, in pixels.

    Examples
    --------
    >>> input_patch(TrainConfig(patch=120))
    (128, 128)
    """
    entry = networks.entry(config.network.name)
    return entry.input_size(_patch(config, entry.ndim))


def _patch(config: TrainConfig, ndim: int) -> tuple[int, ...]:
    return (config.patch,) * 2 if ndim == 2 else (config.patch_depth, config.patch, config.patch)


def targets(labels: Any, config: TrainConfig) -> Any:
    """Labels ``(*S)`` as they are trained on: with borders widened, if that is set.

    Unlabeled pixels are marked as ignored before, because 0 is boundary afterwards.
    """
    if not config.widen_borders:
        return labels
    if isinstance(labels, LabelParts):
        return ChangedLabels(labels, partial(_widened, config=config), reach=1)
    return _widened(labels, config)


def _widened(labels: NDArray[np.int64], config: TrainConfig) -> NDArray[np.int64]:
    if config.background == "ignore":
        labels = np.where(labels == 0, IGNORED, labels)
    return np.asarray(widen_borders(labels), np.int64)


def check_assistant(config: DistillConfig) -> None:
    """Raise a `ConfigError` if the assistant's network takes planes and the student's volumes, or the reverse."""
    network = config.assistant.network
    if config.assistant.use and ndim_of(config.replace(network=network)) != ndim_of(config):
        takes = {2: "planes", 3: "volumes"}
        wanted = ndim_of(config)
        raise ConfigError(
            f"assistant.network is {network.name!r}, which takes {takes[5 - wanted]}, but {config.network.name!r} takes"
            f" {takes[wanted]}.",
            f"Set assistant.network to a network that takes {takes[wanted]}.",
        )


def check_images(images: Any, labels: Any, config: TrainConfig, axes: str | None, *, what: str = "image") -> ImageSet:
    """Check images and labels for training.

    Parameters
    ----------
    images : array or path, sequence of these, or mapping of names to these
        One bare array or path is one image. Messages refer to images by name, or else by number. Lazy arrays of
        together more than :data:`~napari_grd.io.lazy.IN_MEMORY` values stay where they are.
    labels : array or path, sequence of these or None, or None
        One per image; pixels labeled -1 are ignored. Default: those that the files of the images contain.
    config : TrainConfig
        Provides the patch size and the stride of the network.
    axes : str or None
        Axes of every image, e.g. ``"yx"`` or ``"yxc"``.
    what : str
        Term for an image in messages.

    Raises
    ------
    GrdError
        Names the image and its problem.
    """
    ndim = ndim_of(config)
    if ndim == 3 and config.anisotropy is None:
        raise ConfigError(
            f"anisotropy is not set, and {config.network.name!r} takes volumes.",
            "Set it to the distance of the planes divided by their pixel size, 1 if these are equal.",
        )
    given = open_images(images, labels, axes, what=what)
    is_stored = sum(math.prod(each.pixels.shape) for each in given if is_lazy(each.pixels)) > IN_MEMORY
    checked: list[Any] = []
    checked_labels: list[Any] = []
    for each in given:
        with naming(each.name):
            read = StoredImage if is_stored and is_lazy(each.pixels) else as_image
            pixels = read(each.pixels, each.axes, ndim=ndim, in_channels=checked[0].shape[0] if checked else None)
            check_trainable(pixels, config)
            checked.append(pixels)
            checked_labels.append(None if each.labels is None else _checked_labels(each.labels, pixels))
    return ImageSet(tuple(checked), tuple(checked_labels), notes=tuple(note for each in given for note in each.notes))


def _checked_labels(labels: Any, image: Any) -> Any:
    shape = tuple(image.shape[1:])
    if isinstance(image, StoredImage) and is_lazy(labels):
        return StoredLabels(labels, shape)
    return as_labels(labels, shape, ignored=True)


def check_some_instances(data: ImageSet) -> None:
    """Raise an error if no object is labeled.

    Raises
    ------
    LabelError
        If no label image has an instance.
    """
    if not any(labels is not None and has_instance(labels) for labels in data.labels):
        raise LabelError(
            f"None of the {len(data)} label images has an instance.", "Label some objects, or check the files."
        )


def split(data: ImageSet, validation: float, *, least: int = 1) -> tuple[ImageSet, ImageSet | None]:
    """Set a fraction of the images aside, evenly spaced and deterministic.

    Labeled images are preferred if only some are labeled. Of a single volume, its last planes are set aside.

    Parameters
    ----------
    data : ImageSet
        The images.
    validation : float
        The fraction.
    least : int
        Planes of a single volume that have to remain.

    Raises
    ------
    ConfigError
        If the fraction is not in [0, 1).
    """
    if not 0 <= validation < 1:
        raise ConfigError(f"validation is {validation}.", "Give a fraction of at least 0 and below 1, or a pair.")
    labeled = [i for i, labels in enumerate(data.labels) if labels is not None]
    candidates = labeled or list(range(len(data)))
    if validation and len(data) == 1 and data.images[0].ndim == 4:
        return _split_planes(data, validation, least)
    if validation == 0 or len(candidates) < 2:
        return data, None
    count = min(len(candidates) - 1, max(1, round(validation * len(candidates))))
    spread = np.linspace(0, len(candidates), count, endpoint=False).astype(int)
    held = {candidates[k] for k in spread}
    kept = [i for i in range(len(data)) if i not in held]
    return data.take(kept), data.take(sorted(held))


def _split_planes(data: ImageSet, validation: float, least: int) -> tuple[ImageSet, ImageSet | None]:
    """The first and the last planes of a single volume, as two."""
    planes = data.images[0].shape[1]
    cut = planes - max(1, round(validation * planes))
    if cut < least:
        return data, None

    def part(start: int, stop: int) -> ImageSet:
        image, labels = data.images[0], data.labels[0]
        image = image.planes(start, stop) if isinstance(image, StoredImage) else image[:, start:stop]
        if labels is not None:
            labels = labels.planes(start, stop) if isinstance(labels, StoredLabels) else labels[start:stop]
        return replace(data, images=(image,), labels=(labels,))

    return part(0, cut), part(cut, planes)


def object_diameter(labels: Sequence[NDArray[Any] | None], anisotropy: float | None = None) -> float | None:
    """Median diameter in pixels of a circle with an object's area, or a sphere with its volume; None without objects.

    Of an anisotropic volume in pixels of a plane.
    """
    sizes = _areas(labels)
    if not len(sizes):
        return None
    if next(image_labels for image_labels in labels if image_labels is not None).ndim == 3:
        return float(np.cbrt(6 / np.pi * np.median(sizes) * (anisotropy or 1.0)))
    return float(np.sqrt(4 / np.pi * np.median(sizes)))


def smallest_object(labels: Sequence[NDArray[Any] | None]) -> int:
    """Half of the 5th percentile of object areas in pixels, but at least the minimum size of `PartitionConfig`.

    A smaller predicted object is a fragment: an uncertain network breaks large cells into many.

    Examples
    --------
    >>> smallest_object([np.ones((40, 40), int)])
    800
    """
    least, sizes = PartitionConfig().min_size, _areas(labels)
    return max(least, int(np.percentile(sizes, 5) / 2)) if len(sizes) else least


def _areas(labels: Sequence[NDArray[Any] | None]) -> NDArray[np.int64]:
    # Not a lookup table by label: a label may be three billion.
    areas = [
        np.unique_counts(image_labels[image_labels > 0]).counts for image_labels in labels if image_labels is not None
    ]
    return np.concatenate([np.empty(0, np.int64), *areas])


def check_trainable(image: Any, config: TrainConfig) -> None:
    """Raise an `ImageError` if an image ``(C, *S)`` is too small for a patch, constant, or NaN."""
    check_stain(config.augment, image.shape[0])
    entry = networks.entry(config.network.name)
    patch = _patch(config, entry.ndim)
    if any(side < wanted for side, wanted in zip(image.shape[1:], patch, strict=True)):
        fitting = min(image.shape[-2:]) // entry.strides[-1] * entry.strides[-1]
        change = f"patch to {min(config.patch, fitting)}"
        if entry.ndim == 3:
            change += f" and patch_depth to {min(config.patch_depth, image.shape[1])}"
        remedy = f"Set {change}." if fitting >= 32 else "Exclude it: it is too small for training."
        sides = patch[0] if entry.ndim == 2 else patch
        raise ImageError(f"its sides are {image.shape[1:]} pixels, but a patch has {sides}.", remedy)
    if not isinstance(image, StoredImage):  # its intensities are checked when they are measured
        check_values([image])
