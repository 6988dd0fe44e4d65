"""Labels layers of a segmentation, aligned with the image."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray

from napari_grd._napari.outputs import output_options
from napari_grd._napari.source import ImageSource

_PLAIN = 2048**2  # pixels of a plane above which napari gets a pyramid, so that it draws only what is visible
_COARSEST = 512  # rows or columns at which a pyramid may end


def labels_layer(
    source: ImageSource,
    level: int,
    labels: NDArray[np.uint32] | Sequence[Any],
    *,
    name: str,
    made_by: Mapping[str, Any],
    spacing: float = 1.0,
) -> Labels:
    """A layer that shows the labels of a source, aligned with it.

    Parameters
    ----------
    source : ImageSource
        The segmented image.
    level : int
        The level of its pyramid that the labels belong to.
    labels : (*planes, H, W) uint32, or sequence of these
        Shown without a copy: changes are visible after the next refresh. Several are a pyramid, from fine to coarse.
    name : str
        Name of the layer.
    made_by : mapping
        Provenance, see :func:`napari_grd._napari.outputs.provenance`.
    spacing : float, default 1
        Pixels of the level from one pixel of the labels to the next.
    """
    layer, channels = source.layer, source.channel_axis
    axes = [axis for axis in range(layer.ndim) if axis != channels]
    spatial = [axes.index(axis) for axis in source.spatial_axes]
    given = [labels] if isinstance(labels, np.ndarray) else list(labels)
    levels = [np.moveaxis(data, (-2, -1), spatial) for data in given]
    factors = [spacing * source.factors(level)[axis] if axis in source.spatial_axes else 1.0 for axis in axes]
    if channels:
        # Axes of layers are matched from the last one, so this one has to be
        # kept if other axes precede it: as a single position that spans all channels.
        levels = [np.expand_dims(data, channels) for data in levels]
        axes.insert(channels, channels)
        factors.insert(channels, _length(source, channels))
    options = output_options(layer, axes=axes, factors=factors, made_by=made_by)
    spatial = [axes.index(axis) for axis in source.spatial_axes]
    pyramid = _pyramid(levels[0], spatial) if isinstance(labels, np.ndarray) else levels
    several = len(pyramid) > 1
    return Labels(pyramid if several else pyramid[0], multiscale=several, name=name, **options)


def _length(source: ImageSource, axis: int) -> int:
    data = source.layer.data[0] if source.layer.multiscale else source.layer.data
    return int(data.shape[axis])


def _pyramid(data: NDArray[np.uint32], spatial: list[int]) -> list[NDArray[np.uint32]]:
    """Every second, fourth, ... pixel of the same memory, down to what fits a screen."""
    levels = [data]
    if data.shape[spatial[0]] * data.shape[spatial[1]] > _PLAIN:
        while max(levels[-1].shape[axis] for axis in spatial) > 2 * _COARSEST:
            every_second = tuple(slice(None, None, 2 if axis in spatial else 1) for axis in range(data.ndim))
            levels.append(levels[-1][every_second])
    return levels
