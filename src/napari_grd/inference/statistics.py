"""What is measured once of a whole plane and then holds for each of its tiles, blocks, views and crops.

This is the only place where the intensity range of a plane that is segmented is determined.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import NormalizationConfig
from napari_grd.data.normalize import intensity_range
from napari_grd.errors import ImageError
from napari_grd.inference.boxes import Box
from napari_grd.inference.source import PlaneSource, read_patch
from napari_grd.models import ModelConfig

Range = NDArray[np.float32]
_READ = 16 * 2**20  # pixels that may be read to measure intensities
_SIDE = 512  # of the samples of a plane that is larger
_REMEMBERED = 4096  # planes whose statistics are kept


@dataclass(frozen=True, eq=False)
class PlaneStatistics:
    """Of a plane, or of a volume.

    Attributes
    ----------
    range : (C, 2) float32
        The intensities that become 0 and 1.
    """

    range: Range


def measure_pixels(pixels: NDArray[Any], config: NormalizationConfig) -> PlaneStatistics:
    """The statistics of pixels in memory, ``(C, *S)``: a whole plane or volume, or samples of one."""
    return PlaneStatistics(intensity_range(pixels, config))


def measure_plane(
    source: PlaneSource, level: int, plane: tuple[int, ...], in_channels: int, config: NormalizationConfig
) -> PlaneStatistics:
    """The statistics of a whole plane.

    Parameters
    ----------
    source : PlaneSource
        The image.
    level : int
        The level that is segmented; for a huge plane a coarser one stands in
        or, where there is none, samples spread evenly over the plane.
    plane : tuple of int
        Which plane.
    in_channels : int
        Channels the model takes.
    config : NormalizationConfig
        The model's.

    Raises
    ------
    ImageError
        As :func:`~napari_grd.inference.source.read_patch`.
    """
    fitting = [at for at in range(level, source.levels) if math.prod(source.shape(at)) <= _READ]
    at = fitting[0] if fitting else source.levels - 1
    # A volume that its model takes as a whole is there as a whole, too.
    boxes = _samples(source.shape(at), whole=bool(fitting) or len(source.shape(at)) == 3)
    parts = [read_patch(source, at, plane, box, in_channels).pixels for box in boxes]
    joined = np.concatenate([part.reshape(len(part), 1, -1) for part in parts], axis=2) if len(parts) > 1 else parts[0]
    return measure_pixels(joined, config)


class SourceStatistics:
    """The statistics of every plane of an image, each measured when it is first asked for.

    Parameters
    ----------
    source : PlaneSource
        The image: a plane, stack or series.
    level : int
        The level that is segmented.
    model : ModelConfig
        Its channels and its normalization.
    given : PlaneStatistics, optional
        Holds for every plane; nothing is measured.
    """

    def __init__(
        self, source: PlaneSource, level: int, model: ModelConfig, given: PlaneStatistics | None = None
    ) -> None:
        self._source = source
        self._level = level
        self._model = model
        self._given = given
        self._planes: dict[Hashable, PlaneStatistics] = {}

    def of(self, plane: tuple[int, ...]) -> PlaneStatistics:
        """Of one plane."""
        if self._given is not None:
            return self._given
        if plane not in self._planes:
            self._planes[plane] = self.again(plane)
        return self._planes[plane]

    def again(self, plane: tuple[int, ...]) -> PlaneStatistics:
        """Of a plane whose pixels have changed."""
        model = self._model
        found = measure_plane(self._source, self._level, plane, model.in_channels, model.normalization)
        self._planes.pop(plane, None)
        if len(self._planes) >= _REMEMBERED:
            self._planes.pop(next(iter(self._planes)))
        self._planes[plane] = found
        return found


def given_statistics(known: Range | PlaneStatistics | None, in_channels: int) -> PlaneStatistics | None:
    """What a caller knows already, checked.

    Raises
    ------
    ImageError
        If a range does not have low and high for each channel.
    """
    if known is None or isinstance(known, PlaneStatistics):
        return known
    values = np.asarray(known, np.float32)
    if values.shape != (in_channels, 2):
        raise ImageError(
            f"intensity_range has shape {values.shape}.", f"Pass low and high for each channel: ({in_channels}, 2)."
        )
    return PlaneStatistics(values)


def _samples(shape: Sequence[int], *, whole: bool) -> list[Box]:
    if whole:
        return [cast(Box, tuple(slice(0, size) for size in shape))]
    count = math.isqrt(_READ) // _SIDE
    starts = [np.linspace(0, max(size - _SIDE, 0), min(count, -(-size // _SIDE))).astype(int) for size in shape]
    spans = [
        [slice(int(at), min(int(at) + _SIDE, size)) for at in begin] for begin, size in zip(starts, shape, strict=True)
    ]
    return list(product(spans[0], spans[1]))
