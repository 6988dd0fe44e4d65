"""Fine-tune a model on corrected images."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_grd.config import FineTuneConfig, SegmentConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.corrected_planes import as_list, corrected_images, corrected_planes
from napari_grd.corrections.starts import StartLike, starts_of
from napari_grd.data.inputs import as_image
from napari_grd.finetuning.candidate import Improved
from napari_grd.finetuning.fine_tune import iter_fit_known
from napari_grd.jobs import Event, Job, drain
from napari_grd.models.model import Model
from napari_grd.teaching.registry import TeacherLike, as_teacher


def iter_fine_tune(
    model: StartLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    others: Any = (),
    out_dir: str | Path | None = None,
    improved: Improved | None = None,
    finish: Callable[[], bool] | None = None,
) -> Job[Model]:
    """Fine-tune a model with corrections, as a job.

    Parameters
    ----------
    model, images, corrections, labels, config, axes, teacher, rehearsal, others, out_dir
        As for :func:`fine_tune`.
    improved : callable, optional
        Called every few seconds with the model so far; the dict of images that it returns is yielded as a preview.
    finish : callable, optional
        Asked at every step. Once it returns true, the best model so far is the result.

    Returns
    -------
    Job of Model
        Yields progress, metrics, notices and the saved file; its result is the new model.

    Raises
    ------
    CorrectionError, GrdError
        As :func:`fine_tune`, when the job is run.

    See Also
    --------
    fine_tune : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> from napari_grd.jobs import drain
    >>> drain(iter_fine_tune("nuclei", [], []))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    napari_grd.errors.CorrectionError: The corrections of 0 images leave no object to learn from. ...
    """
    config = config or FineTuneConfig()
    corrected = corrected_images(images, corrections, labels, axes)
    starts = starts_of(model, corrected)
    view = SegmentConfig(object_diameter=config.object_diameter, threads=config.threads)
    planes = corrected_planes(starts[0], corrected, view)
    return (
        yield from iter_fit_known(
            starts,
            [plane.image for plane in planes],
            [plane.labels for plane in planes],
            config,
            teacher=None if teacher is None else as_teacher(teacher),
            rehearsal=rehearsal,
            rehearsal_axes=axes,
            others=[as_image(image, axes, in_channels=starts[0].config.in_channels) for image in as_list(others)],
            out_dir=out_dir,
            improved=improved,
            finish=finish,
        )
    )


def fine_tune(
    model: StartLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    others: Any = (),
    out_dir: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Model:
    """Fine-tune a model on corrected objects.

    How far to go is decided by objects that are held out, in turns, and can be "not at all": then a warning says so and
    the model is returned as it is.

    Parameters
    ----------
    model : "auto", Model, str, Path, or list of these
        The model, or what :func:`napari_grd.api.load_model` takes. It stays as it is: to revert is to go on with it.
        Of a list, the first model is fine-tuned, unless another one segments the corrected objects clearly better (by
        0.1 and two standard errors). "auto": the list of the built-in students, ``cells`` first (for images of several
        channels also those of one channel, which then see their mean).
    images : array or sequence of arrays
        One bare array is one image, which can be a stack or a series.
    corrections : Corrections or sequence of Corrections
        One for each image. Only what :func:`napari_grd.api.training_labels` makes of them counts:
        all else is unlabeled, not background.
    labels : array or sequence of arrays, optional
        For each image its segmentation with the corrections in it, of the spatial shape of the image. Default: it is
        segmented here and the corrections are applied on it.
    config : FineTuneConfig, optional
        The recipe: how long, for these images only or to keep what the model knows, and at which object diameter.
    axes : str, optional
        Axes of every image, a letter an axis. Default: those of its corrections,
        and channels first or last if there is one more.
    teacher : Teacher, Model, str or Path, optional
        Whose predictions are rehearsed. Default: the model as it was, if it is of use on these images.
    rehearsal : array or sequence of arrays, optional
        For the mode "keep": images of what the model was made for, without labels. Default: simulated nuclei,
        which preserve less.
    others : array or sequence of arrays, optional
        More images like the corrected ones, each of one plane, without corrections: what is predicted on them is
        rehearsed, too.
    out_dir : path, optional
        Where ``tuned.grd.safetensors`` goes.
    on_event, cancelled : callable, optional
        As for :func:`napari_grd.api.train`.

    Returns
    -------
    Model
        A new one, whose card records the fine-tuning and its scores on held-out objects, and which segments images of
        this kind at their size without further settings. If nothing was gained, the given model that segments the
        corrected objects best.

    Raises
    ------
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
    before_after : Score the model before and after.
    training_labels : The labels that corrections give.
    distill : Train a new student.
    iter_fine_tune : The same as a job.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Draw
    >>> from napari_grd.corrections.region import Region
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> drawn = [Draw(Region.from_mask(labels == number)) for number in (1, 2, 3)]
    >>> corrections = Corrections(ImageRef.of(image), drawn)
    >>> tuned = fine_tune("auto", image, corrections, labels)  # doctest: +SKIP
    >>> job = iter_fine_tune("nuclei", image, corrections, labels, FineTuneConfig(steps=8))
    >>> [event.values["held-out objects"] for event in job if getattr(event, "kind", "") == "held-out"]
    [3.0]
    """
    job = iter_fine_tune(
        model,
        images,
        corrections,
        labels,
        config,
        axes=axes,
        teacher=teacher,
        rehearsal=rehearsal,
        others=others,
        out_dir=out_dir,
    )
    return drain(job, on_event, cancelled)
