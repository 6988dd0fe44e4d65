"""The images and labels that a caller gives: arrays, or files that are opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_grd.errors import DataError, LabelError
from napari_grd.io.images import read_image, read_stored
from napari_grd.io.label_image import LabelImage, open_large_labels, with_ground_truth
from napari_grd.io.names import named


@dataclass(frozen=True, eq=False)
class GivenImage:
    """An image with its labels, not checked yet.

    Attributes
    ----------
    name : str
        In messages.
    pixels : array
        Lazy if it is stored.
    labels : array or None
        In the order of the image's spatial axes.
    axes : str or None
        Of the pixels.
    notes : tuple of str
        Messages about the file, in full sentences.
    """

    name: str
    pixels: Any
    labels: Any
    axes: str | None
    notes: tuple[str, ...] = ()


def open_images(images: Any, labels: Any, axes: str | None, *, what: str = "image") -> list[GivenImage]:
    """Open the images of a training that are files.

    Parameters
    ----------
    images, labels, axes
        As for :func:`~napari_grd.distillation.prepare.check_images`.
    what : str
        Term for an image in messages.

    Raises
    ------
    DataError, LabelError
        If there are no images, or not as many labels; or a file cannot be opened or contains several.
    """
    if isinstance(images, Mapping):
        names, images = [repr(name) for name in images], list(images.values())
    else:
        images = _as_list(images)
        names = [
            repr(Path(image).name) if isinstance(image, str | Path) else f"{what.capitalize()} {i}"
            for i, image in enumerate(images)
        ]
    labels = [None] * len(images) if labels is None else _as_list(labels)
    if not images:
        raise DataError("There are no images.", "Give at least one image.")
    if len(labels) != len(images):
        raise LabelError(
            f"There are {len(images)} images and {len(labels)} label images.",
            "Give one label image, or None, for each image.",
        )
    return [_opened(*each, axes) for each in zip(names, images, labels, strict=True)]


def _opened(name: str, image: Any, labels: Any, axes: str | None) -> GivenImage:
    notes: tuple[str, ...] = ()
    if isinstance(image, str | Path):
        data = read_image(image, axes=axes)
        if len(data.series_names) > 1:
            raise DataError(
                f"{str(image)!r} contains {len(data.series_names)} images: {named(data.series_names)}.",
                "Read one with read_image(path, series=...), and pass its pixels and axes.",
            )
        if labels is None:
            data = with_ground_truth(data)
        notes = data.notes
        if labels is None and data.labels:
            labels = open_large_labels(data)
            notes = (*notes, f"The labels in {data.path.name} are used as ground truth.")
        image, axes = data.pixels, data.axes
    if isinstance(labels, str | Path):
        labels = open_large_labels(read_stored(labels))
    if isinstance(labels, LabelImage):
        notes = (*notes, *labels.notes)
        order = [letter for letter in "tzyx" if letter in labels.axes]
        labels = labels.pixels.transpose([labels.axes.index(letter) for letter in order])
    return GivenImage(name, image, labels, axes, notes)


def _as_list(arrays: Any) -> list[Any]:
    # One bare array is one image: a list of planes must be a list.
    return [arrays] if hasattr(arrays, "ndim") or isinstance(arrays, str | Path) else list(arrays)
