"""What corrections say to the graph: edges that come before all others."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.kinds import (
    Accept,
    Add,
    Correction,
    Cut,
    Draw,
    Erase,
    Join,
    Link,
    Pick,
    Remove,
    Split,
    Unlink,
)
from napari_grd.corrections.region import Region
from napari_grd.corrections.said import Said
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.pairs import keys

_SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))

Shape = tuple[int, int]


def constraints_of(
    corrections: Corrections, plane: tuple[int, ...] = (), labels: NDArray[np.integer[Any]] | None = None
) -> Constraints:
    """The corrections of a plane as constraints, the later word against the earlier one.

    Parameters
    ----------
    corrections : Corrections
        Of the image.
    plane : tuple of int
        Which plane.
    labels : integer array, shape (H, W), optional
        Objects of the plane: those a cut only pokes into are then not cut.

    Returns
    -------
    Constraints
        In y, x.

    Notes
    -----
    =================================  ==================================================================
    a join, a cut, a split             what :class:`~napari_grd.graph.constraints.Constraints` makes of it
    a pick, an acceptance, drawn anew  the pixels are linked, and kept apart from those beside them
    added, drawn on an object          the pixels are linked with each other and with the object's pixel
    removed                            each of the pixels is kept apart from the object's pixel
    erased                             the pixels are background
    a link, an unlink                  nothing: they are about ids, not about pixels
    =================================  ==================================================================

    Examples
    --------
    >>> from napari_grd.corrections import ImageRef
    >>> made = Corrections(ImageRef((9, 9)), [Join([(1, 1), (1, 3)]), Split((1, 1), (5, 5))])
    >>> found = constraints_of(made)
    >>> len(found.together), len(found.apart)
    (2, 1)
    """
    said = Said()
    for correction in corrections.of_plane(plane):
        said = said.then(constraints_of_one(correction, corrections.image.plane_shape, labels))
    return said.constraints


def constraints_of_one(
    correction: Correction, shape: Shape, labels: NDArray[np.integer[Any]] | None = None
) -> Constraints:
    """What one correction says, for who merges it with what was said before.

    Parameters
    ----------
    correction : Correction
        Its plane is not looked at.
    shape : (int, int)
        Height and width of the plane; a stroke outside says nothing.
    labels : integer array, shape (H, W), optional
        See :func:`constraints_of`.

    Examples
    --------
    >>> len(constraints_of_one(Join([(1, 1), (1, 3)]), (9, 9)).together)
    2
    """
    if isinstance(correction, Cut):
        return Constraints.cut_stroke(correction.stroke, shape, labels)
    return _MADE[type(correction)](correction, shape)


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
    return Constraints().without_check(together=_chain(inside), apart=np.concatenate(pairs), foreground=inside)


def _part(region: Region, pixel: tuple[int, int]) -> Constraints:
    """Pixels that belong to the object at a pixel."""
    inside = region.pixels
    return Constraints(together=_chain(np.concatenate([[pixel], inside])), foreground=inside)


def _without(region: Region, pixel: tuple[int, int]) -> Constraints:
    """Pixels that do not belong to the object at a pixel."""
    inside = region.pixels
    inside = inside[(inside != pixel).any(axis=1)]
    return Constraints(apart=np.stack([inside, np.broadcast_to(pixel, inside.shape)], axis=1))


def _drawn(correction: Draw, shape: Shape) -> Constraints:
    if correction.pixel is None:
        return _whole(correction.region, shape)
    return _part(correction.region, correction.pixel)


def _chain(pixels: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([pixels[:-1], pixels[1:]], axis=1)


_MADE: dict[type[Correction], Callable[[Any, Shape], Constraints]] = {
    Join: lambda one, shape: Constraints.join_stroke(one.stroke, shape),
    Split: lambda one, shape: Constraints.split_points(one.first, one.second),
    Pick: lambda one, shape: _whole(one.region, shape),
    Accept: lambda one, shape: _whole(one.region, shape),
    Draw: _drawn,
    Add: lambda one, shape: _part(one.region, one.pixel),
    Remove: lambda one, shape: _without(one.region, one.pixel),
    Erase: lambda one, shape: Constraints(background=one.region.pixels),
    Link: lambda one, shape: Constraints(),
    Unlink: lambda one, shape: Constraints(),
}
