"""Teach a teacher by corrections, and distill a student from it."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import DistillConfig, TeachConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.corrected_planes import CorrectedImage, as_list, corrected_images
from napari_grd.corrections.fine_tune import iter_fine_tune
from napari_grd.corrections.teach_folder import TeachFolder, discard_begun, teach_key
from napari_grd.data.dataset import TeacherLayout
from napari_grd.data.inputs import as_image
from napari_grd.distillation.finish import model_path, so_far_path
from napari_grd.distillation.prepare import check_images
from napari_grd.distillation.recipes import check_channels, iter_distill
from napari_grd.distillation.stages import check_start
from napari_grd.errors import ConfigError, naming
from napari_grd.finetuning.candidate import Improved
from napari_grd.finetuning.held_out import HeldOut
from napari_grd.hub import ModelLike, as_model, load_model
from napari_grd.inference.sampling import sample_planes
from napari_grd.io.atomic import make_folder
from napari_grd.io.model_file import save_model
from napari_grd.jobs import Event, FileSaved, Job, Notice, Overall, Progress, StepMetrics, drain, relay
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.embedding import EmbeddingTeacher
from napari_grd.teaching.registry import TeacherLike, as_teacher

_PLANES = 32  # of a stack or series: a teacher takes seconds for each
_HALF = 0.5  # share of the progress bar for the teacher, if it is not known how long the stages take


@dataclass(frozen=True)
class Taught:
    """A teacher that learned from corrections, and its student.

    Attributes
    ----------
    teacher : Model
        The tuned teacher; the one that was given if nothing was gained.
    student : Model or None
        None if nothing was gained, or the job was stopped before there was one.
    held_out : HeldOut or None
        Scores of the teacher before and after, on corrected objects that it did not learn from; None with a single
        object.
    tuned : bool
        Whether the teacher learned something.
    """

    teacher: Model
    student: Model | None
    held_out: HeldOut | None
    tuned: bool


def iter_teach(
    teacher: TeacherLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: TeachConfig | None = None,
    *,
    axes: str | None = None,
    others: Any = (),
    start: ModelLike | None = None,
    out_dir: str | Path | None = None,
    improved: Improved | None = None,
    finish: Callable[[], bool] | None = None,
) -> Job[Taught]:
    """Teach a teacher by corrections and distill a student from it, as a job.

    Parameters
    ----------
    teacher, images, corrections, labels, config, axes, others, start, out_dir
        As for :func:`teach`.
    improved : callable, optional
        Called every few seconds with the teacher so far; the dict of images that it returns is yielded as a preview.
    finish : callable, optional
        Called at every step. Once it returns true, the result is the best teacher so far, and the student of its best
        validation so far, if there is one.

    Returns
    -------
    Job of Taught
        Yields progress, metrics, notices and saved files.

    Raises
    ------
    GrdError
        As :func:`teach`, when the job is run.

    See Also
    --------
    teach : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> drain(iter_teach("nuclei-teacher", [], []))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    napari_grd.errors.DataError: There are no images. ...
    """
    config = config or TeachConfig()
    taught_by = as_teacher(teacher)
    model, config = _tunable(taught_by, config)
    corrected, others = corrected_images(images, corrections, labels, axes), as_list(others)
    begun = None if start is None else as_model(start)
    recipe = config.distill
    if begun is not None:
        recipe = recipe.replace(network=begun.config.network, normalization=begun.config.normalization)
    shown = dict(_planes(model, corrected, others, axes))
    # Before minutes are spent on the teacher.
    check_images(shown, None, recipe, "cyx")
    check_channels(TeacherLayout(embedding=model.embedding_channels), recipe)
    if begun is not None:
        check_start(begun, recipe, model.config.in_channels)
    folder = None
    if out_dir is not None:
        folder = TeachFolder(make_folder(out_dir), teach_key(model, corrected, shown.values(), config.fine_tune))
    progress = _Stages(config, recipe)
    scores: dict[str, float] = {}

    def noted(event: Event) -> Event:
        if isinstance(event, StepMetrics) and event.kind == "held-out":
            scores.update(event.values)
        return progress.teaching(event)

    tuned = None if folder is None else folder.teacher()
    if tuned is not None:
        yield Notice(f"The teacher in {str(out_dir)!r} was tuned before: its distillation goes on.", category=None)
        scores.update({name: value for name, value in tuned.card.scores.items() if name.startswith("held-out")})
    else:
        job = iter_fine_tune(
            model,
            images,
            corrections,
            labels,
            config.fine_tune,
            axes=axes,
            others=others,
            improved=improved,
            finish=finish,
        )
        tuned = yield from relay(job, noted)
        if folder is not None and tuned is not model:
            yield FileSaved(folder.keep(tuned), kind="model")
    held_out = HeldOut.from_card(scores) if scores else None
    if tuned is model:
        yield Notice(
            f"No student is distilled, because the teacher {model.card.name!r} learned nothing from the corrections. To"
            " distill from it as it is, use distill."
        )
        return Taught(model, None, held_out, tuned=False)
    student = yield from _distilled(tuned, shown, recipe, begun, progress, finish, folder)
    if student is not None and folder is not None:
        yield FileSaved(save_model(student, model_path(folder.path, "student")), kind="model")
        discard_begun(folder.path)
    return Taught(tuned, student, held_out, tuned=True)


def _distilled(
    teacher: Model,
    images: dict[str, NDArray[Any]],
    config: DistillConfig,
    start: Model | None,
    progress: "_Stages",
    finish: Callable[[], bool] | None,
    folder: TeachFolder | None,
) -> Job[Model | None]:
    """The student; its best so far, or None, if the job is to finish early."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) if folder is None else nullcontext(folder.work) as out:
        job = iter_distill(teacher, images, None, config, axes="cyx", out_dir=out, start=start)
        try:
            while finish is None or not finish():
                try:
                    event = next(job)
                except StopIteration as end:
                    student: Model = end.value
                    return student
                if not isinstance(event, FileSaved):  # they are not the result
                    yield progress.distilling(event)
        finally:
            job.close()
        best = so_far_path(Path(out), "student")
        if best.exists():
            return load_model(best)
    yield Notice("The distillation was stopped before there was a student. The teacher is tuned.")
    return None


