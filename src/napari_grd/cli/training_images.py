"""Preparation of a folder for training: held-out images and the patch size."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from napari_grd.config import TrainConfig
from napari_grd.data.inputs import plane_index
from napari_grd.data.stored_labels import StoredLabels
from napari_grd.errors import DataError
from napari_grd.io.folders import ImageFolder, iter_read
from napari_grd.io.lazy import is_lazy
from napari_grd.jobs import Job, Notice

C = TypeVar("C", bound=TrainConfig)
_FITTING = 0.9  # minimum share of the images that are as large as a patch
_SMALLEST = 32


@dataclass(frozen=True)
class TrainingImages:
    """Training images and held-out images.

    Attributes
    ----------
    training, held : ImageFolder
        Training and held-out images.
    any_labels : bool
        Whether an image of the folder has labels.
    """

    training: ImageFolder
    held: ImageFolder
    any_labels: bool


def iter_training_images(
    source: Path, axes: str | None, hold_out: float, group: str | None, *, ndim: int = 2, labeled: bool = False
) -> Job[TrainingImages]:
    """Read a folder and hold images out, as a job.

    Large images stay where they are; of those held out, a part is read.

    Parameters
    ----------
    source : Path
        The folder.
    axes : str or None
        Axes of every image, if not those of the files.
    hold_out : float
        Fraction to hold out.
    group : str or None
        See :meth:`~napari_grd.io.folders.ImageFolder.hold_out`.
    ndim : {2, 3}
        Whether the network takes planes or volumes.
    labeled : bool
        Whether images without labels are excluded.

    Raises
    ------
    DataError
        If the folder cannot be used, or there is nothing to hold out.
    """
    data = yield from iter_read(source, axes, ndim=ndim, lazy=True)
    annotated = data.labeled()
    if labeled and not annotated.images:
        raise DataError(
            f"No image in {str(source)!r} has labels.", "Put labels of the same names in its subfolder 'labels'."
        )
    training, held = (annotated if labeled else data).hold_out(hold_out, group)
    return TrainingImages(training, _in_memory(held), bool(annotated.images))


def _in_memory(data: ImageFolder) -> ImageFolder:
    """The same images; of large ones a part."""
    from napari_grd.distillation.stored import validation_box

    images, labels = list(data.images), list(data.labels)
    for i, (image, reference) in enumerate(zip(data.images, data.labels, strict=True)):
        if is_lazy(image) and data.axes is not None:
            shape = tuple(image.shape[data.axes.index(axis)] for axis in "zyx" if axis in data.axes)
            stored = StoredLabels(reference, shape) if is_lazy(reference) else reference
            spans = iter(validation_box(shape, stored))
            box = {axis: next(spans) for axis in "zyx" if axis in data.axes}
            images[i] = np.asarray(image[plane_index(data.axes, box)])
            labels[i] = None if reference is None else np.asarray(reference[tuple(box.values())])
    return replace(data, images=images, labels=labels)


def iter_fit(data: ImageFolder, config: C, *, patch_given: bool) -> Job[tuple[ImageFolder, C]]:
    """Derive unset settings from the images, as a job: patch size, pixel size, anisotropy of volumes.

    Patches are reduced to fit nearly all images, and smaller images are excluded.

    Parameters
    ----------
    data : ImageFolder
        Training images.
    config : TrainConfig
        Settings.
    patch_given : bool
        Whether the user has set the patch size; then it is kept.
    """
    from napari_grd.models import networks

    if config.pixel_size is None:
        config = config.replace(pixel_size=data.pixel_size)
    if networks.entry(config.network.name).ndim == 3:
        return data, config.replace(anisotropy=config.anisotropy or data.anisotropy)
    sides = [min(image.shape[data.axes.index(axis)] for axis in "yx") for image in data.images] if data.axes else []
    if patch_given or not sides or min(sides) >= config.patch:
        return data, config
    stride = networks.entry(config.network.name).stride
    fitting = sorted(sides)[int((1 - _FITTING) * len(sides))] // stride * stride
    patch = min(config.patch, max(_SMALLEST, fitting))
    if patch < config.patch:
        yield Notice(f"The patch size is {patch} pixels instead of {config.patch}: some images are not larger.")
        config = config.replace(patch=patch)
    small = [place for place, side in enumerate(sides) if side < patch]
    if small and len(small) < len(sides):
        names = ", ".join(data.names[place] for place in small[:5]) + (", ..." if len(small) > 5 else "")
        yield Notice(f"{len(small)} image(s) smaller than a patch of {patch} pixels were excluded: {names}.")
        data = data.take([place for place in range(len(sides)) if place not in small])
    return data, config
