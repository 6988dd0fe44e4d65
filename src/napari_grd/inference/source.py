"""An image as planes with channels, whatever holds it, and how it is read part by part."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import NormalizationConfig
from napari_grd.data.inputs import as_image
from napari_grd.data.normalize import intensity_range
from napari_grd.inference.boxes import Box

_READ = 16 * 2**20  # pixels that may be read to measure intensities
_SIDE = 512  # of the samples of a plane that is larger
_CLOSE = 1.05  # a level that is coarser by this much still serves: objects vary more in size


class PlaneSource(Protocol):
    """An image as planes with channels, whatever holds it.

    Attributes
    ----------
    key : hashable
        Tells sources apart; another order of axes or choice of channels is another source.
    levels : int
        Pyramid levels, 1 for a plain image.
    plane_shape : tuple of int
        Length of every axis that is neither displayed nor the channels'.
    """

    @property
    def key(self) -> Hashable: ...
    @property
    def levels(self) -> int: ...
    @property
    def plane_shape(self) -> tuple[int, ...]: ...

    def shape(self, level: int) -> tuple[int, int]:
        """Height and width of a level in pixels."""
        ...

    def downsample(self, level: int) -> float:
        """Pixels of level 0 per pixel of a level."""
        ...

    def read(self, level: int, plane: tuple[int, ...], region: Box) -> NDArray[Any]:
        """The pixels of a region, ``(C, h, w)``, in memory."""
        ...


@dataclass(frozen=True, eq=False)
class Patch:
    """Pixels of a part of a plane.

    Attributes
    ----------
    pixels : (C, h, w) array
        As stored, checked.
    box : (slice, slice)
        Where they lie in the plane.
    """

    pixels: NDArray[Any]
    box: Box


def read_patch(source: PlaneSource, level: int, plane: tuple[int, ...], box: Box, in_channels: int) -> Patch:
    """Read and check a part of a plane.

    Raises
    ------
    ImageError
        If the number of channels is not what the model takes, or values are not finite real numbers.
    """
    pixels = source.read(level, plane, box)
    return Patch(as_image(pixels, "cyx", in_channels=in_channels), box)


def plane_range(
    source: PlaneSource, level: int, plane: tuple[int, ...], in_channels: int, config: NormalizationConfig
) -> NDArray[np.float32]:
    """The intensities of a whole plane that become 0 and 1.

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

    Returns
    -------
    (C, 2) float32

    Raises
    ------
    ImageError
        As :func:`read_patch`.
    """
    fitting = [at for at in range(level, source.levels) if math.prod(source.shape(at)) <= _READ]
    at = fitting[0] if fitting else source.levels - 1
    boxes = _samples(source.shape(at), whole=bool(fitting))
    parts = [read_patch(source, at, plane, box, in_channels).pixels for box in boxes]
    joined = np.concatenate([part.reshape(len(part), 1, -1) for part in parts], axis=2) if len(parts) > 1 else parts[0]
    return intensity_range(joined, config)


def _samples(shape: Sequence[int], *, whole: bool) -> list[Box]:
    if whole:
        return [(slice(0, shape[0]), slice(0, shape[1]))]
    count = math.isqrt(_READ) // _SIDE
    starts = [np.linspace(0, max(size - _SIDE, 0), min(count, -(-size // _SIDE))).astype(int) for size in shape]
    spans = [
        [slice(int(at), min(int(at) + _SIDE, size)) for at in begin] for begin, size in zip(starts, shape, strict=True)
    ]
    return list(product(spans[0], spans[1]))


def choose_level(downsamples: Sequence[float], scale: float) -> int:
    """The coarsest pyramid level that still has all the detail the network looks at.

    Parameters
    ----------
    downsamples : sequence of float
        Pixels of the finest level per pixel of each level, ascending.
    scale : float
        Pixels of the network's grid per pixel of the finest level.

    Returns
    -------
    int
        Does not depend on the zoom: objects keep the size the network knows.

    Examples
    --------
    >>> choose_level([1, 2, 4, 8], scale=0.25)
    2
    >>> choose_level([1, 2], scale=1.5)
    0
    """
    fitting = [level for level, factor in enumerate(downsamples) if factor * scale <= _CLOSE]
    return max(fitting, default=0)
