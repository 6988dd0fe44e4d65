"""The kinds of corrections: one frozen record per gesture.

Coordinates are y, x in pixels of the image at full resolution. A pixel is two
integers; a stroke runs through points with pixel centers at whole numbers,
as in napari, and may leave the image.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, ClassVar
from uuid import UUID, uuid4

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
        self._check("plane", as_plane)
        self._check("id", as_id)
        if self.time is not None:
            self._check("time", as_time)
        if self.author is not None:
            self._check("author", as_author)

    kind: ClassVar[str]
    """Its name in files and journals: "pick", "join", ..."""
    geometry: ClassVar[str] = "Polygon"
    """The GeoJSON geometry that it is written as; "LineString" has a ``stroke``, "Polygon" a ``region``."""
    between_planes: ClassVar[bool] = False
    """Whether it is about the ids of objects in two planes, not about their pixels."""

    def __init_subclass__(cls, kind: str | None = None) -> None:
        cls.kind = kind or cls.__name__.lower()

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        """Pixels of its plane that stand for objects whose pixels it concerns."""
        return ()

    @property
    def places(self) -> tuple[tuple[tuple[int, ...], Pixel], ...]:
        """All pixels that stand for objects, with their planes."""
        return tuple((self.plane, pixel) for pixel in self.pixels)

    @property
    def area(self) -> Region | None:
        """The pixels it is about, if it is about pixels."""
        return None

    @property
    def whole(self) -> Region | None:
        """All pixels of an object, if it names them all."""
        return None

    def _check(self, name: str, check: Callable[[Any, str], Any]) -> None:
        object.__setattr__(self, name, check(getattr(self, name), f"{name} of the correction {type(self).__name__!r}"))


@dataclass(frozen=True)
class _AtObject(Correction):
    """A correction of the object at a pixel."""

    pixel: Pixel
    region: Region

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("pixel", as_pixel)
        self._check("region", as_region)

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        return (self.pixel,)

    @property
    def area(self) -> Region:
        return self.region


@dataclass(frozen=True)
class _Object(_AtObject):
    """A correction that names all pixels of the object."""

    @property
    def whole(self) -> Region:
        return self.region


@dataclass(frozen=True)
class Pick(_Object):
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
        self._check("growth", as_number)


@dataclass(frozen=True)
class Add(_AtObject):
    """These pixels belong to the instance at ``pixel``, too."""


@dataclass(frozen=True)
class Remove(_AtObject):
    """These pixels do not belong to the instance at ``pixel``."""


@dataclass(frozen=True)
class Accept(_Object):
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

    geometry: ClassVar[str] = "LineString"
    stroke: tuple[Point, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("stroke", as_stroke)


@dataclass(frozen=True)
class Merge(_Stroke, kind="join"):
    """The pieces under this stroke are one object."""


@dataclass(frozen=True)
class SplitLine(_Stroke, kind="cut"):
    """Along this stroke runs a border between objects."""


@dataclass(frozen=True)
class Split(Correction):
    """Two pixels lie in two different objects: a split at two points."""

    geometry: ClassVar[str] = "MultiPoint"

    first: Pixel
    second: Pixel

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("first", as_pixel)
        self._check("second", as_pixel)
        if self.first == self.second:
            raise CorrectionError(f"A split has {self.first} twice.", "Give pixels of two objects.")

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
        self._check("region", as_region)
        if self.pixel is not None:
            self._check("pixel", as_pixel)

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        return () if self.pixel is None else (self.pixel,)

    @property
    def area(self) -> Region:
        return self.region


@dataclass(frozen=True)
class Draw(_Painted):
    """Painted: these pixels belong to the object at ``pixel``, or, without it, are a new one."""

    @property
    def whole(self) -> Region | None:
        return self.region if self.pixel is None else None


@dataclass(frozen=True)
class Erase(_Painted):
    """Painted: these pixels are background. ``pixel`` lies in what is left of the object; None: nothing is."""


@dataclass(frozen=True)
class _BetweenPlanes(Correction):
    """A correction of how planes go together; what objects look like in a plane it leaves alone.

    Attributes
    ----------
    first : (int, int)
        A pixel of an object in ``plane``.
    second : (int, int)
        A pixel of an object in the plane ``other``.
    other : tuple of int
        Index of the second plane, along one axis before or behind the first.
    """

    geometry: ClassVar[str] = "MultiPoint"
    between_planes: ClassVar[bool] = True
    first: Pixel
    second: Pixel
    other: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check("first", as_pixel)
        self._check("second", as_pixel)
        self._check("other", as_plane)
        same_axes = len(self.plane) == len(self.other)
        if not same_axes or sum(a != b for a, b in zip(self.plane, self.other, strict=True)) != 1:
            raise CorrectionError(
                f"The planes of the correction {type(self).__name__!r} are {self.plane} and {self.other}.",
                "Give two planes of a stack or series that differ along one axis.",
            )

    @property
    def places(self) -> tuple[tuple[tuple[int, ...], Pixel], ...]:
        return ((self.plane, self.first), (self.other, self.second))


@dataclass(frozen=True)
class Link(_BetweenPlanes):
    """Two objects in two planes are one.

    Examples
    --------
    >>> Link((5, 6), (5, 7), (3,), plane=(2,)).places
    (((2,), (5, 6)), ((3,), (5, 7)))
    """


@dataclass(frozen=True)
class Unlink(_BetweenPlanes):
    """Two objects in two planes are two, though they have one number."""


KINDS: dict[str, type[Correction]] = {
    kind.kind: kind for kind in (Pick, Add, Remove, Accept, Merge, SplitLine, Split, Draw, Erase, Link, Unlink)
}
"""Every kind by its name in files, which is older than the class names."""
