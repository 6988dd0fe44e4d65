"""Values of corrections, checked and brought to one form; ``what`` names each in messages."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID

from napari_grd.corrections.region import MAX_SIDE, Region
from napari_grd.errors import CorrectionError

Pixel = tuple[int, int]
Point = tuple[float, float]

MAX_POINTS = 100_000
"""Points of one stroke."""
MAX_LENGTH = 1 << 22
"""Pixels that one stroke passes; each of them becomes a link."""

_MAX_AXES, _MAX_AUTHOR = 8, 200
_YEARS = range(1970, 3000)  # leaves room for "just after the last one"


def as_pixel(value: Any, what: str) -> Pixel:
    """Two whole numbers, y and x.

    Examples
    --------
    >>> as_pixel([3, 4], "pixel of a click")
    (3, 4)
    """
    y, x = _indices(value, what, 2, 2)
    return y, x


def as_plane(value: Any, what: str) -> tuple[int, ...]:
    """The index of a plane: a whole number for each axis before y and x."""
    return _indices(value, what, 0, _MAX_AXES)


def as_stroke(value: Any, what: str) -> tuple[Point, ...]:
    """At least two points y, x, rounded to an eighth of a pixel."""
    points = [_point(point, what) for point in _items(value, what, 2, MAX_POINTS)]
    length = sum(abs(y1 - y0) + abs(x1 - x0) for (y0, x0), (y1, x1) in pairwise(points))
    if length > MAX_LENGTH:
        raise CorrectionError(f"The {what} passes {length:.0f} pixels.", f"Keep it below {MAX_LENGTH}.")
    return tuple(points)


def as_region(value: Any, what: str) -> Region:
    """A region."""
    if not isinstance(value, Region):
        raise _wrong(value, what, "a Region, e.g. of Region.from_mask(mask)")
    return value


def as_number(value: Any, what: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(value, what, "a finite number")
    return float(value)


def as_id(value: Any, what: str) -> str:
    """A UUID, as text."""
    try:
        return str(UUID(value))
    except (ValueError, AttributeError, TypeError):
        raise _wrong(value, what, "a UUID") from None


def as_time(value: Any, what: str) -> datetime:
    """A date in UTC; without a zone it is taken for that."""
    if not isinstance(value, datetime) or value.year not in _YEARS:
        raise _wrong(value, what, f"a date from {_YEARS[0]} to {_YEARS[-1]}")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def as_author(value: Any, what: str) -> str:
    """A short text."""
    if not isinstance(value, str) or len(value) > _MAX_AUTHOR:
        raise _wrong(value, what, f"a text of at most {_MAX_AUTHOR} characters")
    return value


def _wrong(value: Any, what: str, wanted: str) -> CorrectionError:
    given = repr(value)
    given = given if len(given) <= 80 else f"{given[:77]}..."
    return CorrectionError(f"The {what} is {given}.", f"Give {wanted}.")


def _items(value: Any, what: str, low: int, high: int) -> Sequence[Any]:
    if isinstance(value, str | bytes) or not hasattr(value, "__len__") or not low <= len(value) <= high:
        raise _wrong(value, what, f"{low} to {high} of them" if low < high else f"{low} of them")
    return list(value)


def _indices(value: Any, what: str, low: int, high: int) -> tuple[int, ...]:
    items = _items(value, what, low, high)
    # numpy's integers are welcome, its floats and Python's bools are not.
    if any(isinstance(item, bool) or not hasattr(item, "__index__") or not 0 <= item <= MAX_SIDE for item in items):
        raise _wrong(value, what, f"whole numbers from 0 to {MAX_SIDE}")
    return tuple(int(item) for item in items)


def _point(value: Any, what: str) -> Point:
    try:
        y, x = (round(float(part) * 8) / 8 for part in value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(value, f"{what} has a point that", "points of two finite numbers, y and x") from None
    if max(abs(y), abs(x)) > MAX_SIDE:
        raise _wrong(value, f"{what} has a point that", f"points within {MAX_SIDE} pixels")
    return y, x
