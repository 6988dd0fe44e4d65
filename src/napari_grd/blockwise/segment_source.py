"""Segmentation of any source of planes into an OME-Zarr label image, block by block."""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import zarr

import napari_grd
from napari_grd.blockwise.block_work import BlockWork, predicts_at_once
from napari_grd.blockwise.grid import BlockGrid, block_grid
from napari_grd.blockwise.join import iter_offsets, iter_table
from napari_grd.blockwise.overview import Overview
from napari_grd.blockwise.scheduler import cluster, run_here, run_on_cluster
from napari_grd.blockwise.store import JOB, LabelStore, job_key
from napari_grd.config import SegmentConfig
from napari_grd.data.fingerprint import image_key, model_fingerprint
from napari_grd.errors import DataError, ImageError, NothingStandsOut, OutputError
from napari_grd.inference.background import in_background
from napari_grd.inference.boxes import Box, size_of
from napari_grd.inference.memory import at_once_bytes, check_memory, segment_bytes
from napari_grd.inference.rescale import depth_factor, grid_shape
from napari_grd.inference.sampling import sample_planes
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.statistics import NOTHING_STANDS_OUT
from napari_grd.inference.view import resolve_view
from napari_grd.io.calibration import Calibration
from napari_grd.io.disk import check_disk
from napari_grd.io.lock import Lock
from napari_grd.io.names import image_stem
from napari_grd.io.ome_zarr_labels import add_pyramid, create_level, label_attributes
from napari_grd.io.remote import address_of
from napari_grd.jobs import FileSaved, Job, Notice, Progress, Stopwatch
from napari_grd.models.compact import compact
from napari_grd.models.model import Model

_FAILURES = 20  # failed blocks after which the others are not tried
_SAMPLED, _CORNER = 5, 128  # blocks, and pixels of the side of their corners, that identify an image
_PLANES = 5  # planes that are measured if there is no object
_COMPRESSED = 0.1  # bytes on disk per byte of labels, at most, as measured; both copies


def iter_segment_source(
    model: Model,
    source: PlaneSource,
    target: str | Path,
    config: SegmentConfig,
    *,
    calibration: Calibration,
    name: str,
    client: Any = None,
    workers: int = 0,
    scheduler: str | None = None,
    overwrite: bool = False,
    previews: bool = False,
) -> Job[Path]:
    """Segment planes block by block, as a job.

    Parameters
    ----------
    model : Model
    source : PlaneSource
        The image; of planes or volumes, as the model.
    target, config, client, workers, scheduler, overwrite
        As for :func:`napari_grd.segment_zarr`.
    calibration : Calibration
        Of the labels: an axis for every axis of planes, then those of the model's images.
    name : str
        Name of the image, for the provenance.
    previews : bool, default False
        Yield `PreviewImages` with each finished block: ``labels`` are those of every ``spacing``-th pixel, in memory
        that later blocks are written to.

    Returns
    -------
    Job of Path
        Its result is the folder. If the job is stopped, the same call goes on; if it is finished, nothing is computed.

    Raises
    ------
    GrdError
        As :func:`napari_grd.segment_zarr`, when the job is run.
    """
    view = yield from in_background(
        lambda: resolve_view(source, model.config, config),
        lambda: Progress("Analyzing the image", 0, 1),
    )
    yield from (Notice(note, category=None) for note in view.notes)
    shape = source.shape(0)
    scaled = grid_shape(shape, view.scale, depth_factor(model.config, view.config))
    settings = view.config.partition or model.config.partition
    grid = block_grid(
        source.plane_shape,
        shape,
        scaled,
        halo=network_halo(model, view.config),
        stride=model.strides,
        spacing=settings.stride,
    )
    if source.plane_shape and config.link:
        what = "plane" if model.config.ndim == 2 else "volume"
        yield Notice(f"The objects of each {what} are numbered separately: {what}s are not linked block by block.")
    path = Path(target)
    if address := address_of(path):
        raise OutputError(f"{address!r} is not on this computer.", "Name a folder: only the image may be an address.")
    store = LabelStore(path, (*source.plane_shape, *shape), grid.sides)
    made_by = {
        "program": f"napari-grd {napari_grd.__version__}",
        "model": model.card.name,
        "image": name,
        "config": view.config.model_dump(mode="json"),
        "block": grid.sides[0] if len(grid.sides) == 2 else list(grid.sides),
    }
    identity = {
        **made_by,
        "model": model_fingerprint(model),
        "shape": list(store.shape),
        "pixels": _sampled_key(source, grid),
    }
    if not overwrite and store.is_result_of(identity):
        store.close()  # a process was killed while it did
        yield Notice(f"{str(path)!r} is finished already: nothing is computed again.", category=None)
        yield FileSaved(path, kind="labels")
        return path
    if scheduler is None and client is None:
        yield from _check_block_memory(model, grid, view.config, max(1, workers))
    with ExitStack() as stack:
        labels_bytes = 2 * 4 * math.prod(store.shape)
        yield from check_disk(_existing(path), round(_COMPRESSED * labels_bytes), "The labels")
        store.open(identity, overwrite=overwrite)
        stack.enter_context(Lock(store.work / "lock", f"The label image {str(path)!r}", "Wait for the other program."))
        if not store.is_written:  # else a process was killed right before its end
            work = BlockWork(model, source, view, grid, store)
            if client is None and (workers or scheduler):
                client = stack.enter_context(cluster(workers, scheduler))
            yield from _iter_blocks(work, client, previews=previews)
            yield from _iter_finish(work, calibration, made_by | {JOB: job_key(identity)})
        _list_beside(path)
    store.close()
    yield FileSaved(path, kind="labels")
    return path


