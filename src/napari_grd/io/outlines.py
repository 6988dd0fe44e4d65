"""Outlines along the edges of pixels.

Coordinates are x, y; pixel (y, x) covers ``[x, x + 1] x [y, y + 1]``. A program that fills such a polygon with the
pixels whose centers are inside, as ImageJ, QuPath and most others do, obtains exactly the pixels of the object.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ring = NDArray[np.int64]
Polygon = list[Ring]

# Headings: east along an upper edge, south along a right one, west along a lower one, north along a left one.
_BEGIN_Y = np.array([0, 0, 1, 1])  # start of an edge, relative to its pixel
_BEGIN_X = np.array([0, 1, 1, 0])
_BY_EDGES = ndimage.generate_binary_structure(2, 1)


def mask_polygons(mask: NDArray[Any], origin: Sequence[int] = (0, 0)) -> list[Polygon]:
    """Trace the outlines of a set of pixels.

    Parameters
    ----------
    mask : (H, W) bool
        The pixels.
    origin : (int, int)
        Row and column of the first pixel of the mask.

    Returns
    -------
    list of list of (N, 2) int64 arrays
        A polygon for each 4-connected part: its outer ring,
        then its holes, the smallest first. A ring lists its corners x, y; the
        last is the first. Outer rings have a positive area in x, y, holes a
        negative one, as required by GeoJSON (RFC 7946, 3.1.6). No ring passes a
        point twice, and no two cross.

    Examples
    --------
    >>> [[ring.tolist() for ring in polygon] for polygon in mask_polygons(np.ones((1, 3), bool), origin=(5, 2))]
    [[[[2, 5], [5, 5], [5, 6], [2, 6], [2, 5]]]]
    """
    mask = np.asarray(mask, bool)
    height, width = mask.shape[0] + 2, mask.shape[1] + 2  # a rim of background, so that every pixel has neighbors
    parts = np.zeros((height, width), np.int32)
    count = ndimage.label(mask, _BY_EDGES, output=parts[1:-1, 1:-1])
    parts = parts.ravel()
    inside = np.flatnonzero(parts)
    outward = np.array([-width, 1, width, -1])
    outer = parts[inside] != parts[inside + outward[:, None]]
    heading, which = np.nonzero(outer)
    pixel = inside[which]
    number = np.zeros((4, len(parts)), np.int64)
    number[heading, pixel] = np.arange(len(pixel))
    following = number[_next_edges(parts, pixel, heading, width)].tolist()
    row, column = np.divmod(pixel, width)
    corners = np.column_stack([column + _BEGIN_X[heading] + origin[1] - 1, row + _BEGIN_Y[heading] + origin[0] - 1])
    polygons: list[list[tuple[int, Ring]]] = [[] for _ in range(count)]
    seen = bytearray(len(pixel))
    for start in range(int(outer[0].sum())):  # every ring has an upper edge
        ring = []
        edge = start
        while not seen[edge]:
            seen[edge] = 1
            ring.append(edge)
            edge = following[edge]
        if ring:
            directions = heading[ring]
            turns = np.flatnonzero(directions[1:] != directions[:-1]) + 1
            outline = corners[np.array(ring)[[0, *turns, 0]]]  # a ring begins at a corner, the first pixel of a row
            polygons[parts[pixel[start]] - 1].append((ring_area(outline), outline))
    return [[ring for _, ring in sorted(rings, key=_size, reverse=True)] for rings in polygons]


def ring_area(ring: NDArray[np.integer]) -> int:
    """Pixels inside a closed ring (N, 2), x, y: positive if it has its inside to the right, with y pointing down.

    Examples
    --------
    >>> ring_area(np.array([(0, 0), (3, 0), (3, 2), (0, 2), (0, 0)]))
    6
    """
    x, y = ring[:, 0], ring[:, 1]
    return int(x[:-1] @ y[1:] - x[1:] @ y[:-1]) // 2


def _next_edges(
    parts: NDArray[np.integer], pixel: NDArray[np.int64], heading: NDArray[np.int64], width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Heading and pixel of the edge that follows each edge of a part."""
    part = parts[pixel]
    ahead = pixel + np.array([1, width, -1, -width])[heading]
    left = ahead + np.array([-width, 1, width, -1])[heading]
    # If pixels touch at a corner only, turning left prevents a ring from passing it twice.
    turns_left = parts[left] == part
    straight = parts[ahead] == part
    turn = np.where(turns_left, 3, np.where(straight, 0, 1))
    return (heading + turn) % 4, np.where(turns_left, left, np.where(straight, ahead, pixel))


def _size(ring: tuple[int, Ring]) -> int:
    return ring[0]
