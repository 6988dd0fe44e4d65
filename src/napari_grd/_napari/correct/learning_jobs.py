"""The job of Learn, run in a worker: fine-tune, or teach a teacher, on the corrections of all open images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.correct.jobs import iter_segment_pixels, read_plane, seen_by
from napari_grd._napari.correct.target import CorrectionTarget
from napari_grd._napari.source import ImageSource
from napari_grd._napari.threads import leaving_room
from napari_grd.config import FineTuneConfig, SegmentConfig, TeachConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.correction import Correction, Plane
from napari_grd.corrections.image import ImageRef
from napari_grd.graph.parallel import thread_count
from napari_grd.hub import ONE_OBJECT, TEACHER, builtin_paths
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_segment, predict
from napari_grd.inference.view import resolve_view
from napari_grd.jobs import Event, Job, Notice, PreviewImages, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.corrections.teach import Taught
    from napari_grd.models.model import Model

SHOWN = "labels"
"""Name of the improved labels among the images of a preview."""

_LEAST_PATCH = 32  # pixels


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
    shown : BeforeAfterLabels
        The visible plane.
    untouched : BeforeAfterLabels or None
        The first untouched image, if there is one.
    teacher : Model or None
        The tuned teacher of the model.
    """

    model: "Model"
    changed: bool
    shown: BeforeAfterLabels
    untouched: BeforeAfterLabels | None
    teacher: "Model | None" = None


@dataclass(eq=False)
class _Planes:
    """Corrected planes as images of their own, ``(C, H, W)``."""

    images: list[NDArray[Any]] = field(default_factory=list)
    corrections: list[Corrections] = field(default_factory=list)
    labels: list[NDArray[np.uint32]] = field(default_factory=list)


def iter_learn(
    learning: LearningRequest,
    get_model: "Callable[[str], Model]",
    finish: Flag,
    threads: Callable[[], int] = thread_count,
) -> Job[LearningResult]:
    """Fine-tune a copy of a model, or distill one from a teacher that learned; segment the visible plane with both.

    Yields improved labels of the visible plane every few seconds, as a preview.

    Parameters
    ----------
    learning : LearningRequest
    get_model : callable
        Gives the model of a name.
    finish : threading.Event
        Once set, the best model so far is the result.
    threads : callable, optional
        How many threads a distillation may use now.

    Raises
    ------
    GrdError
        If there is nothing to learn from, or the image cannot be read by the model.
    """
    from napari_grd.corrections.fine_tune import iter_fine_tune  # imports what trains

    target, view = learning.corrected[0].target, learning.view
    shown = read_plane(target, learning.plane)
    chosen = None if learning.model is None else get_model(learning.model)
    starts = [] if learning.teach is not None else _starts(learning, chosen, len(shown), get_model)
    planes = yield from _iter_read(learning.corrected, len(shown))
    others = [np.asarray(source.read(0, plane)) for source, plane in learning.untouched]
    diameter: float | Literal["auto"] = "auto" if view.object_diameter is None else view.object_diameter
    # Compiling for another runtime takes longer than it saves. A model for these images carries their size.
    plain = SegmentConfig(
        runtime="torch",
        device=view.device,
        threads=view.threads,
        object_diameter=diameter if learning.config.mode == "keep" else "auto",
    )

    def improved(model: "Model") -> dict[str, NDArray[np.uint32]]:
        return {SHOWN: partition_prediction(predict(model, shown, plain, axes="cyx"))}

    teacher = None
    if learning.teach is not None:
        teach = learning.teach.replace(fine_tune=learning.teach.fine_tune.replace(object_diameter=diameter))
        begun = chosen if chosen is not None and chosen.card.kind == "teacher" else get_model(TEACHER)
        job = _iter_teach(begun, planes, teach, learning.more, finish)
        taught = yield from relay(leaving_room(job, threads), _without_previews)
        # Stopped before there was a student, the best so far is the teacher.
        tuned, changed = taught.student or taught.teacher, taught.tuned
        teacher = taught.teacher if taught.student is not None else None
    else:
        tuned = yield from iter_fine_tune(
            starts,
            planes.images,
            planes.corrections,
            planes.labels,
            learning.config.replace(object_diameter=diameter),
            axes="cyx",
            others=others,
            improved=improved,
            finish=finish.is_set,
        )
        changed = tuned is not chosen
    before: NDArray[np.uint32] = np.zeros(shown.shape[1:], np.uint32)
    if chosen is not None:
        before = yield from iter_segment_pixels(chosen, *seen_by(chosen, target, learning.plane, view))
    after = (yield from iter_segment(tuned, shown, plain, axes="cyx")) if changed else before
    untouched = None
    if others and changed:
        old = np.zeros(others[0].shape[1:], np.uint32)
        if chosen is not None:
            resolved = resolve_view(learning.untouched[0][0], chosen.config, plain).config
            old = yield from iter_segment(chosen, others[0], resolved, axes="cyx")
        untouched = BeforeAfterLabels(old, (yield from iter_segment(tuned, others[0], plain, axes="cyx")))
    return LearningResult(tuned, changed, BeforeAfterLabels(before, after), untouched, teacher)


