"""Whether what a teacher says can be learned from, asked before a student spends hours on it.

Foreign programs answer with other shapes than asked, with nothing at all where
their settings do not fit the images, or with one instance that covers
everything. Whoever asks a teacher calls :func:`check_prediction` on each answer
and :func:`check_some_sense` once on all of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import DataError, GrdError, LabelError
from napari_grd.graph.offsets import default_offsets, pair_ends
from napari_grd.teaching.base import TeacherPrediction

GIANT = 0.95
"""An instance that covers more of an image than this share is taken for everything."""

_REMEDY = "Look at the teacher's options: channels, object diameter, thresholds; or choose another teacher."


def check_prediction(prediction: TeacherPrediction, shape: tuple[int, ...]) -> None:
    """Refuse an answer that cannot belong to its image.

    What is an error here: another type or spatial shape, probabilities or
    affinities that are NaN or outside [0, 1] (but for pairs that leave the
    image, which are not looked at), embeddings that are NaN or infinite. What
    is not: an image without any instance. Images of nothing but background are
    common and teach what background looks like.

    Parameters
    ----------
    prediction : TeacherPrediction
        The answer.
    shape : tuple of int
        Spatial shape ``(*S)`` of the image it was asked about, in pixels.

    Raises
    ------
    LabelError
        If it does not belong to the image.
    GrdError
        If it is no :class:`TeacherPrediction`.

    Examples
    --------
    >>> check_prediction(TeacherPrediction(np.zeros((4, 5), np.uint32)), (4, 5))
    """
    if not isinstance(prediction, TeacherPrediction):
        raise GrdError(
            f"The teacher answered with a {type(prediction).__name__}.",
            "Its predict() has to give a TeacherPrediction.",
        )
    if prediction.labels.shape != tuple(shape):  # the other outputs fit the labels, or there were no prediction
        raise LabelError(
            f"The teacher's output has shape {prediction.labels.shape}, the image {tuple(shape)}.",
            "Let the teacher answer at the size of the image, without cropping or resizing.",
        )
    if prediction.foreground is not None:
        _check_share("foreground", prediction.foreground)
    if prediction.affinities is not None:
        for affinity, offset in zip(prediction.affinities, default_offsets(len(shape)), strict=True):
            _check_share("affinities", affinity[pair_ends(offset, tuple(shape))[0]])
    if prediction.embeddings is not None and not np.isfinite(prediction.embeddings).all():
        raise LabelError(
            "The teacher's embeddings hold NaN or infinite values.", "Use a teacher whose training converged."
        )


def check_some_sense(labels: Sequence[NDArray[Any]]) -> None:
    """Refuse a teacher that has seen nothing in any image, or one and the same thing everywhere.

    Parameters
    ----------
    labels : sequence of (*S) integers
        Its instances in all the images it was asked about, 0 is background.

    Raises
    ------
    DataError
        If there is no instance in any of the images, or in every one of them a
        single instance covers more than 95 % of the pixels.

    Examples
    --------
    >>> check_some_sense([np.zeros((4, 4), int), np.eye(4, dtype=int)])
    """
    if not labels:
        return
    images = "the image" if len(labels) == 1 else f"any of the {len(labels)} images"
    if not any(found.any() for found in labels):
        raise DataError(f"The teacher found no instance in {images}.", _REMEDY)
    shares = [largest_share(found) for found in labels]
    if min(shares) > GIANT:
        images = "the image" if len(labels) == 1 else f"each of the {len(labels)} images"
        raise DataError(f"The teacher took {min(shares):.0%} or more of {images} for one instance.", _REMEDY)


def largest_share(labels: NDArray[Any]) -> float:
    """Share of an image (*S) that its largest instance covers.

    Examples
    --------
    >>> largest_share(np.array([0, 1, 2, 2]))
    0.5
    """
    _, counts = np.unique(labels[labels != 0], return_counts=True)
    return float(counts.max(initial=0)) / max(1, labels.size)


def _check_share(name: str, values: NDArray[Any]) -> None:
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # false for NaN as well
        raise LabelError(
            f"The teacher's {name} reach from {values.min():g} to {values.max():g}.",
            "Give numbers in [0, 1]; of logits, their sigmoid.",
        )
