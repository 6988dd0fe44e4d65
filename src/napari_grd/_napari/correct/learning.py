"""The work behind Learn, for a worker: train on what was corrected, and look at what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import napari_grd.api as grd
from napari_grd._napari.correct.opening import Order, read_plane
from napari_grd._napari.correct.subject import Plane
from napari_grd.config import FineTuneConfig
from napari_grd.corrections import Correction, Corrections, ImageRef
from napari_grd.inference.segment import iter_segment
from napari_grd.inference.view import resolve_view
from napari_grd.jobs import Job, Notice, Stopwatch

if TYPE_CHECKING:
    from napari_grd.corrections.learn import BeforeAfter
    from napari_grd.models import Model


@dataclass(frozen=True, eq=False)
class Lessons:
    """What there is to learn, as it was when the button was pressed.

    Attributes
    ----------
    order : Order
        Image, model and settings.
    plane : tuple of int
        The plane that is seen, on which before and after are shown.
    corrections : sequence of Correction
    labels : dict of plane to (H, W) uint32
        Of every corrected plane, with the corrections in it.
    config : FineTuneConfig
        Its object diameter is that of the order.
    """

    order: Order
    plane: Plane
    corrections: Sequence[Correction]
    labels: dict[Plane, NDArray[np.uint32]]
    config: FineTuneConfig


@dataclass(frozen=True, eq=False)
class Learned:
    """What came of it.

    Attributes
    ----------
    model : Model
        That has learned.
    scores : BeforeAfter
        On what was corrected.
    plane : tuple of int
    before, after : (H, W) uint32
        The plane as both models segment it.
    """

    model: "Model"
    scores: "BeforeAfter"
    plane: Plane
    before: NDArray[np.uint32]
    after: NDArray[np.uint32]


def iter_learn(lessons: Lessons, model: "Model") -> Job[Learned]:
    """Train a copy of a model, score both, and let both segment the plane that is seen.

    Raises
    ------
    GrdError
        If there is nothing to learn from, or the image cannot be read by the model.
    """
    planes = list(lessons.labels)
    watch = Stopwatch("Reading the corrected planes", len(planes))
    images: list[NDArray[Any]] = []
    for plane in planes:
        yield watch.progress(len(images))
        images.append(read_plane(lessons.order.subject, plane))
    said = [_of_plane(lessons.corrections, plane, labels.shape) for plane, labels in lessons.labels.items()]
    labels = [lessons.labels[plane] for plane in planes]
    # Decided on the whole image, as when it was segmented; what is corrected is a part of it.
    view = resolve_view(lessons.order.subject.source, model.config, lessons.order.config)
    known = model.config.object_diameter
    diameter = None if known is None or view.scale == 1 else known / view.scale
    config = lessons.config.replace(object_diameter=diameter)
    yield from (Notice(note, category=None) for note in view.notes)
    tuned = yield from grd.iter_fine_tune(model, images, said, labels, config, axes="cyx")
    yield Stopwatch("Looking at the difference", 3).progress(0)
    scores = grd.before_after(model, tuned, images, said, labels, view.config, axes="cyx")
    shown = read_plane(lessons.order.subject, lessons.plane)
    before = yield from iter_segment(model, shown, view.config, axes="cyx")
    after = yield from iter_segment(tuned, shown, view.config, axes="cyx")
    return Learned(tuned, scores, lessons.plane, before, after)


def _of_plane(corrections: Sequence[Correction], plane: Plane, shape: tuple[int, ...]) -> Corrections:
    """Those of one plane, as an image of its own."""
    return Corrections(ImageRef(shape), [replace(one, plane=()) for one in corrections if one.plane == plane])
