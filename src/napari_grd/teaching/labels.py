"""Label images as the teacher: ground truth, or what another program has made."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.fingerprint import image_key
from napari_grd.data.inputs import as_image, as_labels
from napari_grd.errors import DataError, GrdError, ImageError, LabelError
from napari_grd.io.folders import iter_read
from napari_grd.jobs import drain
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction


class LabelTeacher:
    """A teacher that knows the labels of certain images, and gives nothing else.

    An image is recognized by its content: whatever it is called, and wherever
    its channels stand.

    Parameters
    ----------
    pairs : iterable of (image, labels)
        The images with their label images; taken one at a time, and only the
        labels are kept. The labels' shape ``(*S)`` tells which axis of an image
        holds the channels, if one does.
    axes : {"yx", "cyx", "yxc", "zyx", "czyx", "zyxc"}, optional
        Order of the images' axes, where that is not enough.
    name : str, default "labels"
        What the teacher is called.

    Raises
    ------
    ImageError, LabelError
        If an image or its labels are not valid, or do not belong together.
    DataError
        If two equal images have different labels.

    Examples
    --------
    >>> image, labels = np.eye(4, dtype=np.uint8), np.eye(4, dtype=np.uint8)
    >>> LabelTeacher([(image, labels)]).predict(image[None]).labels.max()
    np.uint32(1)
    """

    gives_embeddings = False

    def __init__(self, pairs: Iterable[tuple[Any, Any]], *, axes: str | None = None, name: str = "labels") -> None:
        self.name = name
        self._labels: dict[str, NDArray[np.uint32]] = {}
        for image, labels in pairs:
            self._add(image, labels, axes)

    @classmethod
    def from_folder(cls, folder: str | Path, *, axes: str | None = None) -> "LabelTeacher":
        """A teacher of the labeled images in a folder.

        Parameters
        ----------
        folder : str or Path
            With the subfolders ``images`` and ``labels``, see
            :func:`napari_grd.io.folders.iter_read`. Images without labels are passed over.
        axes : str, optional
            Order of the images' axes.

        Raises
        ------
        GrdError
            If the folder or a file cannot be used, or no image has labels.
        """
        teacher = cls((), name=Path(folder).resolve().name)
        # What is to be told of the files is told by whoever reads the images to teach.
        known = drain(iter_read(Path(folder), axes), warn=False).labeled()
        for name, image, labels in zip(known.names, known.images, known.labels, strict=True):
            try:
                teacher._add(image, labels, known.axes)
            except (ImageError, LabelError) as error:
                raise type(error)(f"{name!r} with its labels: {error.problem}", error.remedy) from error
        if not teacher._labels:
            raise DataError(
                f"No image in {str(folder)!r} has labels to teach.",
                "Put label images in a subfolder 'labels', each named as its image.",
            )
        return teacher

    @property
    def fingerprint(self) -> str:
        """A hash of all images and labels, in whatever order they came."""
        digest = hashlib.blake2b(b"labels", digest_size=16)
        for key, labels in sorted(self._labels.items()):
            digest.update(f"{key}:{image_key(labels)}".encode())
        return digest.hexdigest()

    def knows(self, image: NDArray[Any]) -> bool:
        """Whether an image (C, *S) was given to the teacher, with its labels."""
        return image_key(image) in self._labels

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """The labels of an image that was given to the teacher.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities, as they were.

        Returns
        -------
        TeacherPrediction
            Labels only.

        Raises
        ------
        GrdError
            If the teacher does not know the image.
        """
        labels = self._labels.get(image_key(image))
        if labels is None:
            raise GrdError(
                f"The teacher {self.name!r} has no labels for this image of shape {np.shape(image)}.",
                "Give it the same images, unchanged, or choose a teacher that can segment new ones.",
            )
        return TeacherPrediction(labels)

    def _add(self, image: Any, labels: Any, axes: str | None) -> None:
        shape = np.shape(labels)
        image = as_image(image, axes or _axes_around(np.shape(image), shape), ndim=len(shape))
        stored = _as_uint32(as_labels(labels, image.shape[1:]))
        key = image_key(image)
        if not np.array_equal(self._labels.setdefault(key, stored), stored):
            raise DataError(
                f"Two equal images of shape {image.shape} have different labels.", "Leave one of the two pairs out."
            )


def info() -> TeacherInfo:
    """What the registry says of this teacher."""
    return TeacherInfo(
        name="labels",
        summary="Label images, drawn or made by another program: an assistant learns them first.",
        license="that of the labels",
        options={
            "folder": "a folder with the subfolders 'images' and 'labels'",
            "axes": "order of the images' axes, if their labels do not tell",
        },
    )


def load(folder: str | Path, axes: str | None = None) -> LabelTeacher:
    """Make a teacher of a folder of images and labels."""
    return LabelTeacher.from_folder(folder, axes=axes)


def _axes_around(image: tuple[int, ...], labels: tuple[int, ...]) -> str | None:
    """Axes of an image of which the labels show the spatial ones; None if they leave it open."""
    spatial = "zyx"[-len(labels) :]
    fitting = []
    if image == labels:
        fitting.append(spatial)
    if image[1:] == labels:
        fitting.append(f"c{spatial}")
    if image[:-1] == labels:
        fitting.append(f"{spatial}c")
    return fitting[0] if len(fitting) == 1 else None


def _as_uint32(labels: NDArray[np.int64]) -> NDArray[np.uint32]:
    if labels.max(initial=0) >= 2**32:
        raise LabelError(f"The labels hold {labels.max()}, which uint32 cannot.", "Number the instances from 1.")
    return labels.astype(np.uint32)