def network_halo(model: Model, config: SegmentConfig) -> tuple[int, ...]:
    """Context of the network along each axis: no more than it sees, and at least what it removes."""
    reach = model.entry.halo if model.config.ndim == 3 else None
    given = (config.halo,) * model.config.ndim
    if reach is None:
        return given
    return tuple(max(min(most, halo), margin) for most, halo, margin in zip(reach, given, model.margin, strict=True))


def _check_block_memory(model: Model, grid: BlockGrid, config: SegmentConfig, processes: int) -> Job[None]:
    inner = [min(count - 1, 1) for count in grid.counts]  # with surroundings on most sides
    largest = grid.block(int(np.ravel_multi_index(inner, grid.counts)))
    if predicts_at_once(model, grid, config):
        needed = at_once_bytes(math.prod(size_of(largest.seen)))
    else:
        _, needed = segment_bytes(compact(model), (), grid.shape, [largest], config.tile)
    several = "" if processes == 1 else f" in each of {processes} processes"
    what = f"a block of {' x '.join(map(str, size_of(largest.seen)))} pixels{several}"
    yield from check_memory(processes * needed, what, "Start fewer workers, or close other programs.")


def _iter_blocks(work: BlockWork, client: Any, *, previews: bool) -> Job[None]:
    """Segment the blocks that are not finished yet."""
    finished = work.store.finished()
    numbers = work.grid.by_size([number for number in range(len(work.grid)) if number not in finished])
    watch = Stopwatch("Segmenting blocks", len(work.grid), len(finished))
    done = len(finished)
    yield watch.progress(done)
    overview = Overview(work.store, work.grid) if previews else None
    if overview is not None:
        for number in sorted(finished):
            yield overview.add(number)
    failures: dict[int, str] = {}
    outcomes = run_here(work, numbers) if client is None else run_on_cluster(work, numbers, client)
    try:
        for outcome in outcomes:
            if outcome is not None:
                number, problem = outcome
                if problem:
                    failures[number] = problem
                    if len(failures) >= min(_FAILURES, len(numbers)):
                        break
                else:
                    done += 1
                    if overview is not None:
                        yield overview.add(number)
            yield watch.progress(done)
    finally:
        outcomes.close()
    if failures:
        number, problem = min(failures.items())
        others = f" {len(failures) - 1} other block(s) failed, too." if len(failures) > 1 else ""
        raise DataError(
            f"{work.grid.describe(number).capitalize()} cannot be segmented: {problem.rstrip('.')}.{others}",
            f"The {done} finished blocks are kept: correct the cause and run the same call again.",
        )