def _iter_read(corrected: Sequence[CorrectedLayer], channels: int) -> Job[_Planes]:
    """The corrected planes of all layers that have so many channels."""
    planes = _Planes()
    watch = Stopwatch("Reading the corrected planes", sum(len(layer.labels) for layer in corrected))
    for layer in corrected:
        for plane, labels in layer.labels.items():
            yield watch.progress(len(planes.images))
            image = read_plane(layer.target, plane)
            if len(image) != channels:
                note = f"{layer.target.layer.name!r} has {len(image)} channels instead of {channels} and is left out."
                yield Notice(note, category=None)
                continue
            made = [replace(correction, plane=()) for correction in layer.corrections if correction.plane == plane]
            planes.images.append(image)
            planes.corrections.append(Corrections(ImageRef(labels.shape), made))
            planes.labels.append(labels)
    return planes


def _iter_teach(
    teacher: "Model", planes: _Planes, config: TeachConfig, more: Sequence[Callable[[], NDArray[Any]]], finish: Flag
) -> "Job[Taught]":
    """Teach a teacher and distill a student, also on the planes that ``more`` reads, but for empty ones."""
    from napari_grd.corrections.teach import iter_teach  # imports what trains
    from napari_grd.finetuning.channels import widened
    from napari_grd.models.networks import entry

    channels = len(planes.images[0])
    if teacher.config.in_channels == 1 < channels:
        teacher = widened(teacher, channels)
    others: list[NDArray[Any]] = []
    watch = Stopwatch("Reading images", len(more))
    for number, read in enumerate(more):
        yield watch.progress(number)
        image = np.asarray(read())
        if np.ptp(image) > 0:
            others.append(image)
    stride = entry(config.distill.network.name).stride
    smallest = min(min(image.shape[1:]) for image in [*planes.images, *others]) // stride * stride
    patch = max(_LEAST_PATCH, min(config.distill.patch, smallest))
    return (
        yield from iter_teach(
            teacher,
            planes.images,
            planes.corrections,
            planes.labels,
            config.replace(distill=config.distill.replace(patch=patch)),
            axes="cyx",
            others=others,
            finish=finish.is_set,
        )
    )


def _without_previews(event: Event) -> Event | None:
    return None if isinstance(event, PreviewImages) else event  # of validation images, not of the visible plane


def _starts(
    learning: LearningRequest, chosen: "Model | None", channels: int, get_model: "Callable[[str], Model]"
) -> "list[Model]":
    # What the chosen model knows can be kept by that model only.
    if chosen is not None and (not learning.best_start or learning.config.mode == "keep"):
        return [chosen]
    from napari_grd.corrections.starts import fitting_starts, generalist_first  # imports what trains

    fit = fitting_starts(
        [get_model(name) for name in builtin_paths() if name not in (learning.model, *ONE_OBJECT)], channels
    )
    return generalist_first(fit if chosen is None else [chosen, *fit])
