"""Regions as polygons, and polygons as regions.

The polygons follow the edges of pixels: coordinates are x, y, pixel (y, x)
covers ``[x, x + 1] x [y, y + 1]``, and a pixel belongs to a polygon if its
center does. From a region to its polygons and back is exact.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.region import MAX_RUNS, Region
from napari_grd.errors import CorrectionError
from napari_grd.io.outlines import mask_polygons

Ring = list[list[int]]

_MAX_CROSSINGS = 2 * MAX_RUNS  # a run lies between two: what a region is written as can be read


def polygons(region: Region) -> list[list[Ring]]:
    """The outlines of a region.

    Returns
    -------
    list of polygons
        One for each part that is connected along edges. A polygon is its outer
        ring and then its holes; a ring is a list of [x, y] whose last is its
        first. Outer rings have a positive area in x, y, holes a negative one,
        as GeoJSON asks for (RFC 7946, 3.1.6).

    Examples
    --------
    >>> polygons(Region([(5, 2, 3)]))
    [[[[2, 5], [5, 5], [5, 6], [2, 6], [2, 5]]]]
    """
    y0, x0, y1, x1 = region.box
    mask = np.zeros((y1 - y0, x1 - x0), bool)
    for y, x, length in region.runs:
        mask[y - y0, x - x0 : x - x0 + length] = True
    return [[ring.tolist() for ring in polygon] for polygon in mask_polygons(mask, (y0, x0))]


def fill(rings: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> list[tuple[int, int, int]]:
    """The pixels whose centers lie inside a polygon, as runs (y, x, length).

    Parameters
    ----------
    rings : sequence of float arrays, shape (N, 2)
        x, y; closed or not. A point is inside if a line from it crosses an odd
        number of edges, so holes may run in any direction.
    shape : (int, int)
        Height and width of the plane; what lies outside is cut off.

    Raises
    ------
    CorrectionError
        If the polygon is so complex that it was not drawn by anybody.

    Examples
    --------
    >>> fill([np.array([[2, 5], [5, 5], [5, 6], [2, 6]])], (10, 10))
    [(5, 2, 3)]
    """
    start = np.concatenate([np.asarray(ring, np.float64) for ring in rings])
    end = np.concatenate([np.roll(np.asarray(ring, np.float64), -1, axis=0) for ring in rings])
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low - 0.5), 0, shape[0]).astype(np.int64)
    counts = np.clip(np.ceil(high - 0.5), 0, shape[0]).astype(np.int64) - first
    if counts.sum() > _MAX_CROSSINGS:
        raise CorrectionError(
            f"A polygon crosses the rows of the image {int(counts.sum())} times.",
            f"Simplify it to at most {_MAX_CROSSINGS}.",
        )
    edge = np.repeat(np.arange(len(start)), counts)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    (x1, y1), (x2, y2) = start[edge].T, end[edge].T
    x = x1 + (row + 0.5 - y1) * (x2 - x1) / (y2 - y1)  # an edge that crosses a row is not horizontal
    order = np.lexsort((x, row))
    column = np.clip(np.ceil(x[order] - 0.5), 0, shape[1]).astype(np.int64)
    runs = np.column_stack([row[order][::2], column[::2], column[1::2] - column[::2]])
    return [(y, x, length) for y, x, length in runs[runs[:, 2] > 0].tolist()]
