"""Rank objects by uncertainty, for review."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.correction import Labels, Plane
from napari_grd.corrections.predictions import PlanePrediction, Predictions
from napari_grd.errors import LabelError
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.io.label_values import stored_type
from napari_grd.teaching.confidence import agreement

Values = NDArray[np.float64]

_BEFORE = ((-1, 0), (0, -1))
_TEACHER, _AUGMENTED = "the other model segments it differently", "it differs under test-time augmentation"


@dataclass(frozen=True)
class UncertainObject:
    """An object and how uncertain it is.

    Attributes
    ----------
    plane : tuple of int
        Index of the plane.
    id : int
        Its label.
    pixel : (int, int)
        Row and column of the pixel of the object that lies deepest in it.
    score : float
        From 0, certain, to 1.
    reason : str
        The strongest sign of an error, for a person to read.
    """

    plane: Plane
    id: int
    pixel: tuple[int, int]
    score: float
    reason: str


def uncertain_objects(
    labels: Any, predictions: Predictions, *, teacher_labels: Any = None, augmented_labels: Sequence[Any] = ()
) -> list[UncertainObject]:
    """All objects, the most uncertain first.

    Parameters
    ----------
    labels : integer array, shape (*planes, H, W)
        A segmentation, 0 is background.
    predictions : Predictions
        Of planes without a prediction the boundary term is left out.
    teacher_labels : integer array, shape of the labels, optional
        Labels by the teacher, or any other model.
    augmented_labels : sequence of integer arrays, shape of the labels
        Labels by the model under test-time augmentation, transformed back.

    Returns
    -------
    list of UncertainObject
        By score, then by plane and id.

    Raises
    ------
    LabelError
        If an array is no label image, or has another shape.

    Notes
    -----
    Each term is between 0 and 1; the score is the probability that at least one indicates an error, were
    they independent: ``1 - (1 - border) (1 - teacher) (1 - augmented)``.

    * *border*: the mean affinity, clipped at 0, of the object's pixels with neighbors that are not
      of it. A reliable boundary has low affinities across it.
    * *teacher*: 1 minus the intersection over union with the teacher's best match.
    * *augmented*: 1 minus that with the best match under test-time augmentation, on average.

    Examples
    --------
    >>> from napari_grd.corrections.predictions import PlanePrediction, Predictions
    >>> uncertain_objects(np.array([[1, 1, 0, 2]]), Predictions(), teacher_labels=np.array([[5, 5, 0, 0]]))[0]
    UncertainObject(plane=(), id=2, pixel=(0, 3), score=1.0, reason='the other model segments it differently')
    """
    given = np.asarray(labels)
    teacher = [] if teacher_labels is None else [np.asarray(teacher_labels)]
    augmented = [np.asarray(each) for each in augmented_labels]
    for each in (given, *teacher, *augmented):
        stored_type(each)
        if each.shape != given.shape:
            raise LabelError(f"Labels have the shapes {given.shape} and {each.shape}.", "Pass those of one image.")
    objects: list[UncertainObject] = []
    for plane in np.ndindex(given.shape[:-2]):
        others = {_TEACHER: [each[plane] for each in teacher], _AUGMENTED: [each[plane] for each in augmented]}
        objects += _of_plane(plane, given[plane], predictions.of(plane), others)
    return sorted(objects, key=lambda item: (-item.score, item.plane, item.id))


def _of_plane(
    plane: Plane, labels: Labels, prediction: PlanePrediction | None, others: Mapping[str, Sequence[Labels]]
) -> Iterator[UncertainObject]:
    ids, flat = np.unique(labels, return_inverse=True)
    index = flat.reshape(labels.shape)
    parts = {}
    if prediction is not None:
        parts["weak boundary"] = _across(index, len(ids), prediction.embedding)
    for reason, compared in others.items():
        if compared:
            missed = parts[reason] = np.zeros(len(ids))
            missed[index] = 1 - agreement(labels, compared)
    values = np.stack([np.zeros(len(ids)), *parts.values()])
    scores = 1 - np.prod(1 - values, axis=0)
    # Depths count from every border, of touching objects too.
    depth = ndimage.distance_transform_edt(ndimage.minimum_filter(index, 3) == ndimage.maximum_filter(index, 3))
    deepest = ndimage.maximum_position(depth, index, range(len(ids)))
    reasons = ["no sign of an error", *parts]
    for label, (row, column), score, signs in zip(ids.tolist(), deepest, scores, values.T, strict=True):
        if label:
            yield UncertainObject(plane, label, (int(row), int(column)), float(score), reasons[int(signs.argmax())])


def _across(index: NDArray[np.int64], count: int, embedding: NDArray[np.float32]) -> Values:
    """Mean affinity of each label's pixels with direct neighbors of another one."""
    total, pairs = np.zeros(count), np.zeros(count)
    for before, affinity in zip(_BEFORE, affinities_channels_last(embedding, _BEFORE), strict=True):
        later = np.s_[-before[0] :, -before[1] :]
        earlier = np.s_[: before[0] or None, : before[1] or None]
        border = index[later] != index[earlier]
        across = np.clip(affinity[later][border], 0, 1)
        for side in (index[later][border], index[earlier][border]):
            total += np.bincount(side, across, count)
            pairs += np.bincount(side, minlength=count)
    mean: Values = total / np.maximum(pairs, 1)
    return mean
