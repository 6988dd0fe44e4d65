"""The visible pixels of an image.

Coordinates of pixels are those of napari: integers are centers, so pixel ``i`` extends from ``i - 1/2`` to ``i + 1/2``.
This file imports neither networks nor a GUI, so it can be imported in the GUI thread.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from napari_grd.inference.boxes import Box


@dataclass(frozen=True)
class View:
    """A part of one plane of an image.

    Attributes
    ----------
    level : int
        Pyramid level, 0 is the finest.
    plane : tuple of int
        Index along every axis that is neither displayed nor the channels'.
    region : (slice, slice)
        Rows and columns in pixels of the level; of a volume, its planes before them.
    across : int, default 0
        Of a volume: the axis along which a slab of planes extends.
    """

    level: int
    plane: tuple[int, ...]
    region: Box
    across: int = 0


@dataclass(frozen=True)
class Viewport:
    """The visible region of a canvas.

    Attributes
    ----------
    plane : tuple of int
        Index along every axis that is neither displayed nor the channels'.
    low, high : tuple of float
        Opposite corners (y, x) of the visible rectangle, in coordinates of the finest level. Of a volume (z, y, x):
        along the axis at which one looks, both are the position of the plane.
    across : int, default 0
        Of a volume: the axis at which one looks, 0 for planes of y and x.
    """

    plane: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    across: int = 0


def visible_region(look: Viewport, downsample: float, shape: Sequence[int], *, multiple: int = 1) -> Box | None:
    """The pixels of a level that are at least partly visible.

    Parameters
    ----------
    look : Viewport
        The visible region.
    downsample : float
        Pixels of the finest level per pixel of this level.
    shape : sequence of int
        Height and width of the level; of a volume, its depth before them.
    multiple : int, default 1
        Starts and stops are rounded outwards to multiples of this, clipped to the image.

    Returns
    -------
    (slice, slice) or None
        None if nothing of the image is visible.

    Examples
    --------
    >>> visible_region(Viewport((), (3.2, -40), (17.6, 90)), 1, (64, 64), multiple=16)
    (slice(0, 32, None), slice(0, 64, None))
    """
    spans = []
    for low, high, size in zip(look.low, look.high, shape, strict=True):
        start = max(math.floor((low + 0.5) / downsample), 0)
        stop = min(math.ceil((high + 0.5) / downsample), size)
        if not start < stop:
            return None
        spans.append(slice(start // multiple * multiple, min(-(-stop // multiple) * multiple, size)))
    return cast(Box, tuple(spans))


def central_part(region: Box, limit: int) -> Box:
    """A region itself if it has at most ``limit`` pixels, else as much of its middle.

    Parameters
    ----------
    region : (slice, slice)
        Rows and columns.
    limit : int
        Pixels, at least 1.

    Returns
    -------
    (slice, slice)
        Nearly square, and inside the region.

    Examples
    --------
    >>> central_part((slice(0, 100), slice(0, 30)), 400)
    (slice(40, 60, None), slice(5, 25, None))
    """
    height, width = (span.stop - span.start for span in region)
    if height * width <= limit:
        return region
    side = max(1, math.isqrt(limit))
    rows = min(height, max(side, limit // width))
    columns = max(1, min(width, limit // rows))
    sides = []
    for span, size in zip(region, (rows, columns), strict=True):
        start = span.start + (span.stop - span.start - size) // 2
        sides.append(slice(start, start + size))
    return sides[0], sides[1]
