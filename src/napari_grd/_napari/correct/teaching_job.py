"""The job of Learn with a teacher: teach it by the corrections, then distill a student from it on all open images."""

from collections.abc import Callable, Sequence
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.threads import leaving_room
from napari_grd.config import TeachConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.hub import TEACHER
from napari_grd.jobs import Event, Job, PreviewImages, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.corrections.teach import Taught
    from napari_grd.models.model import Model

_LEAST = 32  # smallest side of a patch


def iter_teach_on_layers(
    known: "Model | None",
    images: Sequence[NDArray[Any]],
    corrections: Sequence[Corrections],
    labels: Sequence[NDArray[np.uint32]],
    config: TeachConfig,
    more: Sequence[Callable[[], NDArray[Any]]],
    get_model: "Callable[[str], Model]",
    threads: Callable[[], int],
    finish: Flag | None = None,
) -> "Job[Taught]":
    """Teach the chosen model, if it is a teacher, or the built-in one, and distill a student.

    Parameters
    ----------
    known : Model or None
        The chosen model.
    images : sequence of (C, H, W) arrays
        The corrected planes.
    corrections, labels : sequence
        Of each.
    config : TeachConfig
        The patch of the distillation is made smaller if an image is.
    more : sequence of callables
        Read planes without corrections, ``(C, H, W)``, to distill on; empty ones are left out.
    get_model : callable
        Gives the model of a name.
    threads : callable
        How many threads the distillation may use now.
    finish : threading.Event, optional
        Once set, the result is the best so far.

    Raises
    ------
    GrdError
        If there is nothing to learn from, or the images do not fit the teacher.
    """
    from napari_grd.corrections.teach import iter_teach  # imports what trains
    from napari_grd.finetuning.channels import widened
    from napari_grd.models.networks import entry

    teacher = known if known is not None and known.card.kind == "teacher" else get_model(TEACHER)
    channels = len(images[0])
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
    smallest = min(min(image.shape[1:]) for image in [*images, *others]) // stride * stride
    distill = config.distill.replace(patch=max(_LEAST, min(config.distill.patch, smallest)))

    def hidden(event: Event) -> Event | None:
        return None if isinstance(event, PreviewImages) else event  # of validation images, not of the visible plane

    job = iter_teach(
        teacher,
        list(images),
        list(corrections),
        list(labels),
        config.replace(distill=distill),
        axes="cyx",
        others=others,
        finish=None if finish is None else finish.is_set,
    )
    return (yield from relay(leaving_room(job, threads), hidden))
