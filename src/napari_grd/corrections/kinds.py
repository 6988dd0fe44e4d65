"""What a person can correct: one frozen record a gesture.

Coordinates are y, x in pixels of the image at full resolution. A pixel is two
integers; a stroke runs through points with pixel centers at whole numbers,
as in napari, and may leave the image.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from napari_grd.corrections.region import Region
from napari_grd.corrections.values import (
    Pixel,
    Point,
    as_author,
    as_id,
    as_number,
    as_pixel,
    as_plane,
    as_region,
    as_stroke,
    as_time,
)
from napari_grd.errors import CorrectionError


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

    @property
    def kind(self) -> str:
        """Its name in files: "pick", "join", ..."""
        return type(self).__name__.lower()

    @property
    def pixels(self) -> tuple[Pixel, ...]:
        """Pixels of its plane that stand for objects, where it says what these look like."""
        return ()

    @property
    def places(self) -> tuple[tuple[tuple[int, ...], Pixel], ...]:
        """All pixels that stand for objects, with their planes."""
        return tuple((self.plane, pixel) for pixel in self.pixels)

    @property
    def area(self) -> Region | None:
        """The pixels it is about, if it is about pixels."""
        return None

    def _check(self, name: str, check: Callable[[Any, str], Any]) -> None:
        object.__setattr__(self, name, check(getattr(self, name), f"{name} of the correction {self.kind!r}"))


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
        self._check("growth", as_number)


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
        self._check("stroke", as_stroke)


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


@dataclass(frozen=True)
class Erase(_Painted):
    """Painted: these pixels are background. ``pixel`` lies in what is left of the object; None: nothing is."""


@dataclass(frozen=True)
class _Through(Correction):
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
                f"The planes of the correction {self.kind!r} are {self.plane} and {self.other}.",
                "Give two planes of a stack or series that differ along one axis.",
            )

    @property
    def places(self) -> tuple[tuple[tuple[int, ...], Pixel], ...]:
        return ((self.plane, self.first), (self.other, self.second))


@dataclass(frozen=True)
class Link(_Through):
    """Two objects in two planes are one.

    Examples
    --------
    >>> Link((5, 6), (5, 7), (3,), plane=(2,)).places
    (((2,), (5, 6)), ((3,), (5, 7)))
    """


@dataclass(frozen=True)
class Unlink(_Through):
    """Two objects in two planes are two, though they have one number."""


KINDS: dict[str, type[Correction]] = {
    kind.__name__.lower(): kind for kind in (Pick, Add, Remove, Accept, Join, Cut, Split, Draw, Erase, Link, Unlink)
}
