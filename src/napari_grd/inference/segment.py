"""Prediction of embedding, affinities and instances of an image."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.errors import NothingStandsOut
from napari_grd.hub import ModelLike, as_model
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.background import in_background
from napari_grd.inference.boxes import Box
from napari_grd.inference.memory import check_volume_memory
from napari_grd.inference.planes import OnPlane, PlaneIndex, iter_segment_planes
from napari_grd.inference.prediction import Prediction, join_predictions, label_plane
from napari_grd.inference.source import PlaneSource, read_patch
from napari_grd.inference.statistics import NOTHING_STANDS_OUT, SourceStatistics
from napari_grd.inference.task import prepare
from napari_grd.inference.view import Range, resolve_view, with_range
from napari_grd.jobs import Event, Job, Notice, Progress, Stopwatch, drain
from napari_grd.models.model import Model


def iter_predict(
    model: ModelLike,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    intensity_range: Range | PlaneStatistics | None = None,
) -> Job[Prediction]:
    """Run a model on an image, as a job.

    Parameters
    ----------
    model, image, config, axes, intensity_range
        As for :func:`predict`.

    Returns
    -------
    Job of Prediction
        Yields progress at least twice a second and after each tile; its result is the prediction.

    Raises
    ------
    ImageError, ConfigError
        As :func:`predict`, when the job is run.

    See Also
    --------
    predict : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> job = iter_predict("nuclei", np.zeros((40, 50)), SegmentConfig(runtime="torch"))
    >>> drain(job).embedding.shape
    (16, 40, 50)
    """
    model = as_model(model)
    settings, given = with_range(config or SegmentConfig(), intensity_range)
    model_config = model.config
    source = ArraySource(image, axes, ndim=model_config.ndim, in_channels=model_config.in_channels)
    view = yield from in_background(
        lambda: resolve_view(cast(PlaneSource, source), model_config, settings, given),
        lambda: Progress("Analyzing the image", 0, 1),
    )
    yield from (Notice(note, category=None) for note in view.notes)
    config = view.config
    statistics = SourceStatistics(cast(PlaneSource, source), 0, model_config, view)
    planes = np.ndindex(source.plane_shape)
    first = _read_whole(source, next(planes), model_config.in_channels)  # an invalid image is rejected before loading
    task = yield from prepare(model, source.shape(0), config)
    steps = len(task.tiles)
    watch = Stopwatch("Predicting", math.prod(source.plane_shape) * steps)
    predictions = []
    for number, plane in enumerate(np.ndindex(source.plane_shape)):
        done = number * steps
        pixels = first
        if number:
            pixels = yield from in_background(
                partial(_read_whole, source, plane, model_config.in_channels), partial(watch.progress, done)
            )
        measured = yield from in_background(partial(statistics.of, plane), partial(watch.progress, done))
        predictions.append((yield from task.predict(pixels, measured, watch, done)))
    return join_predictions(predictions, source.plane_shape) if source.plane_shape else predictions[0]


def iter_segment(
    model: ModelLike,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    intensity_range: Range | PlaneStatistics | None = None,
    on_plane: OnPlane | None = None,
    wanted: Callable[[PlaneIndex], bool] = lambda _plane: True,
) -> Job[NDArray[np.uint32]]:
    """Segment an image, as a job: yields Progress at least twice a second and after each tile and plane.

    ``on_plane`` is called with the index and the prediction of each plane that is ``wanted``; see
    :func:`~napari_grd.inference.planes.iter_segment_planes`.
    """
    model = as_model(model)
    config, statistics = with_range(config or SegmentConfig(), intensity_range)
    model_config = model.config
    source = ArraySource(image, axes, ndim=model_config.ndim, in_channels=model_config.in_channels)
    if model_config.ndim == 2:
        job = iter_segment_planes(
            cast(PlaneSource, source), model, config, measured=statistics, on_plane=on_plane, wanted=wanted
        )
        labels, _ = yield from job
    else:
        labels = yield from _iter_segment_volumes(model, source, config, statistics)
    return source.restored(labels)


def _iter_segment_volumes(
    model: Model, source: ArraySource, config: SegmentConfig, given: PlaneStatistics | None
) -> Job[NDArray[np.uint32]]:
    """Volumes, each as a whole; those of a series share no label."""
    view = resolve_view(cast(PlaneSource, source), model.config, config, given)
    yield from (Notice(note, category=None) for note in view.notes)
    config = view.config
    statistics = SourceStatistics(cast(PlaneSource, source), 0, model.config, view)
    task = yield from prepare(model, source.shape(0), config, for_labels=True)
    yield from check_volume_memory(model, math.prod(source.plane_shape), task.grid)
    steps = len(task.tiles) + 1  # the partition counts as one more
    watch = Stopwatch("Segmenting", math.prod(source.plane_shape) * steps)
    labels = np.zeros((*source.plane_shape, *task.shape), np.uint32)
    settings = config.partition or model.config.partition
    count = 0
    for number, index in enumerate(np.ndindex(source.plane_shape)):
        done = number * steps
        pixels = _read_whole(source, index, model.config.in_channels)
        measured = statistics.of(index)
        if not measured.scanned or bool((pixels == pixels.flat[0]).all()):
            yield Notice(NOTHING_STANDS_OUT, category=NothingStandsOut)
            continue
        prediction = yield from task.predict(pixels, measured, watch, done)
        beat = partial(watch.progress, done + steps - 1)
        volume = yield from in_background(partial(label_plane, prediction, settings), beat)
        volume[volume > 0] += np.uint32(count)
        count = max(count, int(volume.max()))
        labels[index] = volume
        yield watch.progress(done + steps)
    return labels


def _read_whole(source: ArraySource, plane: PlaneIndex, in_channels: int) -> NDArray[Any]:
    """A plane or volume, ``(C, *S)``, checked."""
    box = cast(Box, tuple(slice(0, size) for size in source.shape(0)))
    return read_patch(cast(PlaneSource, source), 0, plane, box, in_channels).pixels


def predict(
    model: ModelLike,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    intensity_range: Range | PlaneStatistics | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Prediction:
    """Run a model on an image.

    Parameters
    ----------
    model : Model, str or Path
        A model, or its name or file, as for :func:`napari_grd.load_model`. Its network is not changed.
    image : numpy, dask or zarr array
        One image. A 2D model takes a stack or series (``axes`` with a z or t) plane by plane;
        of a lazy array one plane, or one block of a large plane, is read at a time.
    config : SegmentConfig, optional
        Runtime, precision, tiles, and the size of objects or pixels.
    axes : str, optional
        One letter per axis, of t (time), c (channel), z, y and x, in any order with y before x, as "tzcyx".
        None: the model's spatial axes, and an extra axis is the channel if
        exactly one end of the image has the model's channels.
    intensity_range : (C, 2) float32 or PlaneStatistics, optional
        Intensities mapped to 0 and 1. Default: percentiles of this image (of each plane of a stack); for a crop pass
        those of the whole image.
    on_event : callable, optional
        Called with every event.
    cancelled : callable, optional
        Polled at every event, at least twice a second.

    Returns
    -------
    Prediction
        Embedding ``(C, *grid)``, foreground ``(*grid)`` or None; of a stack the axes of the planes come before the
        grid's, in the image's order.

    Raises
    ------
    ImageError
        If the image does not fit the model.
    ConfigError
        If the device is not available, or the image cannot be rescaled as requested.
    Cancelled
        If ``cancelled`` returned true.

    See Also
    --------
    segment : Also partitions the prediction into objects.
    partition : Partition a prediction.
    embed, affinities : At the image's own scale.

    Examples
    --------
    >>> from napari_grd.models.model import Model, ModelConfig
    >>> model = Model.create(ModelConfig())
    >>> predict(model, np.zeros((40, 50)), SegmentConfig(runtime="torch")).embedding.shape
    (16, 40, 50)
    """
    job = iter_predict(model, image, config, axes=axes, intensity_range=intensity_range)
    return drain(job, on_event, cancelled)


def embed(
    model: ModelLike, image: Any, config: SegmentConfig | None = None, *, axes: str | None = None
) -> NDArray[np.float32]:
    """Compute the embedding of every pixel of an image, which is not rescaled.

    Parameters
    ----------
    model, image, config, axes
        As for :func:`predict`.

    Returns
    -------
    (C, *S) float32
        One vector of length C for each pixel, not normalized.

    Raises
    ------
    ImageError
        If the image does not fit the model.
    ConfigError
        If the device is not available.

    See Also
    --------
    predict : Also returns the foreground probability.
    affinities : Cosine similarities of these embeddings.

    Examples
    --------
    >>> embed("nuclei", np.zeros((40, 50)), SegmentConfig(runtime="torch")).shape
    (16, 40, 50)
    """
    return _at_scale_1(model, image, config, axes).embedding


def affinities(
    model: ModelLike, image: Any, config: SegmentConfig | None = None, *, axes: str | None = None
) -> NDArray[np.float32]:
    """Compute the affinities of every pixel of an image, which is not rescaled (method.md, section 3).

    Parameters
    ----------
    model, image, config, axes
        As for :func:`predict`.

    Returns
    -------
    (K, *S) float32
        Cosine similarity of each pixel and its partner, one channel for each offset of the model
        (``model.config.offsets``); 0 where the partner is outside the image.

    Raises
    ------
    ImageError
        If the image does not fit the model.
    ConfigError
        If the device is not available.

    See Also
    --------
    embed : The embeddings that are compared.
    instance_graph : The graph of whole objects.

    Examples
    --------
    >>> affinities("nuclei", np.zeros((40, 50)), SegmentConfig(runtime="torch")).shape
    (10, 40, 50)
    """
    return _at_scale_1(model, image, config, axes).affinities()


def _at_scale_1(model: ModelLike, image: Any, config: SegmentConfig | None, axes: str | None) -> Prediction:
    model = as_model(model)
    # Told the diameter on the network's grid, the image is not rescaled.
    diameter = None if model.config.scale is None else model.config.grid_diameter
    config = (config or SegmentConfig()).replace(object_diameter=diameter, pixel_size=None, anisotropy=None)
    return predict(model, image, config, axes=axes)
