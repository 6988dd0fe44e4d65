"""Segmentation of an image of any size into an OME-Zarr label image."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import zarr

import napari_grd
from napari_grd.blockwise.block_work import BlockWork
from napari_grd.blockwise.grid import BlockGrid, block_grid
from napari_grd.blockwise.join import iter_offsets, iter_table
from napari_grd.blockwise.scheduler import cluster, run_here, run_on_cluster
from napari_grd.blockwise.store import LabelStore
from napari_grd.config import SegmentConfig
from napari_grd.data.fingerprint import image_key, model_fingerprint
from napari_grd.errors import ConfigError, DataError, ImageError, NothingStandsOut
from napari_grd.hub import ModelLike, as_model
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.background import in_background
from napari_grd.inference.fit import fit_channels
from napari_grd.inference.rescale import grid_shape
from napari_grd.inference.sampling import sample_planes
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.statistics import NOTHING_STANDS_OUT
from napari_grd.inference.view import resolve_view, with_pixel_size
from napari_grd.io.calibration import Calibration
from napari_grd.io.disk import check_disk
from napari_grd.io.images import read_image
from napari_grd.io.lock import Lock
from napari_grd.io.names import image_stem, named
from napari_grd.io.ome_zarr_labels import add_pyramid, create_level, label_attributes
from napari_grd.jobs import Event, FileSaved, Job, Notice, Progress, Stopwatch, drain

_FAILURES = 20  # failed blocks after which the others are not tried
_SAMPLED, _CORNER = 5, 128  # blocks, and pixels of the side of their corners, that identify an image
_PLANES = 5  # planes that are measured if there is no object
_COMPRESSED = 0.1  # bytes on disk per byte of labels, at most, as measured; both copies


def iter_segment_zarr(
    model: ModelLike,
    source: Any,
    target: str | Path,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    series: str | int | None = None,
    channels: Sequence[str] | None = None,
    client: Any = None,
    workers: int = 0,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> Job[Path]:
    """Segment an image of any size into an OME-Zarr label image, as a job.

    Parameters
    ----------
    model, source, target, config, axes, series, channels, client, workers, scheduler, overwrite
        As for :func:`segment_zarr`.

    Returns
    -------
    Job of Path
        Yields progress at least twice a second; its result is the folder. If the job is stopped, the same call goes on.

    Raises
    ------
    GrdError
        As :func:`segment_zarr`, when the job is run.

    See Also
    --------
    segment_zarr : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, _ = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> with TemporaryDirectory() as folder:
    ...     drain(iter_segment_zarr("nuclei", image, Path(folder) / "labels.ome.zarr")).name
    'labels.ome.zarr'
    """
    model = as_model(model)
    if model.config.ndim != 2:
        raise ConfigError(f"The model {model.card.name!r} takes volumes.", "Choose a model for planes.")
    config = config or SegmentConfig()
    name, calibration = "array", None
    if isinstance(source, str | Path):
        image = read_image(source, series=series, axes=axes)
        if series is None and len(image.series_names) > 1:
            raise DataError(
                f"{str(source)!r} contains {len(image.series_names)} images: {named(image.series_names)}.",
                "Choose one by its name or index (series).",
            )
        names = ("red", "green", "blue") if image.is_rgb else [channel.name for channel in image.channels]
        fitted = fit_channels(model, image.pixels, image.axes, names=names, is_rgb=image.is_rgb, wanted=channels)
        yield from (Notice(note) for note in (*image.notes, fitted.note and f"{image.name}: {fitted.note}.") if note)
        source, axes, name, calibration = fitted.pixels, fitted.axes, image.name, image.calibration
        config = with_pixel_size(config, model.config, calibration.pixel_size)
    planes = ArraySource(source, axes, ndim=2, in_channels=model.config.in_channels)
    view = yield from in_background(
        lambda: resolve_view(cast(PlaneSource, planes), model.config, config),
        lambda: Progress("Analyzing the image", 0, 1),
    )
    yield from (Notice(note, category=None) for note in view.notes)
    shape = cast(tuple[int, int], planes.shape(0))
    scaled = cast(tuple[int, int], grid_shape(shape, view.scale))
    settings = view.config.partition or model.config.partition
    grid = block_grid(
        planes.plane_shape, shape, scaled, halo=view.config.halo, stride=model.stride, spacing=settings.stride
    )
    if planes.plane_shape and config.link:
        yield Notice("The objects of each plane are numbered separately: planes are not linked block by block.")
    path = Path(target)
    store = LabelStore(path, (*planes.plane_shape, *shape), grid.side)
    letters = [axis for axis in planes.axes if axis not in "cyx"] + ["y", "x"]
    place = _calibration(calibration, letters)
    made_by = {
        "program": f"napari-grd {napari_grd.__version__}",
        "model": model.card.name,
        "image": name,
        "config": view.config.model_dump(mode="json"),
        "block": grid.side,
    }
    identity = {
        **made_by,
        "model": model_fingerprint(model),
        "shape": list(store.shape),
        "pixels": _sampled_key(planes, grid),
    }
    with ExitStack() as stack:
        labels_bytes = 2 * 4 * math.prod(store.shape)
        yield from check_disk(_existing(path), round(_COMPRESSED * labels_bytes), "The labels")
        store.open(identity, overwrite=overwrite)
        stack.enter_context(Lock(store.work / "lock", f"The label image {str(path)!r}", "Wait for the other program."))
        work = BlockWork(model, planes, view, grid, store)
        if client is None and (workers or scheduler):
            client = stack.enter_context(cluster(workers, scheduler))
        yield from _iter_blocks(work, client)
        yield from _iter_finish(work, place, made_by)
    store.close()
    yield FileSaved(path, kind="labels")
    return path


def _iter_blocks(work: BlockWork, client: Any) -> Job[None]:
    """Segment the blocks that are not finished yet."""
    finished = work.store.finished()
    numbers = [number for number in range(len(work.grid)) if number not in finished]
    watch = Stopwatch("Segmenting blocks", len(work.grid), len(finished))
    done = len(finished)
    yield watch.progress(done)
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
    table = yield from iter_table(store, grid, offsets, 0.5 * settings.min_size / work.view.scale**2)
    group = zarr.open_group(store.path, mode="a", zarr_format=3)
    finest = create_level(group, 0, store.shape, np.uint32, calibration.axes)
    watch = Stopwatch("Writing labels", len(grid))
    for number in range(len(grid)):
        plane, _, _ = grid.place(number)
        core = grid.core(number)
        finest[(*plane, *core)] = store.relabeled(table, int(offsets[number]), plane, core)
        yield watch.progress(number + 1)
    levels = yield from in_background(
        lambda: add_pyramid(group, finest, calibration.axes), lambda: Progress("Writing the pyramid", 0, 1)
    )
    group.attrs.update(label_attributes(image_stem(store.path), calibration, [finest, *levels], made_by))
    _list_beside(store.path)


def _sampled_key(source: ArraySource, grid: BlockGrid) -> list[str]:
    """Keys of corners of a few blocks: a job does not go on with another image of the same name and shape."""
    keys = []
    for number in sorted({round(at) for at in np.linspace(0, len(grid) - 1, _SAMPLED)}):
        plane, _, _ = grid.place(number)
        rows, columns = grid.core(number)
        corner = (
            slice(rows.start, min(rows.stop, rows.start + _CORNER)),
            slice(columns.start, min(columns.stop, columns.start + _CORNER)),
        )
        keys.append(image_key(source.read(0, plane, corner)))
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
    known = [str(each) for each in listed] if isinstance(listed, list) else []
    return known if name in known else [*known, name]


def _calibration(known: Calibration | None, letters: Sequence[str]) -> Calibration:
    if known is None:
        return Calibration.of(letters)
    places = [known.axes.index(letter) for letter in letters]
    return Calibration(
        tuple(letters),
        *(tuple(values[at] for at in places) for values in (known.scale, known.translate, known.units)),  # type: ignore[arg-type]
    )


def _existing(path: Path) -> Path:
    """The nearest folder that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


