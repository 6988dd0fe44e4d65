"""The labels of a whole image, filled in where it was viewed."""

import math

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ImageError
from napari_grd.graph.partition import LabelArray
from napari_grd.inference.boxes import Box
from napari_grd.inference.identity import Identities

_Plane = tuple[int, ...]


class Canvas:
    """Labels of all planes, written part by part with persistent object ids.

    Parameters
    ----------
    plane_shape : tuple of int
        Length of every axis before the rows.
    shape : (int, int)
        Rows and columns of a plane; of volumes, their planes before them.
    linked : bool, default True
        Whether objects keep their ids across planes, or only within one.

    Attributes
    ----------
    plane_shape : tuple of int
    labels : (*plane_shape, *shape) uint32
        0 in background and in parts that were not segmented. Only written pages use memory.

    Raises
    ------
    ImageError
        If the address space for the labels cannot be allocated.
    """

    def __init__(self, plane_shape: _Plane, shape: tuple[int, int], *, linked: bool = True) -> None:
        self.plane_shape = tuple(plane_shape)
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
        # Planes in the order they were written last, with all ids that were ever written there.
        self._planes: dict[_Plane, NDArray[np.int64]] = {}

    def paint(self, plane: _Plane, box: Box, labels: LabelArray, *, core: Box | None = None) -> int:
        """Write the objects of a region of a plane.

        Parameters
        ----------
        plane : tuple of int
            Which plane.
        box : (slice, slice)
            Which part.
        labels : uint32 array
            Numbered from 1. Objects keep the ids of those they overlap there or, if nothing was there, in the nearest
            written planes, or in those one further, because an object may be missing in a plane.
        core : (slice, slice), optional
            Part of ``labels`` to write; objects that extend into it are written as a whole, others not at all. Default:
            everything.

        Returns
        -------
        int
            Number of objects written.
        """
        target = self.labels[plane][box]
        taken = self._planes.pop(plane, np.zeros(0, np.int64))
        near, across = self._nearest(plane)
        others = [self.labels[other][box] for other in (*near, *across)]
        own = [target] if len(taken) else []
        ids = self._identities.assign(labels, *own, *others, taken=taken, others=len(others), across=len(across))
        painted = ids[labels]
        seen = np.zeros(len(ids), bool)
        seen[(labels if core is None else labels[core]).ravel()] = True
        seen[0] = False
        new_ids = ids[seen].astype(np.int64)
        if core is None:
            target[...] = painted
        else:
            written = seen[labels]
            written[core] = True
            np.copyto(target, painted, where=written)
        self._planes[plane] = np.union1d(taken, new_ids)
        return len(new_ids)

    def _nearest(self, plane: _Plane) -> tuple[list[_Plane], list[_Plane]]:
        """The nearest written planes, and those one further; of equally near ones, the latest first."""
        if not self._linked or not self._planes:
            return [], []
        away = {other: sum(abs(a - b) for a, b in zip(plane, other, strict=True)) for other in reversed(self._planes)}
        least = min(away.values())
        near, across = (
            [other for other, distance in away.items() if distance == limit][: 2 * len(plane)]
            for limit in (least, least + 1)
        )
        return near, across
