"""Rectangles of pixels, grid pixels or cells.

This file imports neither networks nor a GUI, so it can be imported in the GUI thread.
"""

from collections.abc import Sequence
from itertools import pairwise, product
from math import prod
from typing import Any, cast

Box = tuple[slice, slice]
"""Rows and columns, with explicit starts and stops. Boxes of a volume have slices before them."""


def clipped(box: Box, shape: Sequence[int], margin: int | Sequence[int] = 0, *, unit: int | Sequence[int] = 1) -> Box:
    """A box in units of several pixels, as pixels, grown by a margin on every side and clipped to a shape.

    Margin and unit are those of all axes, or of each.
    """
    margins, units = ((value,) * len(shape) if isinstance(value, int) else tuple(value) for value in (margin, unit))
    return _same(
        slice(max(span.start * step - more, 0), min(span.stop * step + more, size))
        for span, size, more, step in zip(box, shape, margins, units, strict=True)
    )


def size_of(box: Box) -> tuple[int, int]:
    """Height and width of a box; of a volume, its depth before them."""
    return cast(tuple[int, int], tuple(span.stop - span.start for span in box))


def within(box: Box, origin: Sequence[int]) -> Box:
    """A box in coordinates relative to an origin."""
    return _same(slice(span.start - start, span.stop - start) for span, start in zip(box, origin, strict=True))


def origin_of(box: Box) -> tuple[int, int]:
    """First row and column of a box; of a volume, its first slice before them."""
    return cast(tuple[int, int], tuple(span.start for span in box))


def common(first: Box, other: Box) -> Box | None:
    """The part that two boxes have in common; None if there is none.

    Examples
    --------
    >>> common((slice(0, 4), slice(0, 9)), (slice(2, 8), slice(3, 5)))
    (slice(2, 4, None), slice(3, 5, None))
    """
    overlap = _same(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, other, strict=True))
    return overlap if all(span.start < span.stop for span in overlap) else None


def _same(spans: Any) -> Box:
    return cast(Box, tuple(spans))


def pieces(box: Box, limit: int) -> list[Box]:
    """A box divided into about equal pieces of at most ``limit`` cells each.

    Examples
    --------
    >>> pieces((slice(0, 4), slice(0, 9)), 20)
    [(slice(0, 4, None), slice(0, 5, None)), (slice(0, 4, None), slice(5, 9, None))]
    """
    sizes: tuple[int, ...] = size_of(box)
    counts = [1] * len(sizes)
    while prod(-(-size // count) for size, count in zip(sizes, counts, strict=True)) > limit:
        # The last of the longest, so that rows stay whole.
        counts[max(range(len(sizes)), key=lambda axis: (sizes[axis] / counts[axis], axis))] += 1
    return [_same(spans) for spans in product(*(_cut(span, count) for span, count in zip(box, counts, strict=True)))]


def _cut(span: slice, count: int) -> list[slice]:
    size = span.stop - span.start
    edges = [span.start + -(-size * i // count) for i in range(count + 1)]
    return [slice(*edge) for edge in pairwise(edges)]
