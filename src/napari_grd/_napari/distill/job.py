"""The distillation requested in the widget, as a job for a worker."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_grd._napari.distill.pieces import Piece
from napari_grd._napari.distill.teacher_picker import TeacherChoice
from napari_grd._napari.state import State
from napari_grd._napari.threads import leaving_room, threads_beside
from napari_grd.config import DistillConfig
from napari_grd.errors import ImageError, LabelError
from napari_grd.io.atomic import atomic_path, make_folder
from napari_grd.jobs import Job, Notice, Stopwatch

if TYPE_CHECKING:
    from napari_grd.models.model import Model
    from napari_grd.teaching.base import Teacher

SETTINGS = "settings.yaml"
"""Settings of a run, stored in its folder, so that it can be resumed after napari was closed."""

Images = list[NDArray[Any]]
LabelImages = list[NDArray[Any] | None]


@dataclass(frozen=True, eq=False)
class DistillRequest:
    """The complete input of a distillation, frozen when the button is pressed.

    Attributes
    ----------
    teacher : TeacherChoice
        The teacher.
    train, held : tuple of Piece
        Training and validation regions.
    folder : Path or None
        Folder of further training images.
    config : DistillConfig
        The recipe.
    out : Path
        Folder of this run; a run that was stopped there is resumed.
    cache : Path
        Cache folder for the teacher's predictions, shared by its students.
    cache_bytes : int
        Limit of the cache's size after the run.
    threads : int
        Maximum number of threads; 0 uses all but one.
    """

    teacher: TeacherChoice
    train: tuple[Piece, ...]
    held: tuple[Piece, ...]
    folder: Path | None
    config: DistillConfig
    out: Path
    cache: Path
    cache_bytes: int
    threads: int

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All regions of layers."""
        return self.train + self.held


def iter_distill_request(request: DistillRequest, state: State) -> "Job[Model]":
    """Read the images, load the teacher, distill.

    Parameters
    ----------
    request : DistillRequest
        What to do.
    state : State
        Shared state of the viewer: its models, and whether Live needs the processors.

    Raises
    ------
    GrdError
        If images, teacher or settings do not fit each other, or the folder cannot be written.
    """
    import napari_grd.api as grd
    from napari_grd.distillation.teacher_cache import prune

    make_folder(request.out)
    _keep_settings(request)
    model = state.get(request.teacher.name) if request.teacher.kind == "model" else None
    if model is not None:
        _check_channels(request, model)
    images, labels = yield from _read(request.train, "Reading images")
    held, held_labels = yield from _read(request.held, "Reading validation images")
    if request.folder is not None:
        more = yield from _read_folder(request.folder, len(images[0]) if images else _channels(model))
        images, labels = images + more[0], labels + more[1]
        held, held_labels = held + more[2], held_labels + more[3]
    images, labels = _without_empty(images, labels)
    teacher = _teacher(request, model, [*zip(images, labels, strict=True), *zip(held, held_labels, strict=True)], state)
    job = grd.iter_distill(
        teacher,
        images,
        labels,
        request.config,
        axes="cyx",
        validation=(held, _all_or_none(held_labels)) if held else 0.0,
        out_dir=request.out,
        cache_dir=request.cache,
    )
    student = yield from leaving_room(job, lambda: threads_beside(state.live, request.threads))
    for sentence in prune(request.cache, request.cache_bytes):
        yield Notice(sentence)
    return student


def read_settings(folder: Path) -> DistillConfig:
    """Settings of a run that was started in a folder.

    Raises
    ------
    ConfigError
        If there are none, or they cannot be read.
    """
    return DistillConfig.from_yaml(folder / SETTINGS)


def _keep_settings(request: DistillRequest) -> None:
    with atomic_path(request.out / SETTINGS) as temporary:
        temporary.write_text(request.config.to_yaml())


def _check_channels(request: DistillRequest, model: "Model") -> None:
    for piece in request.pieces[:1]:
        given, wanted = len(piece.source.channels), model.config.in_channels
        if given != wanted:
            raise ImageError(
                f"{given} channel(s) of {piece.source.layer.name!r} are chosen, the teacher takes {wanted}.",
                "Choose that many under Channels, or choose another teacher.",
            )


def _channels(model: "Model | None") -> int:
    return 1 if model is None else model.config.in_channels


def _read(pieces: Sequence[Piece], stage: str) -> Job[tuple[Images, LabelImages]]:
    images: Images = []
    labels: LabelImages = []
    watch = Stopwatch(stage, len(pieces))
    for done, piece in enumerate(pieces):
        yield watch.progress(done)
        image, truth = piece.read()
        images.append(image)
        labels.append(truth)
    yield watch.progress(len(pieces))
    return images, labels


def _read_folder(path: Path, channels: int) -> Job[tuple[Images, LabelImages, Images, LabelImages]]:
    """Images of a folder with their labels, split into training and validation; a single image is used for training."""
    from napari_grd.data.inputs import as_image
    from napari_grd.io.folders import iter_read

    dataset = yield from iter_read(path)
    train, held = dataset.hold_out(0.2) if len(dataset.images) > 1 else (dataset, dataset.take([]))

    def channels_first(image: NDArray[Any]) -> NDArray[Any]:
        if channels == 1 and dataset.axes == "yxc":  # a gray image stored as RGB
            return as_image(image.mean(-1), "yx")
        return as_image(image, dataset.axes, in_channels=channels)

    return (
        [channels_first(image) for image in train.images],
        train.labels,
        [channels_first(image) for image in held.images],
        held.labels,
    )


def _without_empty(images: Images, labels: LabelImages) -> tuple[Images, LabelImages]:
    """Leave out empty planes, with which series often begin and end."""
    kept = [i for i, image in enumerate(images) if image.min() != image.max()]
    if not kept:
        return images, labels  # the core raises the error
    return [images[i] for i in kept], [labels[i] for i in kept]


def _all_or_none(labels: LabelImages) -> LabelImages | None:
    """Ground truth for validation. If some is missing, the teacher's instances are used for all images."""
    return None if any(array is None for array in labels) else labels


def _teacher(request: DistillRequest, model: "Model | None", pairs: list[tuple[Any, Any]], state: State) -> "Teacher":
    from napari_grd.config import SegmentConfig
    from napari_grd.teaching.labels import LabelTeacher
    from napari_grd.teaching.options import parse_options
    from napari_grd.teaching.registry import load_teacher, options_of

    given_options = dict(request.teacher.options)
    if model is not None:
        given = {"source": model, "config": SegmentConfig(threads=threads_beside(state.live, request.threads))}
        options = tuple(option for option in options_of("model") if option.name not in given)
        return load_teacher("model", **given, **parse_options("model", options, given_options))
    if request.teacher.kind == "installed":
        name = request.teacher.name
        return load_teacher(name, **parse_options(name, options_of(name), given_options))
    missing = [piece.source.layer.name for piece in request.pieces if piece.labels is None]
    if missing:
        raise LabelError(
            f"The image {missing[0]!r} has no labels to learn from.",
            "Choose its Labels layer under Ground truth, or untick the image.",
        )
    labeled = [(image, labels) for image, labels in pairs if labels is not None]
    if len(labeled) < len(pairs):
        raise LabelError(
            f"{len(pairs) - len(labeled)} of {len(pairs)} images of the folder have no labels to learn from.",
            "Label them, leave them out, or choose a model as the teacher.",
        )
    return LabelTeacher(labeled, axes="cyx", name="labels")
