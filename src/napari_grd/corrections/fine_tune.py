"""Fine-tuning as a script calls it: models and teachers by name, and the job driven to its end."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari_grd.config import FineTuneConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.learn import iter_learn
from napari_grd.hub import ModelLike, as_model
from napari_grd.jobs import Event, Job, drain
from napari_grd.models import Model
from napari_grd.teaching.registry import TeacherLike, as_teacher


def iter_fine_tune(
    model: ModelLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    out_dir: str | Path | None = None,
) -> Job[Model]:
    """Fine-tune a model with corrections, as a job.

    Parameters
    ----------
    model, images, corrections, labels, config, axes, teacher, rehearsal, out_dir
        As for :func:`fine_tune`.

    Returns
    -------
    Job of Model
        Yields progress, metrics and the saved file; its result is the new model.

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
    return iter_learn(
        as_model(model),
        images,
        corrections,
        labels,
        config,
        axes=axes,
        teacher=None if teacher is None else as_teacher(teacher),
        rehearsal=rehearsal,
        out_dir=out_dir,
    )


def fine_tune(
    model: ModelLike,
    images: Any,
    corrections: Corrections | Sequence[Corrections],
    labels: Any = None,
    config: FineTuneConfig | None = None,
    *,
    axes: str | None = None,
    teacher: TeacherLike | None = None,
    rehearsal: Any = None,
    out_dir: str | Path | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Model:
    """Let a model learn what a person corrected, without forgetting what it knows.

    Parameters
    ----------
    model : Model, str or Path
        The model, or what :func:`napari_grd.api.load_model` takes. It stays as it is: to revert is to go on with it.
    images : array or sequence of arrays
        One bare array is one image, which can be a stack or a series.
    corrections : Corrections or sequence of Corrections
        One for each image. Only what :func:`napari_grd.api.training_labels` makes of them counts:
        all else is masked, not background.
    labels : array or sequence of arrays, optional
        For each image its segmentation with the corrections in it, of the spatial shape of the image. Default: it is
        segmented here and the corrections are applied on it.
    config : FineTuneConfig, optional
        The recipe: how long, how much of it is rehearsal, and at which object diameter.
    axes : str, optional
        Axes of every image, a letter an axis. Default: those of its corrections,
        and channels first or last if there is one more.
    teacher : Teacher, Model, str or Path, optional
        Whose graphs stay in the loss on rehearsed images. Default: the model as it was.
    rehearsal : array or sequence of arrays, optional
        Images of what the model was made for, without labels; they say better than simulated nuclei, the default,
        what not to forget.
    out_dir : path, optional
        Where ``tuned.grd.safetensors`` goes.
    on_event, cancelled : callable, optional
        As for :func:`napari_grd.api.train`.

    Returns
    -------
    Model
        A new one, whose card says what it was tuned with.

    Raises
    ------
    CorrectionError
        If there is nothing to learn from, or corrections are of another image.
    GrdError
        If images, labels or settings cannot be used.
    Cancelled
        If ``cancelled`` answered true.

    See Also
    --------
    before_after : Score the model before and after.
    training_labels : The labels that corrections give.
    distill : Train a new student.
    iter_fine_tune : The same as a job.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_grd.corrections import Accept, ImageRef, Region
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> right = labels == labels[64, 64] if labels[64, 64] else labels == 1
    >>> pixel = tuple(int(at) for at in np.argwhere(right)[0])
    >>> corrections = Corrections(ImageRef.of(image), [Accept(pixel, Region.from_mask(right))])
    >>> tuned = fine_tune("nuclei", image, corrections, labels, FineTuneConfig(steps=2))
    >>> tuned.card.recipe["fine_tune"]["steps_taken"]
    2
    """
    job = iter_fine_tune(
        model, images, corrections, labels, config, axes=axes, teacher=teacher, rehearsal=rehearsal, out_dir=out_dir
    )
    return drain(job, on_event, cancelled)
