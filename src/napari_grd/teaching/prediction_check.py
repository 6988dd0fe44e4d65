"""Validation of a teacher's predictions, before a student is trained on them.

Other programs may return outputs of a wrong shape, no instances if their settings do not fit the images, or one
instance that covers everything. Code that runs a teacher calls :func:`check_prediction` on each prediction and
:func:`check_plausible` once on all of them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import DataError, GrdError, LabelError
from napari_grd.graph.offsets import default_offsets, pair_ends
from napari_grd.teaching.base import TeacherPrediction

GIANT = 0.95
"""An instance with more than this share of an image is considered to cover everything."""

_REMEDY = "Check the teacher's options: channels, object diameter, thresholds; or choose another teacher."


def check_prediction(prediction: TeacherPrediction, shape: tuple[int, ...]) -> None:
    """Raise an error if a prediction does not fit its image.

    Errors are: another type or spatial shape, probabilities or affinities that are NaN or outside [0, 1] (pairs that
    leave the image are not checked), embeddings that are NaN or infinite. An image without instances is valid: images
    of background only are common and useful for training.

    Parameters
    ----------
    prediction : TeacherPrediction
        The prediction.
    shape : tuple of int
        Spatial shape ``(*S)`` of the predicted image, in pixels.

    Raises
    ------
    LabelError
        If it does not fit the image.
    GrdError
        If it is not a :class:`TeacherPrediction`.

    Examples
    --------
    >>> check_prediction(TeacherPrediction(np.zeros((4, 5), np.uint32)), (4, 5))
    """
    if not isinstance(prediction, TeacherPrediction):
        raise GrdError(
            f"The teacher returned a {type(prediction).__name__}.",
            "Its predict() must return a TeacherPrediction.",
        )
    if prediction.labels.shape != tuple(shape):  # TeacherPrediction checks the other outputs against the labels
        raise LabelError(
            f"The teacher's output has shape {prediction.labels.shape}, the image {tuple(shape)}.",
            "Make the teacher return outputs of the size of the image, without cropping or resizing.",
        )
    if prediction.foreground is not None:
        _check_share("foreground", prediction.foreground)
    if prediction.affinities is not None:
        for affinity, offset in zip(prediction.affinities, default_offsets(len(shape)), strict=True):
            _check_share("affinities", affinity[pair_ends(offset, tuple(shape))[0]])
    if prediction.embeddings is not None and not np.isfinite(prediction.embeddings).all():
        raise LabelError(
            "The teacher's embeddings contain NaN or infinite values.", "Use a teacher whose training converged."
        )


def check_plausible(labels: Sequence[NDArray[Any]]) -> None:
    """Raise an error if a teacher found no instance in any image, or a single one that covers every image.

    Parameters
    ----------
    labels : sequence of (*S) integers
        Its instances in all predicted images, 0 is background.

    Raises
    ------
    DataError
        If there is no instance in any of the images, or in every one of them a
        single instance covers more than 95 % of the pixels.

    Examples
    --------
    >>> check_plausible([np.zeros((4, 4), int), np.eye(4, dtype=int)])
    """
    if not labels:
        return
    images = "the image" if len(labels) == 1 else f"any of the {len(labels)} images"
    if not any(instances.any() for instances in labels):
        raise DataError(f"The teacher found no instance in {images}.", _REMEDY)
    shares = [largest_share(instances) for instances in labels]
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
            f"The teacher's {name} range from {values.min():g} to {values.max():g}.",
            "Return values in [0, 1]; for logits, their sigmoid.",
        )
