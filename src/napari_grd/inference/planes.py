"""Segmentation of every plane of an image, block by block, with linked labels."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.errors import ConfigError, ImageError, NothingStandsOut
from napari_grd.inference.background import in_background
from napari_grd.inference.blocks import Block
from napari_grd.inference.canvas import Canvas
from napari_grd.inference.identity import Identities
from napari_grd.inference.memory import available_memory, check_segment_memory
from napari_grd.inference.prediction import Prediction, label_plane
from napari_grd.inference.region import at_level, bounds, keep_inside
from napari_grd.inference.source import PlaneSource, choose_level, read_patch, z_axis_of
from napari_grd.inference.stack import BYTES, FEWEST, LARGEST, is_compact, is_continuous, join_planes
from napari_grd.inference.statistics import NOTHING_STANDS_OUT, SourceStatistics
from napari_grd.inference.task import Task, prepare
from napari_grd.inference.view import resolve_view
from napari_grd.jobs import Job, Notice, Progress, Stopwatch
from napari_grd.models.model import Model

_APART = "Objects hardly continue from plane to plane: planes are linked by overlap, not by the shape of objects."
_TOO_LARGE = "The stack is too large to divide objects by their shape: planes are linked by overlap."

PlaneIndex = tuple[int, ...]
OnPlane = Callable[[PlaneIndex, Prediction], None]


def iter_segment_planes(
    source: PlaneSource,
    model: Model,
    config: SegmentConfig | None = None,
    *,
    region: NDArray[np.bool_] | None = None,
    measured: PlaneStatistics | None = None,
    on_plane: OnPlane | None = None,
    wanted: Callable[[PlaneIndex], bool] = lambda _plane: True,
) -> Job[tuple[NDArray[np.uint32], int]]:
    """Segment every plane of an image.

    Parameters
    ----------
    source : PlaneSource
        The image.
    model : Model
        A model for planes.
    config : SegmentConfig, optional
        ``link`` sets whether an object keeps its label across planes, ``stack`` how those of a z-stack are linked.
    region : (H, W) bool, optional
        At the finest level: only objects with at least half of their pixels in it are kept, in every plane.
    measured : PlaneStatistics, optional
        Statistics of every plane; default: each is measured.
    on_plane : callable, optional
        Called with the index and the prediction of each whole plane that is wanted.
    wanted : callable, optional
        Returns whether a plane is wanted.

    Yields
    ------
    Progress
        At least twice a second and after each tile.
    Notice
        If the image is rescaled or inverted, needs much of the available memory, or nothing in it exceeds the noise.

    Returns
    -------
    labels : (*planes, H, W) uint32
        At the level that was segmented. Consecutive from 1, 0 is background.
    level : int
        Level of the pyramid that was segmented.

    Raises
    ------
    GrdError
        If image, model and settings are incompatible, or it needs more memory than available.

    Notes
    -----
    Memory contains the labels, and the prediction of one block of a plane. Only for ``on_plane`` a plane of several
    blocks is predicted again as a whole.
    """
    config = config or SegmentConfig()
    if model.config.ndim != 2:
        raise ConfigError(f"The model {model.card.name!r} takes volumes.", "Choose a model for planes.")
    settings = config
    view = yield from in_background(
        lambda: resolve_view(source, model.config, settings, measured), lambda: Progress("Analyzing the image", 0, 1)
    )
    yield from (Notice(note, category=None) for note in view.notes)
    config = view.config
    level = choose_level([source.downsample(number) for number in range(source.levels)], view.scale)
    shape = source.shape(level)
    task = yield from prepare(model, shape, config, downsample=source.downsample(level), for_labels=on_plane is None)
    statistics = SourceStatistics(source, level, model.config, view)
    inside = None if region is None else at_level(region, shape)
    blocks = task.blocks(None if inside is None else bounds(inside))
    planes: list[PlaneIndex] = list(np.ndindex(source.plane_shape))
    yield from check_segment_memory(model, source.plane_shape, shape, blocks, config.tile)
    canvas = Canvas(source.plane_shape, shape, linked=config.link)
    steps = sum(task.steps(block) + 1 for block in blocks)  # the partition counts as one more
    watch = Stopwatch("Segmenting", len(planes) * steps)
    done = 0
    for plane in planes:
        keep = on_plane if on_plane is not None and wanted(plane) else None
        for block in blocks:
            prediction = yield from _predict(task, source, level, plane, block, statistics, watch, done)
            done += task.steps(block)
            labels = yield from _label(prediction, config, watch, done)
            canvas.paint(plane, block.pixels, labels, core=None if len(blocks) == 1 else block.inner)
            if keep is not None and len(blocks) == 1:
                keep(plane, prediction)
            del prediction, labels  # release them before the next block
            done += 1
            yield watch.progress(done)
        if keep is not None and len(blocks) > 1:
            keep(plane, (yield from _predict_whole(task, source, level, plane, statistics, watch, done)))
        if inside is not None:
            keep_inside(canvas.labels[plane], inside)
    if statistics.nothing_scanned:
        raise ImageError("No pixel of the image has a number: all are NaN or infinite.", "Check how it was written.")
    if statistics.nothing_stands_out and not canvas.labels.any():
        yield Notice(NOTHING_STANDS_OUT, category=NothingStandsOut)
    z_axis = z_axis_of(source)
    if config.link and z_axis is not None and is_compact(model.config, config):
        spacing = None if config.anisotropy is None else config.anisotropy / source.downsample(level)
        asked = config.stack == "shape"
        notes = yield from in_background(
            lambda: _join_stacks(canvas.labels, z_axis, spacing, asked), lambda: watch.progress(len(planes) * steps)
        )
        yield from map(Notice, sorted(notes))
    return _numbered(canvas.labels), level


def _join_stacks(labels: NDArray[np.uint32], z_axis: int, spacing: float | None, asked: bool) -> set[str]:
    """Join the planes of each z-stack of ``(*planes, H, W)``, linked by overlap, in place, and link stacks in time.

    Thin stacks remain as they are; so do those that are too large and, unless ``asked``, those whose objects do not
    continue from plane to plane. The result says why.
    """
    stacks = np.moveaxis(labels, z_axis, -3)
    if stacks.shape[-3] < FEWEST:
        return set()
    available = available_memory()
    largest = LARGEST if available is None else min(LARGEST, available // BYTES)
    identities = Identities()
    notes = set()
    for index in np.ndindex(stacks.shape[:-3]):
        joined = None
        if not asked and not is_continuous(stacks[index]):
            notes.add(_APART)
        elif (joined := join_planes(stacks[index], spacing, largest)) is None:
            notes.add(_TOO_LARGE)
        before = [
            stacks[(*index[:axis], position - 1, *index[axis + 1 :])] for axis, position in enumerate(index) if position
        ]
        ids = identities.assign(stacks[index] if joined is None else joined, *before, others=len(before))
        stacks[index] = ids[stacks[index] if joined is None else joined]
    return notes


def _predict(
    task: Task,
    source: PlaneSource,
    level: int,
    plane: PlaneIndex,
    block: Block,
    statistics: SourceStatistics,
    watch: Stopwatch,
    done: int,
) -> Job[Prediction]:
    channels = task.model.config.in_channels
    patch = yield from in_background(
        lambda: read_patch(source, level, plane, block.read, channels), lambda: watch.progress(done)
    )
    measured = yield from in_background(lambda: statistics.of(plane), lambda: watch.progress(done))
    return (yield from task.predict_block(patch.pixels, block, measured, watch, done))


def _predict_whole(
    task: Task,
    source: PlaneSource,
    level: int,
    plane: PlaneIndex,
    statistics: SourceStatistics,
    watch: Stopwatch,
    done: int,
) -> Job[Prediction]:
    height, width = task.shape
    box = slice(0, height), slice(0, width)
    patch = read_patch(source, level, plane, box, task.model.config.in_channels)
    # Tiles of the whole plane are not part of the reported total.
    silent = Stopwatch(watch.stage, watch.total)
    job = task.predict(patch.pixels, statistics.of(plane), silent, 0)
    while True:
        try:
            next(job)
        except StopIteration as end:
            prediction: Prediction = end.value
            return prediction
        yield watch.progress(done)


def _label(prediction: Prediction, config: SegmentConfig, watch: Stopwatch, done: int) -> Job[NDArray[np.uint32]]:
    settings = config.partition or prediction.config.partition
    return (yield from in_background(lambda: label_plane(prediction, settings), lambda: watch.progress(done)))


def _numbered(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Renumber from 1 consecutively, in place: ids of replaced objects are missing."""
    present = np.zeros(int(labels.max(initial=0)) + 1, bool)
    planes = labels.reshape(-1, *labels.shape[-2:])
    for plane in planes:
        present[plane.ravel()] = True
    present[0] = False
    if present[1:].all():
        return labels
    numbers = np.where(present, np.cumsum(present), 0).astype(np.uint32)
    for plane in planes:
        plane[...] = numbers[plane]
    return labels
