"""A correction: what all kinds have in common, and the rules of their fields.

Coordinates are y, x in pixels of the image at full resolution. A pixel is two
integers; a stroke runs through points with pixel centers at whole numbers,
as in napari, and may leave the image.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.region import MAX_SIDE, Region
from napari_grd.errors import CorrectionError
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.pairs import among, keys

Plane = tuple[int, ...]
Pixel = tuple[int, int]
Point = tuple[float, float]
Labels = NDArray[np.integer[Any]]

MAX_POINTS = 100_000
"""Points of one stroke."""

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
    in_volume: ClassVar[bool] = False
    """Whether its objects are merged or split in all planes of their stack."""
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
        return most_frequent(labels[self.whole.mask(labels.shape)])

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
        >>> from napari_grd.corrections.kinds import Merge
        >>> len(Merge([(1, 1), (1, 3)]).constraints((9, 9)).must_link)
        2
        """
        if self.whole is not None:
            return _of_its_own(self.whole, shape)
        if self.draws and self.area is not None:
            return _of_the_object_at(self.pixels[0], self.area)
        return Constraints()


def most_frequent(numbers: Labels) -> list[int]:
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
        outside = ((beside >= 0) & (beside < shape)).all(axis=1) & ~among(numbers, keys(beside))
        pairs.append(np.stack([inside[outside], beside[outside]], axis=1))
    return Constraints().without_check(must_link=_chain(inside), cannot_link=np.concatenate(pairs), foreground=inside)


def _of_the_object_at(pixel: Pixel, region: Region) -> Constraints:
    """Pixels that belong to the object at a pixel."""
    inside = region.pixels
    return Constraints(must_link=_chain(np.concatenate([[pixel], inside])), foreground=inside)


def _chain(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([pixels[:-1], pixels[1:]], axis=1)
