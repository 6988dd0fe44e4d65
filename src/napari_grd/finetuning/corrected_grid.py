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
from napari_grd.inference.view import resolve_view
from napari_grd.models.model import Model

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
    diameter: float | None = None,
) -> list[GridImage]:
    """Images ``(C, H, W)``, as they were read, and their labels as a model sees them with these settings.

    With the diameter of the objects in pixels, an image is viewed at that scale unless it is within a factor of 1.6 of
    it.
    """
    channels, grid = model.config.in_channels, model.config.grid_diameter
    sources = [cast(PlaneSource, ArraySource(image, "cyx", ndim=2, in_channels=channels)) for image in images]
    views = [resolve_view(source, model.config, settings or SegmentConfig()) for source in sources]
    if diameter is not None and grid is not None and views:
        # One scale for all images: the size that the model will carry.
        scale = float(np.median([view.scale for view in views]))
        largest = max(1.0, _SIDE / max(math.sqrt(each.size) for each in labels))
        wanted = min(max(grid / diameter, _LIMITS[0]), _LIMITS[1], largest)
        grid_diameter = grid / (scale if 1 / _CLOSE <= wanted / scale <= _CLOSE else wanted)
        views = [
            resolve_view(source, model.config, view.config.replace(object_diameter=grid_diameter, pixel_size=None))
            for source, view in zip(sources, views, strict=True)
        ]
    grids = []
    for image, annotated, source, view in zip(images, labels, sources, views, strict=True):
        seen = SourceStatistics(source, 0, model.config, view).of(()).normalize(image)
        shape = grid_shape(annotated.shape, view.scale)
        grids.append(GridImage(rescale_image(seen, shape), nearest(annotated, shape), view.scale, view.invert))
    return grids
