"""The job of Learn, run in a worker: fine-tune, or teach a teacher, on the corrections of all open images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.correct.jobs import CorrectionRequest, iter_segment_pixels, seen_by
from napari_grd._napari.correct.session import Session
from napari_grd._napari.correct.target import CorrectionTarget, ImagePlane
from napari_grd._napari.threads import leaving_room
from napari_grd.config import FineTuneConfig, SegmentConfig, TeachConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.correction import Correction, Plane
from napari_grd.corrections.image import ImageRef
from napari_grd.graph.parallel import thread_count
from napari_grd.hub import ONE_OBJECT, TEACHER, builtin_paths
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import iter_segment, predict
from napari_grd.jobs import Job, Notice, PreviewImages, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.models.model import Model

SHOWN = "labels"
"""Name of the improved labels among the images of a preview."""

_LEAST_PATCH = 32  # pixels


@dataclass(frozen=True, eq=False)
class CorrectedLayer:
    """The corrections of a layer, and the labels of every corrected plane with the corrections in them, frozen."""

    target: CorrectionTarget
    corrections: Sequence[Correction]
    labels: Mapping[Plane, NDArray[np.uint32]]

    @classmethod
    def of(cls, session: Session) -> "CorrectedLayer":
        """What can be learned from a session, as it is now."""
        labels = {plane: session.editor.labels[plane].copy() for plane in session.corrections.planes}
        return cls(session.target, list(session.corrections), labels)


@dataclass(frozen=True, eq=False)
class LearningRequest:
    """What to learn from and how, frozen when the button is pressed.

    With a TeachConfig, a teacher is taught instead, and a student distilled from it, also on ``more`` planes.
    """

    request: CorrectionRequest  # of the layer under correction: its model, and how that segments
    corrected: Sequence[CorrectedLayer]  # the layer under correction first, then those that were corrected before
    visible: ImagePlane  # of the first
    config: FineTuneConfig | TeachConfig
    best_start: bool  # whether to start from whichever model, this one or a built-in one, suits the corrections best
    untouched: Sequence[ImagePlane] = ()  # of open images without corrections
    more: Sequence[ImagePlane] = ()

    @property
    def compared(self) -> Sequence[ImagePlane]:
        """Where before and after are shown."""
        return [self.visible, *self.untouched[:1]]


@dataclass(frozen=True, eq=False)
class LearningResult:
    """The fine-tuned model, and labels of the planes that are compared; those before are empty without a model."""

    model: "Model"
    before: list[NDArray[np.uint32]]
    after: list[NDArray[np.uint32]]
    teacher: "Model | None" = None  # the tuned teacher of the model


_Planes: TypeAlias = tuple[list[NDArray[Any]], list[Corrections], list[NDArray[np.uint32]]]
"""Corrected planes as images of their own, ``(C, H, W)``, their corrections and labels."""


def iter_learn(
    learning: LearningRequest, finish: Flag, threads: Callable[[], int] = thread_count
) -> Job[LearningResult | None]:
    """Fine-tune a copy of a model, or distill one from a teacher that learned; segment what is compared with both.

    Yields improved labels of the visible plane every few seconds, as a preview. Once ``finish`` is set, the best model
    so far is the result; None, if nothing was gained. ``threads`` tells how many a distillation may use now.
    """
    request, config = learning.request, learning.config
    view = request.config
    shown = learning.visible.read()
    chosen = None if request.model is None else request.get_model(request.model)
    planes = yield from _iter_read(learning.corrected, len(shown))
    diameter: float | Literal["auto"] = "auto" if view.object_diameter is None else view.object_diameter
    keeps = isinstance(config, FineTuneConfig) and config.mode == "keep"
    # Compiling for another runtime takes longer than it saves. A model for these images carries their size.
    plain = SegmentConfig(
        runtime="torch", device=view.device, threads=view.threads, object_diameter=diameter if keeps else "auto"
    )
    teacher = None
    if isinstance(config, TeachConfig):
        begun = chosen if chosen is not None and chosen.card.kind == "teacher" else request.get_model(TEACHER)
        config = config.replace(fine_tune=config.fine_tune.replace(object_diameter=diameter))
        tuned, teacher = yield from _iter_teach(begun, planes, config, learning.more, finish, threads)
    else:
        from napari_grd.corrections.fine_tune import iter_fine_tune  # imports what trains

        def improved(model: "Model") -> dict[str, NDArray[np.uint32]]:
            return {SHOWN: partition_prediction(predict(model, shown, plain, axes="cyx"))}

        tuned = yield from iter_fine_tune(
            _starts(learning, config, chosen, len(shown)),
            *planes,
            config.replace(object_diameter=diameter),
            axes="cyx",
            others=[image.read() for image in learning.untouched],
            improved=improved,
            finish=finish.is_set,
        )
    if tuned is None or tuned is chosen:
        return None
    before, after = [], []
    for image, settings in zip(learning.compared, (view, plain), strict=False):
        pixels = image.read()
        old = np.zeros(pixels.shape[1:], np.uint32)
        if chosen is not None:
            old = yield from iter_segment_pixels(chosen, *seen_by(chosen, image, settings))
        before.append(old)
        after.append((yield from iter_segment(tuned, pixels, plain, axes="cyx")))
    return LearningResult(tuned, before, after, teacher)


def _iter_read(corrected: Sequence[CorrectedLayer], channels: int) -> Job[_Planes]:
    """The corrected planes of all layers that have so many channels."""
    planes: _Planes = ([], [], [])
    images, corrections, every_labels = planes
    watch = Stopwatch("Reading the corrected planes", sum(len(layer.labels) for layer in corrected))
    for layer in corrected:
        for plane, labels in layer.labels.items():
            yield watch.progress(len(images))
            image = layer.target.image_plane(plane).read()
            if len(image) != channels:
                note = f"{layer.target.layer.name!r} has {len(image)} channels instead of {channels} and is left out."
                yield Notice(note, category=None)
                continue
            made = [replace(correction, plane=()) for correction in layer.corrections if correction.plane == plane]
            images.append(image)
            corrections.append(Corrections(ImageRef(labels.shape), made))
            every_labels.append(labels)
    return planes


def _iter_teach(
    teacher: "Model",
    planes: _Planes,
    config: TeachConfig,
    more: Sequence[ImagePlane],
    finish: Flag,
    threads: Callable[[], int],
) -> "Job[tuple[Model | None, Model | None]]":
    """The student of a teacher that learned, also distilled on ``more`` but for empty planes, and that teacher.

    Stopped before there was a student, the best so far is the teacher. Two times None if that learned nothing.
    """
    from napari_grd.corrections.teach import iter_teach  # imports what trains
    from napari_grd.finetuning.channels import widened
    from napari_grd.models.networks import entry

    corrected = planes[0]
    if teacher.config.in_channels == 1 < len(corrected[0]):
        teacher = widened(teacher, len(corrected[0]))
    others: list[NDArray[Any]] = []
    watch = Stopwatch("Reading images", len(more))
    for number, plane in enumerate(more):
        yield watch.progress(number)
        image = plane.read()
        if np.ptp(image) > 0:
            others.append(image)
    stride = entry(config.distill.network.name).stride
    smallest = min(min(image.shape[1:]) for image in [*corrected, *others]) // stride * stride
    patch = max(_LEAST_PATCH, min(config.distill.patch, smallest))
    job = iter_teach(
        teacher,
        *planes,
        config.replace(distill=config.distill.replace(patch=patch)),
        axes="cyx",
        others=others,
        finish=finish.is_set,
    )
    # Its previews are of validation images, not of the visible plane.
    taught = yield from relay(
        leaving_room(job, threads), lambda event: None if isinstance(event, PreviewImages) else event
    )
    if not taught.tuned:
        return None, None
    return (taught.teacher, None) if taught.student is None else (taught.student, taught.teacher)


def _starts(learning: LearningRequest, config: FineTuneConfig, chosen: "Model | None", channels: int) -> "list[Model]":
    # What the chosen model knows can be kept by that model only.
    if chosen is not None and (not learning.best_start or config.mode == "keep"):
        return [chosen]
    from napari_grd.corrections.starts import fitting_starts, generalist_first  # imports what trains

    request = learning.request
    names = [name for name in builtin_paths() if name not in (request.model, *ONE_OBJECT)]
    fit = fitting_starts([request.get_model(name) for name in names], channels)
    return generalist_first(fit if chosen is None else [chosen, *fit])
