"""The interface of image sources: planes with channels, read part by part."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.inputs import as_image
from napari_grd.inference.boxes import Box

_CLOSE = 1.05  # tolerance of the level's factor: objects vary more in size


class PlaneSource(Protocol):
    """An image as planes with channels, independent of its storage.

    Attributes
    ----------
    key : hashable
        Identifies the source; another order of axes or choice of channels is another source.
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
        Their position in the plane.
    """

    pixels: NDArray[Any]
    box: Box


def read_patch(source: PlaneSource, level: int, plane: tuple[int, ...], box: Box, in_channels: int) -> Patch:
    """Read and check a part of a plane.

    Raises
    ------
    ImageError
        If the number of channels is not the model's, or values are not real numbers.
    """
    pixels = source.read(level, plane, box)
    ndim = np.ndim(pixels) - 1
    return Patch(as_image(pixels, "c" + "zyx"[-ndim:], ndim=ndim, in_channels=in_channels), box)


def z_axis_of(source: PlaneSource) -> int | None:
    """Which axis of the source's ``plane_shape`` is the z of a stack; None without one, or if the axes have no names.

    A source that knows has it as ``z_axis``.
    """
    axis: int | None = getattr(source, "z_axis", None)
    return axis


def choose_level(downsamples: Sequence[float], scale: float) -> int:
    """The coarsest pyramid level with all the detail that the network uses.

    Parameters
    ----------
    downsamples : sequence of float
        Pixels of the finest level per pixel of each level, ascending.
    scale : float
        Pixels of the network's grid per pixel of the finest level.

    Returns
    -------
    int
        Independent of the zoom: objects have the size of the training images.

    Examples
    --------
    >>> choose_level([1, 2, 4, 8], scale=0.25)
    2
    >>> choose_level([1, 2], scale=1.5)
    0
    """
    fitting = [level for level, factor in enumerate(downsamples) if factor * scale <= _CLOSE]
    return max(fitting, default=0)
