"""The kinds of corrections: one frozen record per gesture, and all that distinguishes one kind from another.

Coordinates are y, x in pixels of the image at full resolution. A pixel is two
integers; a stroke runs through points with pixel centers at whole numbers,
as in napari, and may leave the image.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, ClassVar
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.region import MAX_SIDE, Region
from napari_grd.errors import CorrectionError
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.pairs import keys
from napari_grd.graph.strokes import rasterise

Plane = tuple[int, ...]
Pixel = tuple[int, int]
Point = tuple[float, float]
Labels = NDArray[np.integer[Any]]

MAX_POINTS = 100_000
"""Points of one stroke."""
MAX_LENGTH = 1 << 22
"""Pixels that one stroke passes; each of them becomes a link."""

_MAX_AXES, _MAX_AUTHOR = 8, 200
_YEARS = range(1970, 3000)  # leaves room for "just after the last one"
_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _if(valid: bool, value: Any) -> Any:
    if not valid:
        raise ValueError
    return value


def _items(value: Any, low: int, high: int) -> Sequence[Any]:
    return list(_if(not isinstance(value, str | bytes) and low <= len(value) <= high, value))


def _indices(value: Any, low: int, high: int) -> tuple[int, ...]:
    # numpy's integers are welcome, its floats and Python's bools are not.
    return tuple(
        int(_if(not isinstance(item, bool) and hasattr(item, "__index__") and 0 <= item <= MAX_SIDE, item))
        for item in _items(value, low, high)
    )


def _point(value: Any) -> Point:
    y, x = (round(float(part) * 8) / 8 for part in value)
    return _if(max(abs(y), abs(x)) <= MAX_SIDE, (y, x))  # type: ignore[no-any-return]


def _number(value: Any) -> float:
    return float(_if(isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value), value))


def _time(value: Any) -> datetime:
    time: datetime = _if(isinstance(value, datetime) and value.year in _YEARS, value)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


_PIXEL = (lambda value: _indices(value, 2, 2), f"two whole numbers from 0 to {MAX_SIDE}, y and x")
_PLANE = (lambda value: _indices(value, 0, _MAX_AXES), f"whole numbers from 0 to {MAX_SIDE}, one an axis")
_FIELDS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "plane": _PLANE,
    "other": _PLANE,
    "pixel": _PIXEL,
    "first": _PIXEL,
    "second": _PIXEL,
    "stroke": (
        lambda value: tuple(map(_point, _items(value, 2, MAX_POINTS))),
        f"2 to {MAX_POINTS} points of two finite numbers, y and x, within {MAX_SIDE} pixels",
    ),
    "region": (lambda value: _if(isinstance(value, Region), value), "a Region, e.g. of Region.from_mask(mask)"),
    "growth": (_number, "a finite number"),
    "id": (lambda value: str(UUID(value)), "a UUID"),
    "time": (_time, f"a date from {_YEARS[0]} to {_YEARS[-1]}"),
    "author": (
        lambda value: _if(isinstance(value, str) and len(value) <= _MAX_AUTHOR, value),
        f"a text of at most {_MAX_AUTHOR} characters",
    ),
}
"""What a field can be, by its name: the conversion, which raises an error for anything else, and its description."""


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
        When it was made, in UTC; :meth:`Corrections.add` fills it in.
    author : str or None
        Who made it.

    Raises
    ------
    CorrectionError
        If a value is none that the field can have.
    """

    plane: Plane = field(default=(), kw_only=True)
    id: str = field(default_factory=lambda: str(uuid4()), kw_only=True)
    time: datetime | None = field(default=None, kw_only=True)
    author: str | None = field(default=None, kw_only=True)

    kind: ClassVar[str]
    """Its name in files and journals: "pick", "join", ..."""
    geometry: ClassVar[str] = "Polygon"
    """The GeoJSON geometry that it is written as; "LineString" has a ``stroke``, "Polygon" a ``region``."""
    between_planes: ClassVar[bool] = False
    """Whether it is about the ids of objects in two planes, not about their pixels."""
    links: ClassVar[bool] = False
    """Whether the two objects are one; otherwise they are two."""
    clears: ClassVar[bool] = False
    """Whether its region becomes background."""
    clears_one: ClassVar[bool] = False
    """Whether only the object at its pixel loses its region."""
    draws: ClassVar[bool] = False
    """Whether its region is of an object, as a user gave it."""
    accepts: ClassVar[bool] = False
    """Whether it leaves the object as it is, and holds for as long as that has exactly its pixels."""
    crosses_objects: ClassVar[bool] = False
    """Whether its constraints depend on the objects that are seen."""

    def __init_subclass__(cls, kind: str | None = None) -> None:
        cls.kind = kind or cls.__name__.lower()

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None and each.default is None:
                continue
            convert, wanted = _FIELDS[each.name]
            try:
                object.__setattr__(self, each.name, convert(value))
            except (TypeError, ValueError, OverflowError, AttributeError):
                given = repr(value)
                given = given if len(given) <= 80 else f"{given[:77]}..."
                raise CorrectionError(
                    f"The {each.name} of the correction {type(self).__name__!r} is {given}.", f"Give {wanted}."
                ) from None

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        """Pixels of its plane that stand for objects whose pixels it concerns."""
        named = (getattr(self, name, None) for name in ("pixel", "first", "second"))
        return tuple(pixel for pixel in named if pixel is not None)

    @property
    def places(self) -> tuple[tuple[Plane, Pixel], ...]:
        """All pixels that stand for objects, with their planes."""
        return tuple((self.plane, pixel) for pixel in self.pixels)

    @property
    def area(self) -> Region | None:
        """The pixels it is about, if it is about pixels."""
        return getattr(self, "region", None)

    @property
    def line(self) -> tuple[Point, ...]:
        """The points of its stroke, if it has one."""
        return getattr(self, "stroke", ())

    @property
    def whole(self) -> Region | None:
        """All pixels of an object, if it names them all."""
        return None

    def objects_in(self, labels: Labels) -> list[int]:
        """The objects that it is about, as they are numbered in labels of its plane, shape (H, W)."""
        if self.pixels or self.whole is None:
            return [int(labels[pixel]) for pixel in self.pixels]
        return _most(labels[self.whole.mask(labels.shape)])

    def touches(self, region: Region) -> bool:
        """Whether it is about a pixel of a region of its plane."""
        return any(pixel in region for pixel in self.pixels) or (self.area is not None and self.area.overlaps(region))

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        """Constraints of the graph, to be combined with those of earlier corrections.

        Parameters
        ----------
        shape : (int, int)
            Height and width of the plane; a stroke outside gives no constraints.
        labels : integer array, shape (H, W), optional
            Objects of the plane: those that the end of a split line only touches are then not split.

        Examples
        --------
        >>> len(Merge([(1, 1), (1, 3)]).constraints((9, 9)).must_link)
        2
        """
        return Constraints()


