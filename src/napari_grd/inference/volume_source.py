"""The planes of a source, along z, as volumes."""

from collections.abc import Hashable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.inference.boxes import Box
from napari_grd.inference.source import PlaneSource


class VolumeSource:
    """A source of planes as one of volumes: its last axis of planes, z, becomes the first spatial axis.

    Volumes are read at the finest level: coarser ones of a pyramid often keep all planes, so their voxels differ in
    shape.

    Parameters
    ----------
    source : PlaneSource
        With at least one axis of planes.

    Attributes
    ----------
    levels : int
        1.
    plane_shape : tuple of int
        Lengths of the axes before z.

    Examples
    --------
    >>> from napari_grd.inference.array_source import ArraySource
    >>> source = VolumeSource(ArraySource(np.zeros((5, 20, 30)), "zyx", ndim=2, in_channels=1))
    >>> source.shape(0), source.plane_shape
    ((5, 20, 30), ())
    >>> source.read(0, (), (slice(1, 3), slice(0, 8), slice(4, 30))).shape
    (1, 2, 8, 26)
    """

    levels = 1

    def __init__(self, source: PlaneSource) -> None:
        self._source = source
        self.plane_shape = source.plane_shape[:-1]

    @property
    def key(self) -> Hashable:
        """That of the planes."""
        return self._source.key

    def shape(self, level: int) -> Any:
        """Planes, rows and columns."""
        return (self._source.plane_shape[-1], *self._source.shape(0))

    def downsample(self, level: int) -> float:
        """There is one level."""
        return 1.0

    def read(self, level: int, plane: tuple[int, ...], region: Box) -> NDArray[Any]:
        """The voxels of a box, ``(C, d, h, w)``."""
        depth, *rest = region
        inside = cast(Box, tuple(rest))
        return np.stack([self._source.read(0, (*plane, z), inside) for z in range(depth.start, depth.stop)], axis=1)
