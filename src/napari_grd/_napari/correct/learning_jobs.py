"""The job of Learn, run in a worker: fine-tune on the corrections of all open images, show before and after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.correct.jobs import read_plane, seen_by
from napari_grd._napari.correct.target import CorrectionTarget, Plane
from napari_grd._napari.correct.teaching_job import iter_teach_on_layers
from napari_grd._napari.source import ImageSource
from napari_grd.config import FineTuneConfig, SegmentConfig, TeachConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Correction
from napari_grd.graph.parallel import thread_count
from napari_grd.hub import ONE_OBJECT, builtin_paths
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_predict, iter_segment, predict
from napari_grd.inference.view import resolve_view
from napari_grd.jobs import Event, Job, Notice, StepMetrics, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.models.model import Model

SHOWN = "labels"
"""Name of the improved labels among the images of a preview."""


@dataclass(frozen=True, eq=False)
class CorrectedLayer:
    """The corrections of a layer, frozen.

    Attributes
    ----------
    target : CorrectionTarget
        Labels and image.
    corrections : sequence of Correction
    labels : dict of plane to (H, W) uint32
        Of every corrected plane, with the corrections in it.
    """

    target: CorrectionTarget
    corrections: Sequence[Correction]
    labels: Mapping[Plane, NDArray[np.uint32]]


@dataclass(frozen=True, eq=False)
class LearningRequest:
    """What to learn from and how, frozen when the button is pressed.

    Attributes
    ----------
    corrected : sequence of CorrectedLayer
        The layer under correction first, then those that were corrected before.
    plane : tuple of int
        The visible plane of the first, on which before and after are shown.
    model : str or None
        Name of the model; None: none.
    best_start : bool
        Whether to start from whichever model, this one or a built-in one, suits the corrections best.
    view : SegmentConfig
        How the model segments.
    config : FineTuneConfig
    untouched : sequence of (ImageSource, Plane)
        Open images without corrections; before and after are also shown on the first.
    teach : TeachConfig, optional
        Teach a teacher instead, and distill a student from it.
    more : sequence of callables
        Read planes without corrections, ``(C, H, W)``, on which the student is distilled.
    """

    corrected: Sequence[CorrectedLayer]
    plane: Plane
    model: str | None
    best_start: bool
    view: SegmentConfig
    config: FineTuneConfig
    untouched: Sequence[tuple[ImageSource, Plane]] = ()
    teach: TeachConfig | None = None
    more: Sequence[Callable[[], NDArray[Any]]] = ()


@dataclass(frozen=True, eq=False)
class BeforeAfterLabels:
    """A plane as the model before and the model after segment it.

    Attributes
    ----------
    before, after : (H, W) uint32
        ``before`` is empty without a model.
    """

    before: NDArray[np.uint32]
    after: NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class LearningResult:
    """The fine-tuned model, and how it compares.

    Attributes
    ----------
    model : Model
        The result.
    changed : bool
        Whether it is another than the model before.
    scores : mapping of str to float
        On held-out objects, as on the model's card; empty if none could be held out.
    shown : BeforeAfterLabels
        The visible plane.
    untouched : BeforeAfterLabels or None
        The first untouched image, if there is one.
    teacher : Model or None
        The tuned teacher of the model.
    """

    model: "Model"
    changed: bool
    scores: Mapping[str, float]
    shown: BeforeAfterLabels
    untouched: BeforeAfterLabels | None
    teacher: "Model | None" = None


def iter_learn(
    learning: LearningRequest,
    get_model: "Callable[[str], Model]",
    finish: Flag | None = None,
    threads: Callable[[], int] = thread_count,
) -> Job[LearningResult]:
    """Fine-tune a copy of a model, or distill one from a teacher that learned; segment the visible plane with both.

    Yields improved labels of the visible plane every few seconds, as a preview.

    Parameters
    ----------
    learning : LearningRequest
    get_model : callable
        Gives the model of a name.
    finish : threading.Event, optional
        Once set, the best model so far is the result.
    threads : callable, optional
        How many threads a distillation may use now.

    Raises
    ------
    GrdError
        If there is nothing to learn from, or the image cannot be read by the model.
    """
    from napari_grd.corrections.fine_tune import iter_fine_tune  # imports what trains

    first = learning.corrected[0].target
    shown = read_plane(first, learning.plane)
    known = None if learning.model is None else get_model(learning.model)
    starts = [] if learning.teach is not None else _starts(learning, known, len(shown), get_model)
    images: list[NDArray[Any]] = []
    corrections: list[Corrections] = []
    labels: list[NDArray[np.uint32]] = []
    watch = Stopwatch("Reading the corrected planes", sum(len(layer.labels) for layer in learning.corrected))
    for layer in learning.corrected:
        for plane, segmented in layer.labels.items():
            yield watch.progress(len(images))
            image = read_plane(layer.target, plane)
            if len(image) != len(shown):
                note = f"{layer.target.layer.name!r} has {len(image)} channels instead of {len(shown)} and is left out."
                yield Notice(note, category=None)
                continue
            images.append(image)
            corrections.append(_of_plane(layer.corrections, plane, segmented.shape))
            labels.append(segmented)
    others = [np.asarray(source.read(0, plane)) for source, plane in learning.untouched]
    size = learning.view.object_diameter
    diameter: float | Literal["auto"] = "auto" if size is None else size
    config = learning.config.replace(object_diameter=diameter)
    scores: dict[str, float] = {}

    def improved(model: "Model") -> dict[str, NDArray[np.uint32]]:
        return {SHOWN: partition_prediction(predict(model, shown, plain, axes="cyx"))}

    def noted(event: Event) -> Event:
        if isinstance(event, StepMetrics) and event.kind == "held-out":
            scores.update(event.values)
        return event

    # Compiling for another runtime takes longer than it saves. A model for these images carries their size.
    plain = SegmentConfig(
        runtime="torch",
        device=learning.view.device,
        threads=learning.view.threads,
        object_diameter=diameter if config.mode == "keep" else "auto",
    )
    teacher = None
    if learning.teach is not None:
        teach = learning.teach.replace(fine_tune=learning.teach.fine_tune.replace(object_diameter=diameter))
        taught = yield from relay(
            iter_teach_on_layers(known, images, corrections, labels, teach, learning.more, get_model, threads, finish),
            noted,
        )
        # Stopped before there was a student, the best so far is the teacher.
        tuned, changed = taught.student or taught.teacher, taught.tuned
        teacher = taught.teacher if taught.student is not None else None
    else:
        job = iter_fine_tune(
            starts,
            images,
            corrections,
            labels,
            config,
            axes="cyx",
            others=others,
            improved=improved,
            finish=None if finish is None else finish.is_set,
        )
        tuned = yield from relay(job, noted)
        changed = known is None or tuned is not known
    before: NDArray[np.uint32] = np.zeros(shown.shape[1:], np.uint32)
    if known is not None:
        pixels, statistics, view = seen_by(known, first, learning.plane, learning.view)
        prediction = yield from iter_predict(known, pixels, view, axes="cyx", intensity_range=statistics)
        before = partition_prediction(prediction, view)
    after = (yield from iter_segment(tuned, shown, plain, axes="cyx")) if changed else before
    untouched = None
    if others and changed:
        old = np.zeros(others[0].shape[1:], np.uint32)
        if known is not None:
            view = resolve_view(learning.untouched[0][0], known.config, plain).config
            old = yield from iter_segment(known, others[0], view, axes="cyx")
        untouched = BeforeAfterLabels(old, (yield from iter_segment(tuned, others[0], plain, axes="cyx")))
    return LearningResult(tuned, changed, scores, BeforeAfterLabels(before, after), untouched, teacher)


def _starts(
    learning: LearningRequest, known: "Model | None", channels: int, get_model: "Callable[[str], Model]"
) -> "list[Model]":
    # What the chosen model knows can be kept by that model only.
    if known is not None and (not learning.best_start or learning.config.mode == "keep"):
        return [known]
    from napari_grd.corrections.starts import fitting_starts, generalist_first  # imports what trains

    fit = fitting_starts(
        [get_model(name) for name in builtin_paths() if name not in (learning.model, *ONE_OBJECT)], channels
    )
    return generalist_first(fit if known is None else [known, *fit])


def _of_plane(corrections: Sequence[Correction], plane: Plane, shape: tuple[int, ...]) -> Corrections:
    """Those of one plane, as an image of its own."""
    return Corrections(ImageRef(shape), [replace(one, plane=()) for one in corrections if one.plane == plane])
