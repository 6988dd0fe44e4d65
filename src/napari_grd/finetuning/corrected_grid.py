"""Corrected images as the network sees them: normalized, and at the scale of the corrected objects."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.distillation.prepare import object_diameter
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.rescale import grid_shape, nearest, rescale_image
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.view import ImageView, resolve_view
from napari_grd.models.model import Model, ModelConfig

# Largest ratio of scales that is left alone: the objects of one image are a sample, and at the scale of an image of
# small phase contrast cells the built-in model got worse on the other images of its own set.
_CLOSE = 1.6
_LIMITS = (1 / 8, 4.0)  # scales of corrected images
_SIDE = 3072  # largest side of a square to which an image is enlarged


@dataclass(frozen=True)
class GridImage:
    """A corrected image on the network's grid.

    Attributes
    ----------
    image : (C, h, w) float32
        Normalized intensities.
    labels : (h, w) int64
        Objects; 0 is labeled background, :data:`~napari_grd.data.inputs.IGNORED` is unlabeled.
    scale : float
        Pixels of the grid per pixel of the image.
    inverted : bool
        Whether intensities are inverted for the model.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.int64]
    scale: float
    inverted: bool = False


def corrected_diameter(labels: Sequence[NDArray[np.int64]]) -> float | None:
    """Median diameter of the labeled objects in pixels; those that touch the image's border count if all do.

    Examples
    --------
    >>> labels = np.full((40, 40), -1)
    >>> labels[5:15, 5:15], labels[:30, 38:] = 1, 2
    >>> round(corrected_diameter([labels]), 1)
    11.3
    """
    inner = [np.where(np.isin(each, at_border(each)), 0, np.maximum(each, 0)) for each in labels]
    return object_diameter(inner) or object_diameter([np.maximum(each, 0) for each in labels])


def at_border(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The objects that touch the border of an image."""
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return touching[touching > 0]


def on_grid(
    model: Model,
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[np.int64]],
    settings: SegmentConfig | None = None,
) -> list[GridImage]:
    """Images ``(C, H, W)``, as they were read, and their labels as a model sees them with these settings."""
    sources = _sources(model, images)
    views = [resolve_view(source, model.config, settings or SegmentConfig()) for source in sources]
    return _seen(model.config, images, labels, sources, views)


def at_diameter(
    model: Model,
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[np.int64]],
    settings: SegmentConfig,
    diameter: float | None,
    *,
    learned: bool,
) -> tuple[ModelConfig, list[GridImage]]:
    """The same at the diameter of the corrected objects, in pixels, and the model's config with that scale.

    An image is not rescaled if the objects have the model's diameter within a factor of 1.6. With ``learned``, the
    config has the diameter that the objects really have on the grid: so that another diameter, which is given for
    another image, is one relative to the objects that were learned. Else the model's diameter on the grid is kept.
    """
    grid = model.config.grid_diameter
    sources = _sources(model, images)
    views = [resolve_view(source, model.config, settings) for source in sources]
    if diameter is None or not views:
        return model.config, _seen(model.config, images, labels, sources, views)
    # One scale for all images: the size that the model will carry.
    scale = float(np.median([view.scale for view in views]))
    if grid is not None:
        largest = max(1.0, _SIDE / max(math.sqrt(each.size) for each in labels))
        wanted = min(max(grid / diameter, _LIMITS[0]), _LIMITS[1], largest)
        scale = scale if 1 / _CLOSE <= wanted / scale <= _CLOSE else wanted
    size = diameter if learned or grid is None else grid / scale
    config = model.config.replace(object_diameter=size, scale=scale)
    views = [
        resolve_view(source, config, view.config.replace(object_diameter=None, pixel_size=None))
        for source, view in zip(sources, views, strict=True)
    ]
    return config, _seen(config, images, labels, sources, views)


def _sources(model: Model, images: Sequence[NDArray[Any]]) -> list[PlaneSource]:
    channels = model.config.in_channels
    return [cast(PlaneSource, ArraySource(image, "cyx", ndim=2, in_channels=channels)) for image in images]


def _seen(
    config: ModelConfig,
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[np.int64]],
    sources: Sequence[PlaneSource],
    views: Sequence[ImageView],
) -> list[GridImage]:
    grids = []
    for image, annotated, source, view in zip(images, labels, sources, views, strict=True):
        seen = SourceStatistics(source, 0, config, view).of(()).normalize(image)
        shape = grid_shape(annotated.shape, view.scale)
        grids.append(GridImage(rescale_image(seen, shape), nearest(annotated, shape), view.scale, view.invert))
    return grids
