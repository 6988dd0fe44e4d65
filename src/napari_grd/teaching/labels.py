"""Label images as the teacher: ground truth, or the results of another program."""

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
    """A teacher that returns given labels of given images.

    An image is recognized by its content, independent of its name and its channel axis.

    Parameters
    ----------
    pairs : iterable of (image, labels)
        The images with their label images; read one at a time, and only the labels are kept. The channel axis of an
        image, if there is one, follows from the labels' shape ``(*S)``.
    axes : {"yx", "cyx", "yxc", "zyx", "czyx", "zyxc"}, optional
        Order of the images' axes, if that is ambiguous.
    name : str, default "labels"
        Name of the teacher.

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
        """Create a teacher from the labeled images in a folder.

        Parameters
        ----------
        folder : str or Path
            With the subfolders ``images`` and ``labels``, see
            :func:`napari_grd.io.folders.iter_read`. Images without labels are skipped.
        axes : str, optional
            Order of the images' axes.

        Raises
        ------
        GrdError
            If the folder or a file cannot be used, or no image has labels.
        """
        teacher = cls((), name=Path(folder).resolve().name)
        # Notices about the files are issued by the code that reads the training images.
        dataset = drain(iter_read(Path(folder), axes), warn=False).labeled()
        for name, image, labels in zip(dataset.names, dataset.images, dataset.labels, strict=True):
            try:
                teacher._add(image, labels, dataset.axes)
            except (ImageError, LabelError) as error:
                raise type(error)(f"{name!r} with its labels: {error.problem}", error.remedy) from error
        if not teacher._labels:
            raise DataError(
                f"No image in {str(folder)!r} has labels to learn from.",
                "Put label images in a subfolder 'labels', each with the name of its image.",
            )
        return teacher

    @property
    def fingerprint(self) -> str:
        """A hash of all images and labels, independent of their order."""
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
            Raw intensities, unchanged.

        Returns
        -------
        TeacherPrediction
            Labels only.

        Raises
        ------
        GrdError
            If the image was not given to the teacher.
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
                f"Two equal images of shape {image.shape} have different labels.", "Remove one of the two pairs."
            )


def info() -> TeacherInfo:
    """Return the registry's information about this teacher."""
    return TeacherInfo(
        name="labels",
        summary="Label images, annotated or from another program: an assistant is trained on them first.",
        license="that of the labels",
        options={
            "folder": "a folder with the subfolders 'images' and 'labels'",
            "axes": "order of the images' axes, if ambiguous from their labels",
        },
    )


def load(folder: str | Path, axes: str | None = None) -> LabelTeacher:
    """Create a teacher from a folder of images and labels."""
    return LabelTeacher.from_folder(folder, axes=axes)


def _axes_around(image: tuple[int, ...], labels: tuple[int, ...]) -> str | None:
    """Axes of an image, derived from the shape of its labels; None if ambiguous."""
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
        raise LabelError(f"The labels contain {labels.max()}, which exceeds uint32.", "Number the instances from 1.")
    return labels.astype(np.uint32)
