"""Questions that gestures ask about the objects of a plane, and their outlines."""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections import Region

if TYPE_CHECKING:
    from napari_grd.corrections.evidence import PlaneEvidence

Pixel = tuple[int, int]
Plane = tuple[int, ...]


class Objects(Protocol):
    """What gestures know of the labels; the editor is one."""

    @property
    def labels(self) -> NDArray[np.uint32]:
        """``(*planes, H, W)``."""
        ...

    def candidate(self, pixel: Pixel, plane: Plane = (), growth: float = 0.0) -> Region | None:
        """What a click would pick."""
        ...

    def object_at(self, pixel: Pixel, plane: Plane = ()) -> int:
        """The object at a pixel, 0: none."""
        ...


def region_of(labels: NDArray[np.uint32], number: int) -> Region | None:
    """The pixels of an object of a plane; None if there is no such object.

    Examples
    --------
    >>> region_of(np.array([[0, 7, 7]], np.uint32), 7)
    Region(runs=((0, 1, 2),))
    """
    mask = labels == number
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not number or not len(rows):
        return None
    y, x = int(rows[0]), int(columns[0])
    return Region.from_mask(mask[y : rows[-1] + 1, x : columns[-1] + 1], (y, x))


def piece_at(
    labels: NDArray[np.uint32], evidence: "PlaneEvidence | None", pixel: Pixel, growth: float
) -> Region | None:
    """The part of the object at a pixel that the embedding finds like the pixel; None without evidence."""
    from napari_grd.graph.region_growing import instance_at  # compiles

    if evidence is None:
        return None
    found = instance_at(evidence.embedding, evidence.foreground, pixel, growth=growth)
    found &= labels == labels[pixel]
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    if not len(rows):
        return None
    y, x = int(rows[0]), int(columns[0])
    return Region.from_mask(found[y : rows[-1] + 1, x : columns[-1] + 1], (y, x))


def edges(region: Region) -> NDArray[np.float64]:
    """The outline of a region along the edges of pixels, as lines: (N, 2, 2), start and step of each, in y, x.

    A pixel's center has whole numbers, as napari draws it.

    Examples
    --------
    >>> edges(Region([(0, 0, 1)])).tolist()[0]
    [[-0.5, -0.5], [0.0, 1.0]]
    """
    y0, x0, y1, x1 = region.box
    mask = np.zeros((y1 - y0 + 2, x1 - x0 + 2), np.int8)
    for y, x, length in region.runs:
        mask[y - y0 + 1, x - x0 + 1 : x - x0 + 1 + length] = 1
    across = np.add(np.argwhere(np.diff(mask, axis=0)), (0.5, -0.5))
    along = np.add(np.argwhere(np.diff(mask, axis=1)), (-0.5, 0.5))
    starts = np.add(np.concatenate([across, along]), (y0 - 1, x0 - 1))
    steps = np.repeat([(0.0, 1.0), (1.0, 0.0)], [len(across), len(along)], axis=0)
    return np.stack([starts, steps], axis=1)


def path_edges(points: Any) -> NDArray[np.float64]:
    """A line through points (N, 2), in the same form."""
    corners = np.asarray(points, np.float64)
    return np.stack([corners[:-1], np.diff(corners, axis=0)], axis=1)
