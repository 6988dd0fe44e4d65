"""A set of pixels of one plane as runs along x, and its outline as polygons.

Polygons follow the edges of pixels: coordinates are x, y, pixel (y, x) covers
``[x, x + 1] x [y, y + 1]``, and a pixel belongs to a polygon if its center
does. The conversion of a region to polygons and back is exact.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import CorrectionError
from napari_grd.io.outlines import mask_polygons

MAX_SIDE = 1 << 24
"""Largest coordinate of a pixel; float64 tells eighths of a pixel apart far beyond it."""
MAX_RUNS = 1 << 21
"""Runs of one region: every other pixel of a plane of 2048 x 2048."""

Run = tuple[int, int, int]
BBox = tuple[int, int, int, int]
"""First row and column, and those behind the last: y0, x0, y1, x1."""


def box_of(pixels: NDArray[np.int64]) -> BBox:
    """The box around pixels ``(N, 2)``, at least one.

    Examples
    --------
    >>> box_of(np.array([[3, 4], [5, 1]]))
    (3, 1, 6, 5)
    """
    (y0, x0), (y1, x1) = pixels.min(axis=0).tolist(), pixels.max(axis=0).tolist()
    return y0, x0, y1 + 1, x1 + 1


def around(boxes: Iterable[BBox]) -> BBox:
    """The box around boxes, at least one.

    Examples
    --------
    >>> around([(0, 5, 2, 6), (1, 1, 3, 2)])
    (0, 1, 3, 6)
    """
    y0, x0, y1, x1 = zip(*boxes, strict=True)
    return min(y0), min(x0), max(y1), max(x1)


def extent(mask: NDArray[np.bool_]) -> BBox:
    """The box around the true pixels of a mask; an empty one if there are none."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1) if len(rows) else (0, 0, 0, 0)


def window(box: BBox) -> tuple[slice, slice]:
    """The rows and columns of a box."""
    return slice(box[0], box[2]), slice(box[1], box[3])


@dataclass(frozen=True)
class Region:
    """Pixels of one plane, at least one.

    Equal sets of pixels are equal regions, however they were given.

    Attributes
    ----------
    runs : tuple of (y, x, length)
        Sorted, and as long as they can be: no two overlap or touch along x.

    Raises
    ------
    CorrectionError
        If there is no pixel, or a number is not one of a pixel.

    Examples
    --------
    >>> Region([(4, 3, 2), (4, 5, 1), (2, 0, 1)])
    Region(runs=((2, 0, 1), (4, 3, 3)))
    """

    runs: tuple[Run, ...]

    def __init__(self, runs: Iterable[Sequence[int]]) -> None:
        merged = _merged(_checked(list(runs)))
        if len(merged) > MAX_RUNS:
            raise CorrectionError(f"A region falls into {len(merged)} runs of pixels.", f"Keep it below {MAX_RUNS}.")
        object.__setattr__(self, "runs", merged)

    @classmethod
    def from_mask(cls, mask: NDArray[Any], origin: tuple[int, int] = (0, 0)) -> "Region":
        """The pixels that are true in a mask, shape (H, W), whose first pixel lies at ``origin`` (y, x).

        Examples
        --------
        >>> Region.from_mask(np.eye(2, dtype=bool), origin=(10, 20)).runs
        ((10, 20, 1), (11, 21, 1))
        """
        mask = np.asarray(mask, bool)
        if mask.ndim != 2:
            raise CorrectionError(f"A mask has shape {mask.shape}.", "Pass the mask of one plane, (height, width).")
        box = extent(mask)
        steps = np.diff(np.pad(mask[window(box)], ((0, 0), (1, 1))).view(np.int8), axis=1)
        starts, ends = np.argwhere(steps == 1), np.argwhere(steps == -1)
        first = np.add(origin, box[:2])
        return cls(np.column_stack([starts + first, ends[:, 1] - starts[:, 1]]).tolist())

    @classmethod
    def from_pixels(cls, pixels: NDArray[Any]) -> "Region":
        """The given pixels, integers of shape (N, 2): y, x."""
        return cls([(y, x, 1) for y, x in np.asarray(pixels).tolist()])

    def paint(self, plane: NDArray[Any], value: Any, origin: tuple[int, int] = (0, 0)) -> None:
        """Write a value into the pixels of an array (H, W) that begins at ``origin``; what lies outside is left out."""
        pixels = self.pixels - origin
        plane[tuple(pixels[((pixels >= 0) & (pixels < plane.shape)).all(axis=1)].T)] = value

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """The region as a mask of the given shape (H, W).

        Examples
        --------
        >>> Region([(0, 1, 2)]).mask((1, 3)).tolist()
        [[False, True, True]]
        """
        mask = np.zeros(shape, bool)
        self.paint(mask, True)
        return mask

    @property
    def box_mask(self) -> NDArray[np.bool_]:
        """The region as a mask of its :attr:`box`."""
        mask = np.zeros(np.subtract(self.box[2:], self.box[:2]).tolist(), bool)
        self.paint(mask, True, self.box[:2])
        return mask

    @property
    def pixels(self) -> NDArray[np.int64]:
        """The pixels, shape (N, 2): y, x in raster order.

        Examples
        --------
        >>> Region([(4, 5, 2)]).pixels.tolist()
        [[4, 5], [4, 6]]
        """
        rows, starts, lengths = np.array(self.runs).T
        ends = np.cumsum(lengths)
        columns = np.arange(ends[-1]) - np.repeat(ends - lengths - starts, lengths)
        return np.stack([np.repeat(rows, lengths), columns], axis=1)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return sum(length for _, _, length in self.runs)

    @cached_property
    def box(self) -> BBox:
        """The box around the pixels."""
        return (
            self.runs[0][0],
            min(x for _, x, _ in self.runs),
            self.runs[-1][0] + 1,
            max(x + length for _, x, length in self.runs),
        )

    def __contains__(self, pixel: tuple[int, int]) -> bool:
        return any(y == pixel[0] and x <= pixel[1] < x + length for y, x, length in self.runs)

    def label_in(self, labels: NDArray[np.integer[Any]], origin: tuple[int, int] = (0, 0)) -> int:
        """The label of the object that has exactly these pixels, 0 if there is none.

        Parameters
        ----------
        labels : integer array, shape (H, W)
            A plane, or a part of it that holds the whole object.
        origin : (int, int)
            Where in the plane the part begins.

        Examples
        --------
        >>> Region([(0, 1, 2)]).label_in(np.array([[0, 4, 4]])), Region([(0, 1, 2)]).label_in(np.array([[4, 4, 4]]))
        (4, 0)
        """
        y0, x0, y1, x1 = np.subtract(self.box, (*origin, *origin)).tolist()
        if min(y0, x0) < 0 or y1 > labels.shape[0] or x1 > labels.shape[1]:
            return 0
        label = int(labels[y0, self.runs[0][1] - origin[1]])
        inside = labels == label
        same = np.count_nonzero(inside) == self.area and (inside[y0:y1, x0:x1] == self.box_mask).all()
        return label if same else 0

    def without(self, other: "Region") -> "Region | None":
        """The pixels that the other does not have; None if there are none.

        Examples
        --------
        >>> Region([(0, 1, 3)]).without(Region([(0, 2, 9)]))
        Region(runs=((0, 1, 1),))
        """
        rest = self.box_mask
        other.paint(rest, False, self.box[:2])
        return Region.from_mask(rest, self.box[:2]) if rest.any() else None

    def overlaps(self, other: "Region") -> bool:
        """Whether the two have a pixel in common."""
        (y0, x0, y1, x1), (v0, u0, v1, u1) = self.box, other.box
        disjoint = max(y0, v0) >= min(y1, v1) or max(x0, u0) >= min(x1, u1)
        return not disjoint and self.without(other) != self


