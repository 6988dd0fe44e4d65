"""Conversion of corrections to graph constraints, which precede all edges of the network."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.constraint_history import ConstraintHistory
from napari_grd.corrections.kinds import (
    Accept,
    Add,
    Correction,
    Draw,
    Erase,
    Link,
    Merge,
    Pick,
    Remove,
    Split,
    SplitLine,
    Unlink,
)
from napari_grd.corrections.region import Region
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.pairs import keys

_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))

Shape = tuple[int, int]


def constraints_of(
    corrections: Corrections, plane: tuple[int, ...] = (), labels: NDArray[np.integer[Any]] | None = None
) -> Constraints:
    """The corrections of a plane as constraints, later ones overriding earlier ones.

    Parameters
    ----------
    corrections : Corrections
        Of the image.
    plane : tuple of int
        Which plane.
    labels : integer array, shape (H, W), optional
        Objects of the plane: those that the end of a split line only touches are then not split.

    Returns
    -------
    Constraints
        In y, x.

    Notes
    -----
    =================================  ==================================================================
    a merge, a split                   what :class:`~napari_grd.graph.constraints.Constraints` makes of it
    a pick, an acceptance, drawn anew  the pixels are linked, and kept apart from those beside them
    added, drawn on an object          the pixels are linked with each other and with the object's pixel
    removed                            each of the pixels is kept apart from the object's pixel
    erased                             the pixels are background
    a link, an unlink                  nothing: they are about ids, not about pixels
    =================================  ==================================================================

    Examples
    --------
    >>> from napari_grd.corrections import ImageRef
    >>> made = Corrections(ImageRef((9, 9)), [Merge([(1, 1), (1, 3)]), Split((1, 1), (5, 5))])
    >>> found = constraints_of(made)
    >>> len(found.must_link), len(found.cannot_link)
    (2, 1)
    """
    history = ConstraintHistory()
    for correction in corrections.of_plane(plane):
        history = history.then(constraints_of_one(correction, corrections.image.plane_shape, labels))
    return history.constraints


def constraints_of_one(
    correction: Correction, shape: Shape, labels: NDArray[np.integer[Any]] | None = None
) -> Constraints:
    """Constraints of one correction, to be combined with those of earlier ones.

    Parameters
    ----------
    correction : Correction
        Its plane is not looked at.
    shape : (int, int)
        Height and width of the plane; a stroke outside gives no constraints.
    labels : integer array, shape (H, W), optional
        See :func:`constraints_of`.

    Examples
    --------
    >>> len(constraints_of_one(Merge([(1, 1), (1, 3)]), (9, 9)).must_link)
    2
    """
    return _CONSTRAINTS[type(correction)](correction, shape, labels)


def _whole(region: Region, shape: Shape) -> Constraints:
    """An object of its own: linked, and kept apart from all pixels beside it."""
    inside = region.pixels
    numbers = keys(inside)  # sorted, as the pixels are
    pairs = []
    for side in _SIDES:
        beside = inside + side
        there = (beside >= 0).all(axis=1) & (beside < shape).all(axis=1)
        wanted = keys(beside)
        at = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
        there &= numbers[at] != wanted
        pairs.append(np.stack([inside[there], beside[there]], axis=1))
    return Constraints().without_check(must_link=_chain(inside), cannot_link=np.concatenate(pairs), foreground=inside)


def _part(region: Region, pixel: tuple[int, int]) -> Constraints:
    """Pixels that belong to the object at a pixel."""
    inside = region.pixels
    return Constraints(must_link=_chain(np.concatenate([[pixel], inside])), foreground=inside)


def _without(region: Region, pixel: tuple[int, int]) -> Constraints:
    """Pixels that do not belong to the object at a pixel."""
    inside = region.pixels
    inside = inside[(inside != pixel).any(axis=1)]
    return Constraints(cannot_link=np.stack([inside, np.broadcast_to(pixel, inside.shape)], axis=1))


def _chain(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([pixels[:-1], pixels[1:]], axis=1)


def _added(correction: Any, shape: Shape, _labels: Any) -> Constraints:
    return _part(correction.region, correction.pixel)


def _named_whole(correction: Any, shape: Shape, _labels: Any) -> Constraints:
    return _whole(correction.region, shape)


def _none(*_: Any) -> Constraints:
    return Constraints()


_CONSTRAINTS: dict[type[Correction], Callable[[Any, Shape, Any], Constraints]] = {
    Merge: lambda made, shape, _: Constraints.merge_stroke(made.stroke, shape),
    SplitLine: lambda made, shape, labels: Constraints.split_stroke(made.stroke, shape, labels),
    Split: lambda made, *_: Constraints.split_points(made.first, made.second),
    Pick: _named_whole,
    Accept: _named_whole,
    Draw: lambda made, *rest: (_named_whole if made.pixel is None else _added)(made, *rest),
    Add: _added,
    Remove: lambda made, *_: _without(made.region, made.pixel),
    Erase: lambda made, *_: Constraints(background=made.region.pixels),
    Link: _none,
    Unlink: _none,
}
