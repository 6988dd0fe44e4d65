"""From an image to its embedding, affinities and instances."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.inference.background import in_background
from napari_grd.inference.prediction import Prediction, join_planes, join_predictions, partition_prediction
from napari_grd.inference.task import Range, prepare
from napari_grd.jobs import Event, Job, Progress, Stopwatch, drain
from napari_grd.models import Model


def iter_predict(
    model: Model,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    intensity_range: Range | None = None,
) -> Job[Prediction]:
    """:func:`predict` as a job: yields Progress at least twice a second and after each tile."""
    task = yield from prepare(model, image, config or SegmentConfig(), axes, intensity_range)
    steps = len(task.tiles)
    watch = Stopwatch("Predicting", task.count * steps)
    planes = []
    for number, plane in enumerate(task.planes):
        planes.append((yield from task.predict_plane(plane, watch, number * steps)))
    return join_predictions(planes) if task.is_stack else planes[0]


def iter_segment(
    model: Model,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    intensity_range: Range | None = None,
    on_plane: Callable[[int, Prediction], None] | None = None,
) -> Job[NDArray[np.uint32]]:
    """:func:`segment` as a job: yields Progress at least twice a second and after each tile and plane.

    Of a stack, the embedding of only one plane is in memory at a time; ``on_plane`` is called with its number and it.
    """
    config = config or SegmentConfig()
    task = yield from prepare(model, image, config, axes, intensity_range)
    steps = len(task.tiles) + 1  # the partition counts as one more
    watch = Stopwatch("Segmenting", task.count * steps)
    planes = []
    for number, plane in enumerate(task.planes):
        done = number * steps
        prediction = yield from task.predict_plane(plane, watch, done)
        if on_plane is not None:
            on_plane(number, prediction)
        planes.append((yield from _partition(prediction, config, watch.progress(done + steps - 1))))
        yield watch.progress(done + steps)
    return join_planes(planes) if task.is_stack else planes[0]


def predict(
    model: Model,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    intensity_range: Range | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Prediction:
    """Run a model on an image.

    Parameters
    ----------
    model : Model
        The model; its network is left as it is.
    image : numpy, dask or zarr array
        One image. A 2D model takes a stack (``axes`` with a z) plane by plane.
    config : SegmentConfig, optional
        Runtime, precision, tiles, and the size of objects or pixels.
    axes : {"yx", "cyx", "yxc", "zyx", "czyx", "zyxc"}, optional
        Order of the axes. None: the model's spatial axes, and an extra axis is
        the channel if exactly one end of the image has the model's channels.
    intensity_range : (C, 2) float32, optional
        Intensities that become 0 and 1. Default: percentiles of this image (of
        each plane of a stack); pass those of the whole image with a crop of it.
    on_event : callable, optional
        Called with every event.
    cancelled : callable, optional
        Polled at every event, at least twice a second.

    Returns
    -------
    Prediction
        Embedding ``(C, *grid)``, foreground ``(*grid)`` or None.

    Raises
    ------
    ImageError
        If the image does not fit the model.
    ConfigError
        If the device is not there, or the image cannot be rescaled as asked.
    Cancelled
        If ``cancelled`` answered true.

    Examples
    --------
    >>> from napari_grd.models import Model, ModelConfig
    >>> model = Model.create(ModelConfig())
    >>> predict(model, np.zeros((40, 50)), SegmentConfig(runtime="torch")).embedding.shape
    (16, 40, 50)
    """
    job = iter_predict(model, image, config, axes=axes, intensity_range=intensity_range)
    return drain(job, on_event, cancelled)


def segment(
    model: Model,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    intensity_range: Range | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> NDArray[np.uint32]:
    """Find the instances in an image: :func:`predict`, then partition.

    Parameters and errors are those of :func:`predict`.

    Returns
    -------
    uint32 array of the image's spatial shape
        Consecutive from 1, 0 is background. Planes of a stack share no label.

    Examples
    --------
    >>> from napari_grd.models import Model, ModelConfig
    >>> model = Model.create(ModelConfig())
    >>> segment(model, np.zeros((40, 50)), SegmentConfig(runtime="torch")).shape
    (40, 50)
    """
    job = iter_segment(model, image, config, axes=axes, intensity_range=intensity_range)
    return drain(job, on_event, cancelled)


def embed(
    model: Model, image: Any, config: SegmentConfig | None = None, *, axes: str | None = None
) -> NDArray[np.float32]:
    """The raw embedding of every pixel of the image, which is not rescaled.

    Parameters and errors are those of :func:`predict`.

    Returns
    -------
    (C, *S) float32
    """
    return _at_scale_1(model, image, config, axes).embedding


def affinities(
    model: Model, image: Any, config: SegmentConfig | None = None, *, axes: str | None = None
) -> NDArray[np.float32]:
    """The affinities of every pixel of the image, which is not rescaled (METHOD 3).

    Parameters and errors are those of :func:`predict`.

    Returns
    -------
    (K, *S) float32
        One channel an offset of the model; 0 where a pixel has no partner.
    """
    return _at_scale_1(model, image, config, axes).affinities()


def _at_scale_1(model: Model, image: Any, config: SegmentConfig | None, axes: str | None) -> Prediction:
    config = (config or SegmentConfig()).replace(object_diameter=None, pixel_size=None)
    return predict(model, image, config, axes=axes)


def _partition(prediction: Prediction, config: SegmentConfig, event: Progress) -> Job[NDArray[np.uint32]]:
    return (yield from in_background(lambda: partition_prediction(prediction, config), lambda: event))