@dataclass(frozen=True)
class _AtObject(Correction):
    """A correction of the object at a pixel."""

    pixel: Pixel
    region: Region


@dataclass(frozen=True)
class _Object(_AtObject):
    """A correction that names all pixels of the object."""

    @property
    def whole(self) -> Region:
        return self.region

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        return _of_its_own(self.region, shape)


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

    draws: ClassVar[bool] = True
    growth: float = 0.0


@dataclass(frozen=True)
class Add(_AtObject):
    """These pixels belong to the instance at ``pixel``, too."""

    draws: ClassVar[bool] = True

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        return _of_the_object_at(self.pixel, self.region)


@dataclass(frozen=True)
class Remove(_AtObject):
    """These pixels do not belong to the instance at ``pixel``."""

    clears: ClassVar[bool] = True
    clears_one: ClassVar[bool] = True

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        inside = self.region.pixels
        inside = inside[(inside != self.pixel).any(axis=1)]
        return Constraints(cannot_link=np.stack([inside, np.broadcast_to(self.pixel, inside.shape)], axis=1))


@dataclass(frozen=True)
class Accept(_Object):
    """The object at ``pixel`` is right as it is: exactly these pixels.

    It keeps the pixels themselves, not an id or a hash of them: it then
    survives another segmentation, and a file of corrections is enough to learn from.
    """

    accepts: ClassVar[bool] = True


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
        length = sum(abs(y1 - y0) + abs(x1 - x0) for (y0, x0), (y1, x1) in pairwise(self.stroke))
        if length > MAX_LENGTH:
            raise CorrectionError(
                f"The stroke of the correction {type(self).__name__!r} passes {length:.0f} pixels.",
                f"Keep it below {MAX_LENGTH}.",
            )

    def passed(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """The pixels of a plane (H, W) that the stroke passes, shape (N, 2)."""
        return _within(rasterise(self.stroke), (0, 0), shape)

    def objects_in(self, labels: Labels) -> list[int]:
        return _most(labels[tuple(self.passed(labels.shape).T)])

    def touches(self, region: Region) -> bool:
        low, high = region.box[:2], region.box[2:]
        path = _within(rasterise(self.stroke), low, high)
        return bool(np.isin(keys(path), keys(region.pixels)).any()) if len(path) else False


@dataclass(frozen=True)
class Merge(_Stroke, kind="join"):
    """The pieces under this stroke are one object."""

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        return Constraints.merge_stroke(self.stroke, shape)


@dataclass(frozen=True)
class SplitLine(_Stroke, kind="cut"):
    """Along this stroke runs a border between objects."""

    crosses_objects: ClassVar[bool] = True

    def objects_in(self, labels: Labels) -> list[int]:
        passed = np.zeros(labels.shape, bool)
        passed[tuple(self.passed(labels.shape).T)] = True
        return _most(labels[ndimage.binary_dilation(passed, np.ones((3, 3), bool))])

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        return Constraints.split_stroke(self.stroke, shape, labels)


@dataclass(frozen=True)
class Split(Correction):
    """Two pixels lie in two different objects: a split at two points."""

    geometry: ClassVar[str] = "MultiPoint"
    first: Pixel
    second: Pixel

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first == self.second:
            raise CorrectionError(f"A split has {self.first} twice.", "Give pixels of two objects.")

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        return Constraints.split_points(self.first, self.second)


@dataclass(frozen=True)
class _Painted(Correction):
    """Pixels from a brush; ``pixel`` lies in the object that was painted on, None: in none."""

    region: Region
    pixel: Pixel | None = None


@dataclass(frozen=True)
class Draw(_Painted):
    """Painted: these pixels belong to the object at ``pixel``, or, without it, are a new one."""

    draws: ClassVar[bool] = True

    @property
    def whole(self) -> Region | None:
        return self.region if self.pixel is None else None

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        if self.pixel is None:
            return _of_its_own(self.region, shape)
        return _of_the_object_at(self.pixel, self.region)


@dataclass(frozen=True)
class Erase(_Painted):
    """Painted: these pixels are background. ``pixel`` lies in what is left of the object; None: nothing is."""

    clears: ClassVar[bool] = True

    def constraints(self, shape: tuple[int, int], labels: Labels | None = None) -> Constraints:
        return Constraints(background=self.region.pixels)


@dataclass(frozen=True)
class BetweenPlanes(Correction):
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
    other: Plane

    def __post_init__(self) -> None:
        super().__post_init__()
        same_axes = len(self.plane) == len(self.other)
        if not same_axes or sum(a != b for a, b in zip(self.plane, self.other, strict=True)) != 1:
            raise CorrectionError(
                f"The planes of the correction {type(self).__name__!r} are {self.plane} and {self.other}.",
                "Give two planes of a stack or series that differ along one axis.",
            )

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        return ()

    @property
    def places(self) -> tuple[tuple[Plane, Pixel], ...]:
        return ((self.plane, self.first), (self.other, self.second))


@dataclass(frozen=True)
class Link(BetweenPlanes):
    """Two objects in two planes are one.

    Examples
    --------
    >>> Link((5, 6), (5, 7), (3,), plane=(2,)).places
    (((2,), (5, 6)), ((3,), (5, 7)))
    """

    links: ClassVar[bool] = True


@dataclass(frozen=True)
class Unlink(BetweenPlanes):
    """Two objects in two planes are two, though they have one number."""


KINDS: dict[str, type[Correction]] = {
    kind.kind: kind for kind in (Pick, Add, Remove, Accept, Merge, SplitLine, Split, Draw, Erase, Link, Unlink)
}
"""Every kind by its name in files, which is older than the class names."""


def _within(pixels: NDArray[np.int64], low: Sequence[int], high: Sequence[int]) -> NDArray[np.int64]:
    """Pixels from a first one up to, and without, a last one."""
    return pixels[((pixels >= low) & (pixels < high)).all(axis=1)]


def _most(numbers: Labels) -> list[int]:
    """Those that are at least a tenth of all: a stroke pokes into neighbors, too."""
    labels, counts = np.unique(numbers[numbers > 0], return_counts=True)
    return [int(label) for label in labels[counts * 10 >= counts.sum()]]


def _of_its_own(region: Region, shape: tuple[int, int]) -> Constraints:
    """An object: its pixels linked, and separated from all neighboring pixels."""
    inside = region.pixels
    numbers = keys(inside)  # sorted, as the pixels are
    pairs = []
    for side in _SIDES:
        beside = inside + side
        wanted = keys(beside)
        index = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        outside = (beside >= 0).all(axis=1) & (beside < shape).all(axis=1) & (numbers[index] != wanted)
        pairs.append(np.stack([inside[outside], beside[outside]], axis=1))
    return Constraints().without_check(must_link=_chain(inside), cannot_link=np.concatenate(pairs), foreground=inside)


def _of_the_object_at(pixel: Pixel, region: Region) -> Constraints:
    """Pixels that belong to the object at a pixel."""
    inside = region.pixels
    return Constraints(must_link=_chain(np.concatenate([[pixel], inside])), foreground=inside)


def _chain(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([pixels[:-1], pixels[1:]], axis=1)