def _checked(runs: list[Sequence[int]]) -> NDArray[np.int64]:
    if not runs:
        raise CorrectionError("A region has no pixels.", "Give at least one pixel.")
    try:
        array = np.asarray(runs)
    except (ValueError, OverflowError):
        array = np.empty(0, object)
    if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1] != 3:
        raise CorrectionError("The runs of a region are not all three integers.", "Give y, x and length of each run.")
    if array.min() < 0 or int(array.max()) > MAX_SIDE or array[:, 2].min() < 1:
        bad = array[(array < 0).any(axis=1) | (array > MAX_SIDE).any(axis=1) | (array[:, 2] < 1)][0]
        raise CorrectionError(
            f"A run of a region is y, x, length = {tuple(bad.tolist())}.",
            f"Coordinates are from 0 to {MAX_SIDE}, a run has at least one pixel.",
        )
    return array.astype(np.int64)


def _merged(runs: NDArray[np.int64]) -> tuple[Run, ...]:
    merged: list[Run] = []
    for y, x, length in runs[np.lexsort((runs[:, 1], runs[:, 0]))].tolist():
        if merged and merged[-1][0] == y and x <= merged[-1][1] + merged[-1][2]:
            start = merged[-1][1]
            merged[-1] = (y, start, max(merged[-1][2], x + length - start))
        else:
            merged.append((y, x, length))
    return tuple(merged)


Ring = list[list[int]]

_MAX_CROSSINGS = 2 * MAX_RUNS  # a run lies between two: what a region is written as can be read


def polygons(region: Region) -> list[list[Ring]]:
    """The outlines of a region, a polygon for each part that is connected along edges.

    A polygon is its outer ring and then its holes; a ring is a list of [x, y] whose last is its first. Outer rings have
    a positive area in x, y, holes a negative one, as GeoJSON asks for (RFC 7946, 3.1.6).

    Examples
    --------
    >>> polygons(Region([(5, 2, 3)]))
    [[[[2, 5], [5, 5], [5, 6], [2, 6], [2, 5]]]]
    """
    return [[ring.tolist() for ring in polygon] for polygon in mask_polygons(region.box_mask, region.box[:2])]


def fill(rings: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> list[tuple[int, int, int]]:
    """The pixels whose centers lie inside a polygon, as runs (y, x, length); what lies outside ``shape`` is cut off.

    Rings are x, y, closed or not. A point is inside if a line from it crosses an odd number of edges, so holes may run
    in any direction. Raises a `CorrectionError` if the polygon is so complex that it was not drawn by anybody.

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
