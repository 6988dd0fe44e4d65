"""Rectangles of pixels, grid pixels or cells.

This file imports neither networks nor a GUI, so it can be imported in the GUI thread.
"""

from itertools import pairwise, product
from typing import Any, cast

Box = tuple[slice, slice]
"""Rows and columns, with explicit starts and stops. Boxes of a volume have slices before them."""


def clipped(box: Box, shape: tuple[int, int], margin: int = 0, *, unit: int = 1) -> Box:
    """A box in units of several pixels, as pixels, grown by a margin on every side and clipped to a shape."""
    return _same(
        slice(max(span.start * unit - margin, 0), min(span.stop * unit + margin, size))
        for span, size in zip(box, shape, strict=True)
    )


def size_of(box: Box) -> tuple[int, int]:
    """Height and width of a box; of a volume, its depth before them."""
    return cast(tuple[int, int], tuple(span.stop - span.start for span in box))


def within(box: Box, origin: tuple[int, int]) -> Box:
    """A box in coordinates relative to an origin."""
    return _same(slice(span.start - at, span.stop - at) for span, at in zip(box, origin, strict=True))


def origin_of(box: Box) -> tuple[int, int]:
    """First row and column of a box; of a volume, its first slice before them."""
    return cast(tuple[int, int], tuple(span.start for span in box))


def _same(spans: Any) -> Box:
    return cast(Box, tuple(spans))


def pieces(box: Box, limit: int) -> list[Box]:
    """A box divided into about equal pieces of at most ``limit`` cells each.

    Examples
    --------
    >>> pieces((slice(0, 4), slice(0, 9)), 20)
    [(slice(0, 4, None), slice(0, 5, None)), (slice(0, 4, None), slice(5, 9, None))]
    """
    counts = [1, 1]
    height, width = size_of(box)
    while -(-height // counts[0]) * -(-width // counts[1]) > limit:
        axis = 0 if height / counts[0] > width / counts[1] else 1
        counts[axis] += 1
    rows, columns = (_cut(span, count) for span, count in zip(box, counts, strict=True))
    return list(product(rows, columns))


def _cut(span: slice, count: int) -> list[slice]:
    size = span.stop - span.start
    edges = [span.start + -(-size * i // count) for i in range(count + 1)]
    return [slice(*edge) for edge in pairwise(edges)]
