"""The labels of a whole image, filled in where somebody looked."""

import math

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ImageError
from napari_grd.graph.partition import LabelArray
from napari_grd.inference.boxes import Box
from napari_grd.inference.identity import Identities

_Plane = tuple[int, ...]


class Canvas:
    """Labels of all planes, painted part by part with ids that stay with the objects.

    Parameters
    ----------
    plane_shape : tuple of int
        Length of every axis in front of the rows.
    shape : (int, int)
        Rows and columns of a plane.
    linked : bool, default True
        Whether objects keep their ids from plane to plane, or only within one.

    Attributes
    ----------
    labels : (*plane_shape, *shape) uint32
        0 where nothing is, or nobody looked. Only pages that are written take memory.

    Raises
    ------
    ImageError
        If not even the address space for the labels can be had.
    """

    def __init__(self, plane_shape: _Plane, shape: tuple[int, int], *, linked: bool = True) -> None:
        full = (*plane_shape, *shape)
        try:
            self.labels: LabelArray = np.zeros(full, np.uint32)
        except MemoryError:
            raise ImageError(
                f"Labels of shape {full} would take {math.prod(full) * 4 / 2**30:.0f} GiB of memory.",
                "Crop the image, or give the diameter of larger objects so that a coarser level is used.",
            ) from None
        self._identities = Identities()
        self._linked = linked
        # In the order they were painted last; with every id that was ever painted there.
        self._planes: dict[_Plane, NDArray[np.int64]] = {}

    def paint(self, plane: _Plane, box: Box, labels: LabelArray, *, core: Box | None = None) -> int:
        """Write the objects of a part of a plane.

        Parameters
        ----------
        plane : tuple of int
            Which plane.
        box : (slice, slice)
            Which part.
        labels : uint32 array
            Numbered from 1. Objects keep the ids of those they overlap there
            or, where nothing was, in the nearest planes that were painted.
        core : (slice, slice), optional
            Part of ``labels`` that is to be written; objects that reach into it
            are written whole, of others nothing. Default: everything.

        Returns
        -------
        int
            Number of objects written.
        """
        target = self.labels[plane][box]
        taken = self._planes.pop(plane, np.zeros(0, np.int64))
        others = [self.labels[other][box] for other in self._nearest(plane)]
        own = [target] if len(taken) else []
        ids = self._identities.assign(labels, *own, *others, taken=taken, others=len(others))
        painted = ids[labels]
        seen = np.zeros(len(ids), bool)
        seen[(labels if core is None else labels[core]).ravel()] = True
        seen[0] = False
        found = ids[seen].astype(np.int64)
        if core is None:
            target[...] = painted
        else:
            written = seen[labels]
            written[core] = True
            np.copyto(target, painted, where=written)
        self._planes[plane] = np.union1d(taken, found)
        return len(found)

    def _nearest(self, plane: _Plane) -> list[_Plane]:
        """The painted planes with the nearest indices, several if they are as near; those painted last come first."""
        if not self._linked or not self._planes:
            return []
        away = {other: sum(abs(a - b) for a, b in zip(plane, other, strict=True)) for other in reversed(self._planes)}
        least = min(away.values())
        return [other for other, distance in away.items() if distance == least][: 2 * len(plane)]