def _iter_finish(work: BlockWork, calibration: Calibration, made_by: Mapping[str, Any]) -> Job[None]:
    """Join objects across blocks, and write the pyramid with its metadata."""
    store, grid = work.store, work.grid
    offsets = yield from iter_offsets(store, grid)
    if not offsets[-1]:
        yield from _iter_why_empty(work)
    settings = work.view.config.partition or work.model.config.partition
    # Half, because resampling an object to the image's pixels changes its size a little.
    smallest = 0.5 * settings.min_size * math.prod(grid.shape) / math.prod(grid.grid)
    table = yield from iter_table(store, grid, offsets, smallest)
    group = zarr.open_group(store.path, mode="a", zarr_format=3)
    finest = create_level(group, 0, store.shape, np.uint32, calibration.axes)
    watch = Stopwatch("Writing labels", len(grid))
    for number in range(len(grid)):
        plane, _ = grid.place(number)
        core = grid.core(number)
        finest[(*plane, *core)] = store.relabeled(table, int(offsets[number]), plane, core)
        yield watch.progress(number + 1)
    levels = yield from in_background(
        lambda: add_pyramid(group, finest, calibration.axes), lambda: Progress("Writing the pyramid", 0, 1)
    )
    group.attrs.update(label_attributes(image_stem(store.path), calibration, [finest, *levels], made_by))


def _sampled_key(source: PlaneSource, grid: BlockGrid) -> list[str]:
    """Keys of corners of a few blocks: a job does not go on with another image of the same name and shape."""
    keys = []
    for number in sorted({round(value) for value in np.linspace(0, len(grid) - 1, _SAMPLED)}):
        plane, _ = grid.place(number)
        corner = tuple(slice(span.start, min(span.stop, span.start + _CORNER)) for span in grid.core(number))
        keys.append(image_key(source.read(0, plane, cast(Box, corner))))
    return keys


def _iter_why_empty(work: BlockWork) -> Job[None]:
    """Report if there is no object because there is nothing to see in a few of the planes."""
    for plane in sample_planes(work.grid.plane_shape, _PLANES):
        yield from in_background(partial(work.statistics.of, plane), lambda: Progress("Analyzing the image", 0, 1))
    if work.statistics.nothing_scanned:
        raise ImageError("No pixel of the image has a number: all are NaN or infinite.", "Check how it was written.")
    if work.statistics.nothing_stands_out:
        yield Notice(NOTHING_STANDS_OUT, category=NothingStandsOut)


def _list_beside(path: Path) -> None:
    """Add a label image in ``image.zarr/labels`` to the list of that image's label images."""
    labels, image = path.parent, path.parent.parent
    if labels.name != "labels" or not any((image / name).exists() for name in ("zarr.json", ".zgroup")):
        return
    version: Literal[2, 3] = 3 if (image / "zarr.json").exists() else 2
    group = zarr.open_group(labels, mode="a", zarr_format=version)
    if version == 2:
        group.attrs["labels"] = _with(group.attrs.get("labels"), path.name)
        return
    ome: Any = group.attrs.get("ome")
    ome = dict(ome) if isinstance(ome, Mapping) else {"version": "0.5"}
    group.attrs["ome"] = ome | {"labels": _with(ome.get("labels"), path.name)}


def _with(listed: Any, name: str) -> list[str]:
    names = [str(each) for each in listed] if isinstance(listed, list) else []
    return names if name in names else [*names, name]


def _existing(path: Path) -> Path:
    """The nearest folder that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
