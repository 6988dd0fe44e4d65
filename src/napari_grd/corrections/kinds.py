"""The kinds of corrections: one frozen record per gesture, and all that distinguishes one kind from another."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.corrections.correction import Correction, Labels, Pixel, Plane, Point, most_frequent
from napari_grd.corrections.region import Region
from napari_grd.errors import CorrectionError
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.pairs import keys
from napari_grd.graph.strokes import rasterise

MAX_LENGTH = 1 << 22
"""Pixels that one stroke passes; each of them becomes a link."""


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
        return most_frequent(labels[tuple(self.passed(labels.shape).T)])

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
        return most_frequent(labels[ndimage.binary_dilation(passed, np.ones((3, 3), bool))])

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
class MergeVolume(Merge, kind="join-volume"):
    """The objects under this stroke are one, in all planes of the stack.

    Examples
    --------
    >>> MergeVolume([(1, 1), (1, 3)], plane=(4,)).in_volume
    True
    """

    in_volume: ClassVar[bool] = True


@dataclass(frozen=True)
class SplitLineVolume(SplitLine, kind="cut-volume"):
    """Along this stroke runs a border between objects, which goes on in the other planes of the stack."""

    in_volume: ClassVar[bool] = True


@dataclass(frozen=True)
class SplitVolume(Split, kind="split-volume"):
    """Two pixels lie in two different objects, in all planes of the stack."""

    in_volume: ClassVar[bool] = True


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
    kind.kind: kind
    for kind in (
        *(Pick, Add, Remove, Accept, Merge, SplitLine, Split, Draw, Erase, Link, Unlink),
        *(MergeVolume, SplitLineVolume, SplitVolume),
    )
}
"""Every kind by its name in files, which is older than the class names."""


def _within(pixels: NDArray[np.int64], low: Sequence[int], high: Sequence[int]) -> NDArray[np.int64]:
    """Pixels from a first one up to, and without, a last one."""
    return pixels[((pixels >= low) & (pixels < high)).all(axis=1)]