def _tunable(teacher: Teacher, config: TeachConfig) -> tuple[Model, TeachConfig]:
    """The model that is the teacher, and the settings with its object diameter, if one is given."""
    if not isinstance(teacher, EmbeddingTeacher):
        raise ConfigError(
            f"The teacher {teacher.name!r} cannot be tuned: it is not a model of napari-grd.",
            "Distill from it as it is, or choose a model as the teacher, e.g. 'nuclei-teacher'.",
        )
    if config.fine_tune.mode == "keep":
        raise ConfigError(
            "fine_tune.mode is 'keep', but a teacher is taught for the images that its student is distilled on.",
            "Set it to 'these_images'.",
        )
    diameter = teacher.config.object_diameter
    if isinstance(diameter, float | int) and config.fine_tune.object_diameter == "auto":
        config = config.replace(fine_tune=config.fine_tune.replace(object_diameter=diameter))
    return teacher.model, config


def _planes(
    model: Model, corrected: Sequence[CorrectedImage], others: Sequence[Any], axes: str | None
) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every image on which the student is distilled, channels first, with its name in messages.

    Of a corrected image the corrected planes and some others, evenly spaced.
    """
    channels = model.config.in_channels
    for number, image in enumerate(corrected):
        with naming(f"Image {number}"):
            read = image.reader(channels, hashed=False)
            made = {correction.plane for correction in image.corrections}
            for plane in sorted(made | {*sample_planes(image.corrections.image.shape[:-2], _PLANES)}):
                pixels = read(plane)
                if plane in made or np.ptp(pixels) > 0:  # a stack often begins and ends with empty planes
                    yield f"image {number}" + (f", plane {', '.join(map(str, plane))}" if plane else ""), pixels
    for number, other in enumerate(others):
        with naming(f"Other image {number}"):
            yield f"other image {number}", as_image(other, axes, in_channels=channels)


class _Stages:
    """Overall progress: of the teacher's part and the student's."""

    def __init__(self, config: TeachConfig, recipe: DistillConfig) -> None:
        self._left = None if recipe.minutes is None else 60 * recipe.minutes
        seconds = config.fine_tune.seconds
        self._first = _HALF if seconds is None or self._left is None else seconds / (seconds + self._left)

    def teaching(self, event: Event) -> Event:
        if not isinstance(event, Progress):
            return event
        left = None if event.left is None or self._left is None else event.left + self._left
        return replace(event, overall=Overall(self._first * event.share, left))

    def distilling(self, event: Event) -> Event:
        if not isinstance(event, Progress) or event.overall is None:
            return event
        done = self._first + (1 - self._first) * event.overall.done
        return replace(event, overall=Overall(done, event.overall.seconds_left))


def teach(
    teacher: TeacherLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: TeachConfig | None = None,
    *,
    axes: str | None = None,
    others: Any = (),
    start: ModelLike | None = None,
    out_dir: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Taught:
    """Teach a teacher by corrections, and distill a student from it.

    The teacher is fine-tuned as by :func:`fine_tune`: objects that are held out, in turns, decide how far to go. Of a
    large network only the last layers are trained, from features that the others compute once for each patch. Then
    a student is distilled on all images, without labels. If the teacher learned nothing, a warning says so and no
    student is distilled.

    Parameters
    ----------
    teacher : Model, str or Path
        A model of this package, e.g. ``"nuclei-teacher"``. It is not changed.
    images, corrections, labels
        As for :func:`fine_tune`.
    config : TeachConfig, optional
        Settings of both stages, ``fine_tune`` and ``distill``.
    axes : str, optional
        As for :func:`fine_tune`.
    others : array or sequence of arrays, optional
        More images like the corrected ones, each of one plane, without corrections, to distill on.
    start : Model, str or Path, optional
        Model whose network and weights the student begins with. Default: the network of ``config``, random weights.
    out_dir : path, optional
        Folder for ``teacher.grd.safetensors`` and ``student.grd.safetensors``. If the distillation is interrupted, the
        same call goes on with it.
    on_event, cancelled : callable, optional
        As for :func:`napari_grd.api.train`.

    Returns
    -------
    Taught
        The tuned teacher, the student, and the teacher's scores on held-out objects before and after.

    Raises
    ------
    ConfigError
        If the teacher is not a model of this package.
    CorrectionError
        If there is nothing to learn from, corrections are of another image, or they contradict each other.
    GrdError
        If images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` returned true.

    Warns
    -----
    GrdWarning
        If nothing was gained, or too little was corrected to know.

    See Also
    --------
    fine_tune : Fine-tune a student itself.
    distill : Distill from a teacher as it is.
    iter_teach : The same as a job.

    Notes
    -----
    Of a stack or series the student is distilled on the corrected planes and at most 32 others, evenly spaced.

    Examples
    --------
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Draw
    >>> from napari_grd.corrections.region import Region
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> drawn = [Draw(Region.from_mask(labels == number)) for number in (1, 2, 3)]
    >>> corrections = Corrections(ImageRef.of(image), drawn)
    >>> taught = teach("nuclei-teacher", image, corrections, labels, others=[image.T])  # doctest: +SKIP
    >>> labels = grd.segment(taught.student, image)  # doctest: +SKIP
    """
    job = iter_teach(
        teacher, images, corrections, labels, config, axes=axes, others=others, start=start, out_dir=out_dir
    )
    return drain(job, on_event, cancelled)
