"""The job behind Inspect: predicts a region with the models and makes layers of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.inspect.image_region import ImageRegion
from napari_grd._napari.inspect.request import ChannelsUnclear, InspectRequest, LayerSpec, PredictionCache
from napari_grd._napari.inspect.views import ModelPrediction, affinity_views, embedding_view, graph_views
from napari_grd._napari.source import Channel, ImageSource, Region
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, GrdError, ImageError
from napari_grd.graph.similarity import SimilarityMap
from napari_grd.inference.blocks import Block
from napari_grd.inference.boxes import Box
from napari_grd.inference.prediction import Prediction
from napari_grd.inference.segment import iter_predict
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.task import prepare
from napari_grd.inference.view import resolve_view
from napari_grd.inference.volume_source import VolumeSource
from napari_grd.jobs import Job, Progress, Stopwatch
from napari_grd.models.model import Model

_FROM_BELOW = ("affinities", "embedding", "boundaries", "edges", "nodes")  # the first two cover the layers below


@dataclass(frozen=True, eq=False)
class Inside:
    """The result of a request.

    Attributes
    ----------
    frame : ImageRegion
        The region that was predicted, a plane's or a volume's.
    pictures : list of LayerSpec
    problems : list of GrdError
        Errors of missing views.
    maps : list of SimilarityMap
        Maps for the layer that follows the pointer; one, or student's and teacher's.
    seen : list of ModelPrediction
        In the order of the request's models.
    """

    request: InspectRequest
    frame: ImageRegion
    pictures: list[LayerSpec]
    problems: list[GrdError]
    maps: list[SimilarityMap]
    seen: list[ModelPrediction]


def iter_inspect(request: InspectRequest, get_model: Callable[[str], Model], memory: PredictionCache) -> Job[Inside]:
    """Predict a region with one model, or two.

    Parameters
    ----------
    request : InspectRequest
    get_model : callable
        Returns a model by name; called in the job, as it may read a file.
    memory : PredictionCache
        Predictions that are reused; new ones are added.

    Raises
    ------
    GrdError
        If the models cannot take the image. The error of a single view is part of the result instead.
    """
    models = []
    for name in request.models:
        yield Progress(f"Loading {name}", 0, 1)
        models.append(get_model(name))
    if len({model.config.ndim for model in models}) > 1:
        raise ConfigError("One of the models takes planes, the other volumes.", "Compare two of one kind.")
    seen = []
    for name, model in zip(request.models, models, strict=True):
        seen.append((yield from _see(request, name, model, memory)))
    frame = _region(request, request.models[0], models[0])
    yield Progress("Drawing", 0, 1)
    pictures: list[LayerSpec] = []
    problems: list[GrdError] = []
    views = request.views
    makers: list[Callable[[], list[LayerSpec]]] = []
    if views & {"affinities", "boundaries"}:
        makers.append(lambda: affinity_views(seen, stack="affinities" in views, boundaries="boundaries" in views))
    if "embedding" in views:
        makers.append(lambda: [embedding_view(seen)])
    if "graph" in views:
        makers.append(lambda: graph_views(seen, _labels(request, frame), request.graph))
    for number, make in enumerate(makers):
        try:
            pictures += make()
        except GrdError as problem:
            problems.append(problem)
        yield Progress("Drawing", number + 1, len(makers))
    pictures.sort(key=lambda picture: _FROM_BELOW.index(picture.view))
    maps = [SimilarityMap(prediction.prediction.embedding) for prediction in seen] if "similarity" in views else []
    return Inside(request, frame, pictures, problems, maps, seen)


def _see(request: InspectRequest, name: str, model: Model, memory: PredictionCache) -> Job[ModelPrediction]:
    frame = _region(request, name, model)
    channels = _channels(request, name, model)
    source = ImageSource(frame.source.layer, channels, frame.source.spatial_axes)
    frame = ImageRegion(source, frame.plane, frame.region)
    key = (id(model), frame.key)
    remembered = memory.get(key)
    if remembered is not None:
        return remembered
    yield Progress("Reading the image", 0, 1)
    diameter = None if model.config.scale is None else model.config.grid_diameter  # not rescaled
    config = SegmentConfig(device=request.device, threads=request.threads, object_diameter=diameter)
    predict = _predict_plane if model.config.ndim == 2 else _predict_volume
    seen = ModelPrediction(model, (yield from predict(frame, model, config)))
    memory.put(key, seen, [channel.layer for channel in channels])
    return seen


def _region(request: InspectRequest, name: str, model: Model) -> ImageRegion:
    """The region for a model of planes, or of volumes."""
    frame = request.frame if model.config.ndim == 2 else request.volume
    if frame is None and model.config.ndim == 2:
        raise ImageError(f"The model {name!r} takes planes, and the view is 3D.", "Switch to 2D.")
    if frame is None:
        raise ImageError(
            f"The model {name!r} takes volumes, and {request.layer.name!r} is none.", "Choose a model for planes."
        )
    return frame


def _predict_volume(frame: ImageRegion, model: Model, config: SegmentConfig) -> Job[Prediction]:
    """Predict a region of a volume, with all of its context that the network sees."""
    source = cast(PlaneSource, VolumeSource(cast(PlaneSource, frame.source)))
    view = resolve_view(source, model.config, config)
    measured = SourceStatistics(source, 0, model.config, view).of(frame.plane)
    task = yield from prepare(model, source.shape(0), config)
    reach = model.entry.halo or (config.halo,) * 3
    axes = zip(frame.region, frame.full_shape, model.strides, reach, strict=True)
    around = tuple(
        slice(max(0, span.start - min(most, config.halo)) // step * step, min(size, span.stop + min(most, config.halo)))
        for span, size, step, most in axes
    )
    inside, seen = cast(Box, frame.region), cast(Box, around)
    block = Block(inside, inside, inside, seen, seen, None)
    yield Progress("Reading the image", 0, 1)
    pixels = source.read(0, frame.plane, seen)
    watch = Stopwatch("Predicting", task.steps(block))
    return (yield from task.predict_block(pixels, block, measured, watch, 0))


def _predict_plane(frame: ImageRegion, model: Model, config: SegmentConfig) -> Job[Prediction]:
    """Predict a region of a plane, with its context."""
    source = frame.source
    around = _with_context(frame, config.halo, model.stride)
    pixels = source.read(0, frame.plane, around)
    # Of the whole plane, so that colors do not depend on the region.
    view = resolve_view(source, model.config, config)
    measured = SourceStatistics(source, 0, model.config, view).of(frame.plane)
    prediction: Prediction = yield from iter_predict(model, pixels, config, axes="cyx", intensity_range=measured)
    inner = tuple(
        slice(part.start - outer.start, part.stop - outer.start)
        for part, outer in zip(frame.region, around, strict=True)
    )
    foreground = None if prediction.foreground is None else prediction.foreground[inner]
    return replace(
        prediction,
        embedding=prediction.embedding[:, *inner],
        foreground=foreground,
        shape=frame.shape,
        pixels=pixels[:, *inner],
    )


def _channels(request: InspectRequest, name: str, model: Model) -> tuple[Channel, ...]:
    count = model.config.in_channels
    channels = request.channels.get(count)
    if channels is None:
        wanted = f"{count} channel" if count == 1 else f"{count} channels"
        raise ChannelsUnclear(
            f"The model {name!r} takes {wanted}, but which of {request.layer.name!r} is ambiguous.",
            "Choose them under Channels, or choose another model.",
            count,
        )
    return channels


def _with_context(frame: ImageRegion, halo: int, stride: int) -> Region:
    """The region with its halo, aligned to the tiles of the whole plane."""
    rows, columns = (
        slice(max(0, part.start - halo) // stride * stride, min(size, part.stop + halo))
        for part, size in zip(frame.region, frame.source.shape(), strict=True)
    )
    return rows, columns


def _labels(request: InspectRequest, frame: ImageRegion) -> NDArray[np.int64] | None:
    return None if request.labels is None else frame.labels(request.labels)
