"""Asking, in a worker, which objects of a plane are doubtful."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.correct.opening import Order, Plane, seen_by
from napari_grd.config import SegmentConfig
from napari_grd.corrections.doubt import Doubt, doubts
from napari_grd.corrections.evidence import PlaneEvidence, Predictions
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_predict
from napari_grd.jobs import Job, Progress
from napari_grd.teaching.confidence import VIEWS, transformed, transformed_back

if TYPE_CHECKING:
    from napari_grd.models import Model


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked about, frozen when the button is pressed.

    Attributes
    ----------
    order : Order
        Labels, image and model.
    plane : tuple of int
    labels : (H, W) uint32
        Of the plane.
    evidence : PlaneEvidence
        What the model said about it.
    turned : bool
        Whether the model is also asked about the turned and mirrored plane.
    other : str or None
        Name of a model whose objects are compared.
    """

    order: Order
    plane: Plane
    labels: NDArray[np.uint32]
    evidence: PlaneEvidence
    turned: bool
    other: str | None


def iter_doubts(question: Question, get_model: "Callable[[str], Model]") -> Job[list[Doubt]]:
    """All objects of a plane, the most doubtful first.

    Parameters
    ----------
    question : Question
    get_model : callable
        Gives the model of a name.

    Raises
    ------
    GrdError
        If a model cannot read the image.
    """
    order, views, other = question.order, [], None
    if question.turned and order.model is not None:
        model = get_model(order.model)
        pixels, statistics, config = seen_by(model, order.subject, question.plane, order.config)
        for number, view in enumerate(VIEWS):
            yield Progress("Looking at it turned and mirrored", number, len(VIEWS))
            found = yield from _iter_segment(model, transformed(pixels, *view), config, statistics)
            views.append(transformed_back(found, *view))
    if question.other is not None:
        yield Progress(f"Asking {question.other}", 0, 1)
        model = get_model(question.other)
        pixels, statistics, config = seen_by(model, order.subject, question.plane, order.config)
        other = yield from _iter_segment(model, pixels, config, statistics)
    return doubts(question.labels, Predictions({(): question.evidence}), teacher_labels=other, turned=views)


def _iter_segment(
    model: "Model", pixels: NDArray[Any], config: SegmentConfig, statistics: PlaneStatistics
) -> Job[NDArray[np.uint32]]:
    prediction = yield from iter_predict(model, pixels, config, axes="cyx", intensity_range=statistics)
    return partition_prediction(prediction, config)
