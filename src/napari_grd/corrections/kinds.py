"""What a person can correct: one frozen record a gesture.

Coordinates are y, x in pixels of the image at full resolution. A pixel is two
integers; a stroke runs through points with pixel centres at whole numbers,
as in napari, and may leave the image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from napari_grd.corrections.region import MAX_SIDE, Region
from napari_grd.errors import CorrectionError

Pixel = tuple[int, int]
Point = tuple[float, float]

MAX_POINTS = 100_000
"""Points of one stroke."""

_MAX_AUTHOR = 200
_YEARS = range(1970, 3000)  # leaves room for "just after the last one"


@dataclass(frozen=True)
class Correction:
    """What all corrections have.

    Attributes
    ----------
    plane : tuple of int
        Index of the plane along the image's axes before y and x: ``()`` in 2D, ``(z,)`` or ``(t,)`` in a stack or
        series, ``(t, z)``. ``labels[plane]`` is the plane.
    id : str
        A UUID of its own, by which files are merged.
    time : datetime or None
        When it was made; :meth:`Corrections.add` fills it in.
    author : str or None
        Who made it.

    Raises
    ------
    CorrectionError
        If a value is none that the field can have.
    """

    plane: tuple[int, ...] = field(default=(), kw_only=True)
    id: str = field(default_factory=lambda: str(uuid4()), kw_only=True)
    time: datetime | None = field(default=None, kw_only=True)
    author: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._set("plane", tuple(_index(self, "plane", value) for value in _items(self, "plane", 0, 8)))
        try:
            self._set("id", str(UUID(self.id)))
        except (ValueError, AttributeError, TypeError):
            raise _wrong(self, "id", "a UUID") from None
        if self.time is not None:
            if not isinstance(self.time, datetime) or self.time.year not in _YEARS:
                raise _wrong(self, "time", f"a date from {_YEARS[0]} to {_YEARS[-1]}")
            zoned = self.time if self.time.tzinfo is not None else self.time.replace(tzinfo=UTC)
            self._set("time", zoned.astimezone(UTC))
        if self.author is not None and not (isinstance(self.author, str) and len(self.author) <= _MAX_AUTHOR):
            raise _wrong(self, "author", f"a text of at most {_MAX_AUTHOR} characters")

    @property
    def kind(self) -> str:
        """Its name in files: "pick", "join", ..."""
        return type(self).__name__.lower()

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        """Pixels that stand for objects."""
        return ()

    @property
    def area(self) -> Region | None:
        """The pixels it is about, if it is about pixels."""
        return None

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True)
class _AtObject(Correction):
    """A correction of the object at a pixel."""

    pixel: Pixel
    region: Region

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_pixel(self, "pixel")
        _check_region(self)

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        return (self.pixel,)

    @property
    def area(self) -> Region:
        return self.region


@dataclass(frozen=True)
class Pick(_AtObject):
    """These pixels are an instance.

    Attributes
    ----------
    pixel : (int, int)
        Where was clicked.
    region : Region
        What was taken.
    growth : float
        How far the wheel had grown (or, negative, shrunk) it.

    Examples
    --------
    >>> Pick((5, 6), Region([(5, 4, 4)])).region.area
    4
    """

    growth: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.growth, bool) or not isinstance(self.growth, int | float) or not math.isfinite(self.growth):
            raise _wrong(self, "growth", "a finite number")
        self._set("growth", float(self.growth))


@dataclass(frozen=True)
class Add(_AtObject):
    """These pixels belong to the instance at ``pixel``, too."""


@dataclass(frozen=True)
class Remove(_AtObject):
    """These pixels do not belong to the instance at ``pixel``."""


@dataclass(frozen=True)
class Accept(_AtObject):
    """The object at ``pixel`` is right as it is: exactly these pixels.

    It keeps the pixels themselves, not an id or a hash of them: it then
    survives another segmentation, and a file of corrections is enough to learn from.
    """


@dataclass(frozen=True)
class _Stroke(Correction):
    """A correction along a line.

    Attributes
    ----------
    stroke : tuple of (float, float)
        At least two points, y, x, rounded to an eighth of a pixel (which files hold exactly).
    """

    stroke: tuple[Point, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        points = [_point(self, point) for point in _items(self, "stroke", 2, MAX_POINTS)]
        self._set("stroke", tuple(points))


@dataclass(frozen=True)
class Join(_Stroke):
    """The pieces under this stroke are one object."""


@dataclass(frozen=True)
class Cut(_Stroke):
    """Along this stroke runs a border between objects."""


@dataclass(frozen=True)
class Split(Correction):
    """Two pixels lie in two different objects: a cut in two clicks."""

    first: Pixel
    second: Pixel

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_pixel(self, "first")
        _check_pixel(self, "second")
        if self.first == self.second:
            raise _wrong(self, "second", f"another pixel than the first, {self.first}")

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        return (self.first, self.second)


@dataclass(frozen=True)
class _Painted(Correction):
    """Pixels from a brush; ``pixel`` lies in the object that was painted on, None: in none."""

    region: Region
    pixel: Pixel | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_region(self)
        if self.pixel is not None:
            _check_pixel(self, "pixel")

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        return () if self.pixel is None else (self.pixel,)

    @property
    def area(self) -> Region:
        return self.region


@dataclass(frozen=True)
class Draw(_Painted):
    """Painted: these pixels belong to the object at ``pixel``, or, without it, are a new one."""


@dataclass(frozen=True)
class Erase(_Painted):
    """Painted: these pixels are background. ``pixel`` lies in what is left of the object; None: nothing is."""


KINDS: dict[str, type[Correction]] = {
    kind.__name__.lower(): kind for kind in (Pick, Add, Remove, Accept, Join, Cut, Split, Draw, Erase)
}


def _wrong(correction: Correction, name: str, wanted: str) -> CorrectionError:
    given = repr(getattr(correction, name, None))
    given = given if len(given) <= 80 else f"{given[:77]}..."
    return CorrectionError(f"{name} of a {correction.kind} is {given}.", f"Give {wanted}.")


def _items(correction: Correction, name: str, low: int, high: int) -> Sequence[Any]:
    values = getattr(correction, name)
    if isinstance(values, str | bytes) or not hasattr(values, "__len__") or not low <= len(values) <= high:
        raise _wrong(correction, name, f"{low} to {high} of them, in a tuple")
    return list(values)


def _index(correction: Correction, name: str, value: Any) -> int:
    # numpy's integers are welcome, its floats and Python's bools are not.
    if isinstance(value, bool) or not hasattr(value, "__index__") or not 0 <= int(value) <= MAX_SIDE:
        raise _wrong(correction, name, f"whole numbers from 0 to {MAX_SIDE}")
    return int(value)


def _check_pixel(correction: Correction, name: str) -> None:
    pixel = tuple(_index(correction, name, value) for value in _items(correction, name, 2, 2))
    object.__setattr__(correction, name, pixel)


def _check_region(correction: Any) -> None:
    if not isinstance(correction.region, Region):
        raise _wrong(correction, "region", "a Region, e.g. of Region.from_mask(mask)")


def _point(correction: Correction, point: Any) -> Point:
    try:
        y, x = (round(float(value) * 8) / 8 for value in point)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(correction, "stroke", "points of two finite numbers, y and x") from None
    if max(abs(y), abs(x)) > MAX_SIDE:
        raise _wrong(correction, "stroke", f"points within {MAX_SIDE} pixels")
    return y, x
