"""Statistics of a whole plane, measured once and used for all its tiles, blocks, views and crops.

Only this file determines the intensity range for segmentation.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from itertools import product
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.intensity import PlaneStatistics
from napari_grd.inference.boxes import Box
from napari_grd.inference.sampling import sample_planes
from napari_grd.inference.source import PlaneSource, read_patch, z_axis_of
from napari_grd.inference.stack import is_compact
from napari_grd.inference.view import ImageView, measured_as
from napari_grd.models.model import ModelConfig

_READ = 16 * 2**20  # pixels that may be read to measure intensities
_SIDE = 512  # side of the samples of a larger plane
_SIDE_3D = 64  # the same of a larger volume
_REMEMBERED = 4096  # number of planes whose statistics are cached
NOTHING_STANDS_OUT = (
    "Nothing in the image exceeds its noise, so no objects are kept."
    " If objects are expected, check exposure, channel and focus."
)
_LEAST_SPAN = 0.8  # minimum range of a plane of a z-stack, as a share of the typical one
_PLANES = 5  # maximum number of planes for the noise of a stack or series


def measure_plane(
    source: PlaneSource, level: int, plane: tuple[int, ...], model: ModelConfig, view: ImageView
) -> PlaneStatistics:
    """The statistics of a whole plane, without those of the stack it belongs to; see :class:`SourceStatistics`.

    Parameters
    ----------
    source : PlaneSource
        The image.
    level : int
        The level that is segmented; evenly spaced samples of a huge plane are read.
    plane : tuple of int
        Which plane.
    model : ModelConfig
        Its channels, normalization and object diameter.
    view : ImageView
        Scale and inversion of the image for the model.

    Raises
    ------
    ImageError
        As :func:`~napari_grd.inference.source.read_patch`.
    """
    shape = source.shape(level)
    boxes = sample_boxes(shape)
    patches = [read_patch(source, level, plane, box, model.in_channels).pixels for box in boxes]
    diameter = None if model.grid_diameter is None else model.grid_diameter / (view.scale * source.downsample(level))
    return measured_as(view.config, patches, model, diameter)


class SourceStatistics:
    """The statistics of every plane of an image, each measured on first use.

    The range is that of each plane; in a z-stack of compact objects it is not much smaller than that of typical
    planes, so that out-of-focus light above and below the specimen is not stretched to full contrast. If most of its
    planes are dense, none is taken for an empty field. The noise of a
    stack or series is measured in a few planes with mostly background, so that planes outside the specimen, or dense
    ones, are compared with the same noise.

    Parameters
    ----------
    source : PlaneSource
        The image: a plane, stack or series.
    level : int
        The level that is segmented.
    model : ModelConfig
        Its channels, normalization and object diameter.
    view : ImageView
        Scale and inversion of the image for the model. Its given intensities apply to every plane.
    """

    def __init__(self, source: PlaneSource, level: int, model: ModelConfig, view: ImageView) -> None:
        self._source = source
        self._level = level
        self._model = model
        self._view = view
        self._known = dict(view.measured) if level == 0 else {}
        self._noise: PlaneStatistics | None = None
        self._is_stack = z_axis_of(source) is not None and is_compact(model, view.config)
        self._stack: tuple[bool, NDArray[np.float64]] | None = None
        self._samples: list[PlaneStatistics] | None = None
        self._planes: dict[Hashable, PlaneStatistics] = {}

    def of(self, plane: tuple[int, ...]) -> PlaneStatistics:
        """Of one plane."""
        if self._view.given is not None:
            return self._view.given
        return self._planes[plane] if plane in self._planes else self._keep(plane)

    def again(self, plane: tuple[int, ...]) -> PlaneStatistics:
        """Measure a plane again whose pixels have changed."""
        self._known.pop(plane, None)
        return self._keep(plane)

    def _keep(self, plane: tuple[int, ...]) -> PlaneStatistics:
        statistics = self._measure(plane)
        if self._is_stack:
            statistics = self._in_stack(statistics)
        if math.prod(self._source.plane_shape) > 1 and not (self._stack is not None and self._stack[0]):
            if self._noise is None:
                self._noise = self._typical()
            statistics = statistics.with_noise_of(self._noise)
        self._planes.pop(plane, None)
        if len(self._planes) >= _REMEMBERED:
            self._planes.pop(next(iter(self._planes)))
        self._planes[plane] = statistics
        return statistics

    @property
    def nothing_scanned(self) -> bool:
        """Whether planes were measured, and no pixel has a number."""
        return bool(self._planes) and not any(each.scanned for each in self._planes.values())

    @property
    def nothing_stands_out(self) -> bool:
        """Whether planes were measured, and nothing exceeds the noise in any of them."""
        return bool(self._planes) and not any(each.stands_out for each in self._planes.values())

    def _measure(self, plane: tuple[int, ...]) -> PlaneStatistics:
        measured = self._known.get(plane)
        return measured or measure_plane(self._source, self._level, plane, self._model, self._view)

    def _sampled(self) -> list[PlaneStatistics]:
        """Those of evenly spaced planes by themselves, measured once."""
        if self._samples is None:
            planes = sample_planes(self._source.plane_shape, _PLANES)
            self._samples = [self._measure(plane) for plane in planes]
        return self._samples

    def _in_stack(self, statistics: PlaneStatistics) -> PlaneStatistics:
        """The statistics of a plane with what the whole z-stack tells about them."""
        if self._stack is None:
            sampled = [each for each in self._sampled() if each.scanned]
            dense = [each for each in sampled if each.noise is None]
            is_dense = 2 * len(dense) > len(sampled)
            spans = np.sort([np.abs(np.diff(each.range)[:, 0]) for each in (dense if is_dense else sampled)], axis=0)
            # Not the largest: one plane may be an exception.
            self._stack = is_dense, spans[-min(2, len(spans))] if len(spans) else np.zeros(self._model.in_channels)
        is_dense, span = self._stack
        if is_dense and statistics.noise is not None:
            # What is between dense, blurred objects is no background, and its variation no noise.
            statistics = replace(statistics, noise=None, texture=None, stands_out=True)
            if self._view.config.intensity_range is None:
                statistics = statistics.with_span(
                    np.clip(np.abs(np.diff(statistics.range)[:, 0]), _LEAST_SPAN * span, span)
                )
        if self._view.config.intensity_range is not None:
            return statistics
        return statistics.with_span(np.maximum(np.abs(np.diff(statistics.range)[:, 0]), _LEAST_SPAN * span))

    def _typical(self) -> PlaneStatistics:
        """The typical noise of evenly spaced planes of the stack or series."""
        measured = [statistics for statistics in self._sampled() if statistics.noise is not None]
        if not measured:
            return PlaneStatistics(np.zeros((self._model.in_channels, 2)))
        order = sorted(
            measured, key=lambda statistics: 0.0 if statistics.noise is None else float(statistics.noise.sum())
        )
        return order[(len(order) - 1) // 2]


def sample_boxes(shape: Sequence[int]) -> list[Box]:
    """The parts of a plane, or volume, whose intensities stand for it: all of it, or evenly spaced ones if it is huge.

    Examples
    --------
    >>> sample_boxes((4000, 4000)), len(sample_boxes((100_000, 100_000)))
    ([(slice(0, 4000, None), slice(0, 4000, None))], 64)
    """
    if math.prod(shape) <= _READ:
        return [cast(Box, tuple(slice(0, size) for size in shape))]
    side = _SIDE if len(shape) == 2 else _SIDE_3D
    count = round(_READ ** (1 / len(shape))) // side
    starts = [np.linspace(0, max(size - side, 0), min(count, -(-size // side))).astype(int) for size in shape]
    spans = [
        [slice(int(start), min(int(start) + side, size)) for start in begin]
        for begin, size in zip(starts, shape, strict=True)
    ]
    return [cast(Box, box) for box in product(*spans)]
