"""User constraints on an image: which pixels belong together, which do not.

Corrections are edges of the affinity graph that come before all others. Each
gesture makes :class:`Constraints`, and :func:`~napari_grd.graph.merging.merged` combines
them, later ones overriding earlier ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_grd.errors import ConfigError, ImageError
from napari_grd.graph.grid import GridConstraints
from napari_grd.graph.pairs import Groups, each_once, keys
from napari_grd.graph.strokes import Pixels, pairs_across, rasterise

_POKE = 0.35  # an object counts as cut where the stroke in it is this long, in units of the root of its size


@dataclass(frozen=True, eq=False)
class Constraints:
    """Must-link and cannot-link pairs of pixels, and pixels set to foreground or background.

    Attributes
    ----------
    ndim : {2, 3}
        Axes of the image.
    must_link : (M, 2, ndim) int64
        Pairs in one instance; what they name is foreground.
    cannot_link : (N, 2, ndim) int64
        Pairs that are not in one instance; one of them may be background.
    foreground, background : (P, ndim), (Q, ndim) int64
        Pixels that belong to an instance, or to none, whatever the network says.

    Raises
    ------
    ConfigError
        If they contradict each other; the message names the pixels.
    ImageError
        If an array has the wrong shape, or a pixel a negative coordinate.

    Examples
    --------
    >>> stroke, points = Constraints.merge_stroke([(0, 0), (0, 9)]), Constraints.split_points((0, 0), (5, 5))
    >>> len(stroke.must_link), len(points.cannot_link)
    (9, 1)
    """

    ndim: int = 2
    must_link: Pixels = field(default_factory=lambda: np.empty(0, np.int64))
    cannot_link: Pixels = field(default_factory=lambda: np.empty(0, np.int64))
    foreground: Pixels = field(default_factory=lambda: np.empty(0, np.int64))
    background: Pixels = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        for name, row in (("must_link", 2), ("cannot_link", 2), ("foreground", 1), ("background", 1)):
            object.__setattr__(self, name, _pixels(getattr(self, name), (row, self.ndim)[2 - row :], name))
        groups = Groups(keys(self.must_link))
        wrong = groups.join(keys(self.cannot_link)) | (self.cannot_link[:, 0] == self.cannot_link[:, 1]).all(axis=1)
        if wrong.any():
            a, b = self.cannot_link[wrong][0].tolist()
            raise ConfigError(f"The pixels {a} and {b} are both must-link and cannot-link.", "Drop one of the two.")
        both = np.isin(keys(self.background), keys(self.all_foreground))
        if both.any():
            raise ConfigError(
                f"The pixel {self.background[both][0].tolist()} is foreground and background at once.",
                "Drop one of the two.",
            )

    @classmethod
    def merge_stroke(cls, points: ArrayLike, shape: tuple[int, ...] | None = None) -> "Constraints":
        """A stroke over pieces of one instance: all its pixels are foreground and belong together.

        Parameters
        ----------
        points : (N, ndim) array
            Corners of the stroke, in pixels.
        shape : tuple of int, optional
            Of the image; what leaves it is left out.

        Examples
        --------
        >>> Constraints.merge_stroke([(1, 1), (1, 3)]).must_link.tolist()
        [[[1, 1], [1, 2]], [[1, 2], [1, 3]]]
        """
        path = rasterise(points)
        links = np.stack([path[:-1], path[1:]], axis=1)
        if shape is not None:
            path, links = path[_inside(path, shape)], links[_inside(links, shape).all(axis=1)]
        return cls(np.shape(points)[1], must_link=links, foreground=path)

    @classmethod
    def split_stroke(
        cls, points: ArrayLike, shape: tuple[int, ...], labels: NDArray[np.integer] | None = None
    ) -> "Constraints":
        """A stroke along a boundary: cannot-link pairs across it.

        Parameters
        ----------
        points : (N, ndim) array
            Corners of the stroke, in pixels; in a volume all in one plane.
        shape : tuple of int
            Of the image; what leaves it is left out.
        labels : integer array, shape ``shape``, optional
            What is seen while drawing: an object that the stroke only pokes into
            (shorter than a third of the root of its size, while more of the
            stroke lies in another) is not cut.

        Notes
        -----
        The stroke passes between pixels. Each pixel beside it must not be linked with
        the one across it, or with that one's next three along the stroke, so the
        two sides differ along all of it even where the object continues around an end.

        Examples
        --------
        >>> Constraints.split_stroke([(0, 1.5), (1, 1.5)], (4, 4)).cannot_link.tolist()
        [[[1, 2], [1, 1]]]
        """
        cannot_link, facing = pairs_across(points)
        cannot_link = cannot_link[_inside(cannot_link, shape).all(axis=1)]
        if labels is not None:
            cannot_link = cannot_link[~_poked(cannot_link, facing[_inside(facing, shape).all(axis=1)], labels)]
        return cls(np.shape(points)[1], cannot_link=cannot_link)

    @classmethod
    def split_points(cls, a: ArrayLike, b: ArrayLike) -> "Constraints":
        """Two pixels in two instances.

        Examples
        --------
        >>> Constraints.split_points((1, 2), (3, 4)).cannot_link.tolist()
        [[[1, 2], [3, 4]]]
        """
        pair = np.rint(np.array([a, b], np.float64)).astype(np.int64)
        return cls(pair.shape[1], cannot_link=pair[None])

    @cached_property
    def all_foreground(self) -> Pixels:
        """Pixels that are foreground because they are set or linked, ``(N, ndim)``."""
        return each_once(np.concatenate([self.foreground, self.must_link.reshape(-1, self.ndim)]))

    @property
    def named(self) -> Pixels:
        """All pixels that are named, as often as they are, ``(N, ndim)``."""
        ends = (each.reshape(-1, self.ndim) for each in (self.must_link, self.cannot_link))
        return np.concatenate([*ends, self.foreground, self.background])

    @cached_property
    def pixels(self) -> Pixels:
        """All pixels that are named, ``(N, ndim)``."""
        return each_once(self.named)

    @classmethod
    def union(cls, parts: "Sequence[Constraints]", ndim: int = 2) -> "Constraints":
        """The union of constraints that do not contradict each other, for instance merged ones; not checked.

        Parameters
        ----------
        parts : sequence of Constraints
            Of ``ndim`` axes.
        """
        empty = cls(ndim)
        names = ("must_link", "cannot_link", "foreground", "background")
        return empty.without_check(
            **{name: np.concatenate([getattr(part, name) for part in (empty, *parts)]) for name in names}
        )

    def without_check(self, **pixels: Pixels) -> "Constraints":
        """The same with other pixels, which must be consistent: the check for contradictions is the slowest part.

        Parameters
        ----------
        **pixels : int64 array
            By the name of the attribute, in its shape.
        """
        result = object.__new__(Constraints)
        for name in ("ndim", "must_link", "cannot_link", "foreground", "background"):
            object.__setattr__(result, name, pixels.get(name, getattr(self, name)))
        return result

    def cropped(self, start: ArrayLike, stop: ArrayLike) -> "Constraints":
        """Those of a box, in its coordinates; links and pairs that leave it are left out.

        Parameters
        ----------
        start, stop : (ndim,) array of int
            First pixel of the box, and the one behind its last. ``(-y, -x)`` and a shape
            bring back to the image what was cropped at ``(y, x)``.

        Examples
        --------
        >>> Constraints.split_points((5, 5), (6, 6)).cropped((4, 4), (8, 8)).cannot_link.tolist()
        [[[1, 1], [2, 2]]]
        """
        first, size = np.asarray(start, np.int64), np.subtract(stop, start)
        kept = {}
        for name, axes in (("must_link", (1, 2)), ("cannot_link", (1, 2)), ("foreground", 1), ("background", 1)):
            pixels = getattr(self, name) - first
            kept[name] = pixels[((pixels >= 0) & (pixels < size)).all(axis=axes)]
        return self.without_check(**kept)

    def on_grid(self, shape: tuple[int, ...]) -> GridConstraints:
        """The same for an image of this shape, as positions in the flat image.

        Raises
        ------
        ImageError
            If a pixel is outside, or the image has another number of axes.
        """
        if len(shape) != self.ndim:
            raise ImageError(f"Constraints of {self.ndim} axes do not fit an image of shape {shape}.", "Use its own.")
        for pixels in (self.must_link, self.cannot_link, self.foreground, self.background):
            outside = pixels[~_inside(pixels, shape)]
            if len(outside):
                raise ImageError(
                    f"The constraint at {outside[0].tolist()} is outside an image of shape {shape}.",
                    "Pass the image's shape when a stroke is made.",
                )
        steps = np.cumprod((1, *shape[:0:-1]))[::-1]
        return GridConstraints(
            self.must_link @ steps, self.cannot_link @ steps, self.all_foreground @ steps, self.background @ steps
        )


def _pixels(values: ArrayLike, row: tuple[int, ...], name: str) -> Pixels:
    pixels = np.asarray(values, np.int64)
    if pixels.size == 0:
        return np.empty((0, *row), np.int64)
    if pixels.shape[1:] != row:
        raise ImageError(f"The pixels of {name!r} have shape {pixels.shape}.", f"Pass rows of shape {row}.")
    if pixels.min() < 0:
        raise ImageError(f"A pixel of {name!r} has the coordinate {pixels.min()}.", "Pass pixels of the image.")
    return pixels


def _inside(pixels: Pixels, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((pixels >= 0) & (pixels < np.array(shape)), axis=-1)
    return inside


def _poked(cannot_link: Pixels, facing: Pixels, labels: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which pairs lie in an object that the stroke only pokes into."""
    first, second = (labels[tuple(facing[:, end].T)] for end in (0, 1))
    ids, length = np.unique(first[(first == second) & (first > 0)], return_counts=True)
    pokes = [
        label
        for label, count in zip(ids, length, strict=True)
        if count < length.max() and count < _POKE * np.sqrt(np.count_nonzero(labels == label))
    ]
    a, b = (labels[tuple(cannot_link[:, end].T)] for end in (0, 1))
    poked: NDArray[np.bool_] = (a == b) & np.isin(a, pokes)
    return poked