def segment_zarr(
    model: ModelLike,
    source: Any,
    target: str | Path,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    series: str | int | None = None,
    channels: Sequence[str] | None = None,
    client: Any = None,
    workers: int = 0,
    scheduler: str | None = None,
    overwrite: bool = False,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Segment an image of any size into an OME-Zarr label image, block by block.

    Each block is segmented with its surroundings, and objects that continue in the next block are joined. Memory does
    not grow with the image. A call that was stopped, or whose process was killed, goes on when it is repeated.

    Parameters
    ----------
    model : Model, str or Path
        A model for planes, or its name or file, as for :func:`napari_grd.load_model`.
    source : str, Path, or numpy, dask or zarr array
        The image: a file or OME-Zarr, read part by part, or an array. Stacks and series are segmented plane by plane.
    target : str or Path
        Folder of the label image, OME-Zarr 0.5, conventionally ``name.ome.zarr``. In ``image.zarr/labels/name`` it is
        added to the list of that image's label images.
    config : SegmentConfig, optional
        As for :func:`napari_grd.segment`; ``link`` has no effect.
    axes : str, optional
        Axes of the image, as for :func:`napari_grd.segment`. Default: from the file.
    series : str or int, optional
        Of a file with several images, the name or index of one.
    channels : sequence of str, optional
        Channels to segment, by name or zero-based index. Default: those that match the model.
    client : dask.distributed.Client, optional
        Runs the blocks in the workers of a cluster, which need access to image and target.
    workers : int, default 0
        Start so many processes on this computer; 0: none, the blocks run in this process.
    scheduler : str, optional
        Address of a running dask scheduler, as ``tcp://host:8786``.
    overwrite : bool, default False
        Replace a label image that was written by this function.
    on_event : callable, optional
        Called with every event.
    cancelled : callable, optional
        Polled at every event, at least twice a second.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    GrdError
        If image, model and settings are incompatible, the target exists or cannot be written, or a block cannot be
        read: the message names the block, and the others are kept.
    Cancelled
        If ``cancelled`` returned true.

    See Also
    --------
    segment : In memory.

    Notes
    -----
    Intensities, noise and object size are those of the whole image, not of a block. The result equals that of
    :func:`napari_grd.segment` except where the partition near a border of blocks depends on pixels more than 64 pixels
    away.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, _ = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> with TemporaryDirectory() as folder:
    ...     path = segment_zarr("nuclei", image, Path(folder) / "labels.ome.zarr")
    ...     zarr.open_array(path / "0").shape
    (128, 128)
    """
    job = iter_segment_zarr(
        model,
        source,
        target,
        config,
        axes=axes,
        series=series,
        channels=channels,
        client=client,
        workers=workers,
        scheduler=scheduler,
        overwrite=overwrite,
    )
    return drain(job, on_event, cancelled)
