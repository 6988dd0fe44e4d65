"""Asking, in a worker, which objects of a plane are doubtful."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.correct.opening import Order, Plane, read_plane
from napari_grd.corrections.doubt import Doubt, doubts
from napari_grd.corrections.evidence import PlaneEvidence, Predictions
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_predict
from napari_grd.jobs import Job, Progress
from napari_grd.live.source import plane_range
from napari_grd.teachers.confidence import VIEWS, turned, turned_back

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
    views, other = [], None
    if question.turned and question.order.model is not None:
        model = get_model(question.order.model)
        for number, view in enumerate(VIEWS):
            yield Progress("Looking at it turned and mirrored", number, len(VIEWS))
            found = yield from _iter_segment(question, model, view)
            views.append(turned_back(found, *view))
    if question.other is not None:
        yield Progress(f"Asking {question.other}", 0, 1)
        other = yield from _iter_segment(question, get_model(question.other), (0, False))
    return doubts(question.labels, Predictions({(): question.evidence}), teacher_labels=other, turned=views)


def _iter_segment(question: Question, model: "Model", view: tuple[int, bool]) -> Job[NDArray[Any]]:
    order = question.order
    pixels = turned(read_plane(order.subject, question.plane), *view)
    value_range = plane_range(
        order.subject.source,
        order.subject.level,
        question.plane,
        model.config.in_channels,
        model.config.normalization,
    )
    prediction = yield from iter_predict(model, pixels, order.config, axes="cyx", intensity_range=value_range)
    return partition_prediction(prediction, order.config)
