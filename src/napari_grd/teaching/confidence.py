"""A teacher's confidence in its instances: their agreement under test-time augmentation.

A reliable instance is predicted consistently in rotated and flipped views of the image. The agreement of the views
decides which instances a student is trained on in images without labels, as in semi-supervised guided distillation
[1]_.

References
----------
.. [1] Berrada, Couprie, Alahari, Verbeek, "Guided Distillation for Semi-Supervised
   Instance Segmentation", arXiv 2308.02668 (WACV 2024).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.fingerprint import text_key
from napari_grd.data.inputs import IGNORED
from napari_grd.inference.blocks import Block
from napari_grd.inference.boxes import origin_of, within
from napari_grd.metrics.contingency import contingency
from napari_grd.teaching.base import Teacher, TeacherPrediction
from napari_grd.teaching.part_teacher import WholeImage

VIEWS = ((0, True), (1, False), (2, True))
"""Number of 90° rotations of a view, and whether its last axis is flipped afterwards."""


def transformed(array: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    """A rotated and flipped view of an image or label image (..., H, W); leading axes are unchanged.

    Examples
    --------
    >>> transformed(np.array([[1, 2], [3, 4]]), 1, True)
    array([[4, 2],
           [3, 1]])
    """
    view = np.rot90(array, turns, axes=(-2, -1))
    return np.ascontiguousarray(view[..., ::-1] if flip else view)


def transformed_back(array: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    """Undo :func:`transformed`.

    Examples
    --------
    >>> transformed_back(transformed(np.array([[1, 2], [3, 4]]), 1, True), 1, True)
    array([[1, 2],
           [3, 4]])
    """
    return np.ascontiguousarray(np.rot90(array[..., ::-1] if flip else array, -turns, axes=(-2, -1)))


def agreement(labels: NDArray[np.integer[Any]], others: Sequence[NDArray[np.integer[Any]]]) -> NDArray[np.float32]:
    """The agreement of each instance with other segmentations of the same image.

    Parameters
    ----------
    labels : (*S) integers
        Instances, 0 is background.
    others : sequence of (*S) integers
        At least one.

    Returns
    -------
    (*S) float32
        At each pixel, for its instance: the intersection over union with the best match, averaged over ``others``. 1 in
        the background.

    Examples
    --------
    >>> agreement(np.array([[1, 1, 0, 2]]), [np.array([[7, 7, 0, 0]]), np.array([[7, 0, 0, 0]])])
    array([[0.75, 0.75, 1.  , 0.  ]], dtype=float32)
    """
    ids, position = np.unique(labels, return_inverse=True)
    shares = np.zeros(len(ids))
    for other in others:
        table = contingency(reference=other, labels=labels)
        best = np.zeros(len(table.label_ids))
        np.maximum.at(best, table.label_index, table.iou)
        shares[np.searchsorted(ids, table.label_ids)] += best / len(others)
    shares[ids == 0] = 1
    result: NDArray[np.float32] = shares.astype(np.float32)[position.reshape(labels.shape)]
    return result


def without_uncertain(
    labels: NDArray[np.integer[Any]], confidence: NDArray[np.floating[Any]], threshold: float
) -> NDArray[np.int64]:
    """Labels in which uncertain instances are ignored.

    Labeling them as background would train the student to miss them.

    Parameters
    ----------
    labels : (*S) integers
        Instances, 0 is background.
    confidence : (*S) float
        Confidence in the instance at each pixel.
    threshold : float
        Instances below it are :data:`~napari_grd.data.inputs.IGNORED`.

    Returns
    -------
    (*S) int64

    Examples
    --------
    >>> without_uncertain(np.array([0, 1, 2]), np.array([1.0, 0.9, 0.3]), 0.5)
    array([ 0,  1, -1])
    """
    kept = labels.astype(np.int64)
    kept[(labels > 0) & (confidence < threshold)] = IGNORED
    return kept


class ConfidentTeacher:
    """A teacher that adds a confidence, computed by test-time augmentation.

    All other outputs are the prediction of the unchanged image. A confidence that the teacher predicts itself is kept.

    Parameters
    ----------
    teacher : Teacher
        The teacher to run; prediction takes ``1 + len(VIEWS)`` times as long.
    """

    def __init__(self, teacher: Teacher) -> None:
        self._teacher = teacher

    @property
    def name(self) -> str:
        """The teacher's."""
        return self._teacher.name

    @property
    def gives_embeddings(self) -> bool:
        """Whether the teacher predicts embeddings."""
        return self._teacher.gives_embeddings

    @property
    def restrictions(self) -> str:
        """Restrictions of the teacher's license; empty if there are none."""
        return str(getattr(self._teacher, "restrictions", ""))

    @property
    def fingerprint(self) -> str:
        """A hash of the teacher's fingerprint and the views."""
        return text_key(f"confident {VIEWS} {self._teacher.fingerprint}")

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Return the teacher's prediction, with a confidence.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities.
        """
        return _with_confidence(self._teacher.predict(image), image, self._teacher.predict)

    # The rest is that of a PartTeacher, if the teacher is one.

    @property
    def model(self) -> Any:
        """The teacher's."""
        return self._teacher.model  # type: ignore[attr-defined]

    @property
    def config(self) -> Any:
        """The teacher's."""
        return self._teacher.config  # type: ignore[attr-defined]

    def measure(self, image: Any) -> WholeImage:
        """As the teacher."""
        whole: WholeImage = self._teacher.measure(image)  # type: ignore[attr-defined]
        return whole

    def predict_part(self, pixels: NDArray[Any], whole: WholeImage, block: Block) -> TeacherPrediction:
        """Return the teacher's prediction of a part of an image, with a confidence."""
        predict: Any = self._teacher.predict_part  # type: ignore[attr-defined]

        def by_itself(view: NDArray[Any]) -> TeacherPrediction:
            prediction: TeacherPrediction = predict(view, *whole.cut_out(view.shape[1:]))
            return prediction

        inside = within(block.pixels, origin_of(block.read))
        return _with_confidence(predict(pixels, whole, block), pixels, by_itself, inside)


def _with_confidence(
    prediction: TeacherPrediction,
    image: NDArray[Any],
    predict: Callable[[NDArray[Any]], TeacherPrediction],
    inside: tuple[slice, ...] = (),
) -> TeacherPrediction:
    if prediction.confidence is not None:
        return prediction
    others = [transformed_back(predict(transformed(image, *view)).labels, *view)[inside] for view in VIEWS]
    return replace(prediction, confidence=agreement(prediction.labels, others))
