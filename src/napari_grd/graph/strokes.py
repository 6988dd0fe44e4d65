"""Strokes of a pointer on the pixel grid: the pixels they pass, and the borders of pixels they follow.

Coordinates are in pixels, ``(y, x)`` or ``(z, y, x)``; a pixel's center has integer coordinates.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_grd.errors import ImageError
from napari_grd.graph.pairs import keys

Pixels = NDArray[np.int64]
# A trembling hand closes loops of a few pixels, which would each cut out a speck.
_LONGEST_TREMBLE = 8
_REACH = 3


def rasterise(points: ArrayLike) -> Pixels:
    """The pixels a stroke passes, each a direct neighbor of the one before.

    Parameters
    ----------
    points : (N, ndim) array
        Corners of the polyline, in pixels.

    Returns
    -------
    (M, ndim) int64
        In the order of the stroke; neighbors differ by 1 along one axis.

    Raises
    ------
    ImageError
        If there are no points, or they are not points of a plane or a volume.

    Examples
    --------
    >>> rasterise([(0, 0), (1, 2)]).tolist()
    [[0, 0], [0, 1], [1, 1], [1, 2]]
    """
    corners = np.rint(_checked(points)).astype(np.int64)
    passed = [corners[:1]]
    for start, stop in pairwise(corners):
        step, length = np.sign(stop - start), np.abs(stop - start)
        axes = np.repeat(np.arange(len(start)), length)
        # Each axis makes its moves evenly spread over the way, at the middles of equal parts.
        times = np.concatenate([(np.arange(n) + 0.5) / n for n in length])
        moves = axes[np.argsort(times, kind="stable")]
        passed.append(start + np.cumsum(np.eye(len(start), dtype=np.int64)[moves] * step, axis=0))
    return np.concatenate(passed)


def sides(points: ArrayLike) -> tuple[Pixels, Pixels]:
    """The pixels to both sides of a stroke that is led between pixels.

    Parameters
    ----------
    points : (N, ndim) array
        Corners of the polyline, in pixels; in a volume all in one plane ``z``.

    Returns
    -------
    left, right : (M, ndim) int64
        Direct neighbors, pair by pair, in the order of the stroke. Every direct
        way from one side of the stroke to the other leads over one of the pairs.

    Raises
    ------
    ImageError
        If there are no points, or a stroke in a volume leaves its plane.

    Examples
    --------
    >>> left, right = sides([(0, 1.5), (2, 1.5)])
    >>> left.tolist(), right.tolist()
    ([[1, 2], [2, 2]], [[1, 1], [2, 1]])
    """
    corners = _checked(points)
    depth = np.rint(corners[:, :-2])
    if (depth != depth[:1]).any():
        raise ImageError(
            f"The split line crosses the planes {sorted({int(z) for z in depth[:, 0]})}.", "Draw it within one plane."
        )
    # Between pixels lie their corners: number c stands for the corner at c + 0.5.
    path = _steady(rasterise(np.floor(corners[:, -2:])))
    here, there = path[:-1], path[1:]
    low = np.maximum(here, there)
    # Moving along x passes between rows: left of an ascending x is the smaller row.
    along_x: NDArray[np.bool_] = np.equal(here[:, :1], there[:, :1])
    forward = np.any(there > here, axis=1, keepdims=True)
    high = low + np.where(along_x, [[1, 0]], [[0, 1]])
    left = np.where(along_x == forward, low, high)
    right = np.where(along_x == forward, high, low)
    plane = np.broadcast_to(depth[:1].astype(np.int64), (len(left), depth.shape[1]))
    return np.concatenate([plane, left], axis=1), np.concatenate([plane, right], axis=1)


def pairs_across(points: ArrayLike) -> tuple[Pixels, Pixels]:
    """The cannot-link pairs of a split along a stroke.

    Parameters
    ----------
    points : (N, ndim) array
        See :func:`sides`.

    Returns
    -------
    cannot_link : (M, 2, ndim) int64
        Each pixel beside the stroke with the one it faces, and with those that face
        its three neighbors before and after along the stroke.
    facing : (K, 2, ndim) int64
        The first of these alone, one for each step of the stroke.

    Examples
    --------
    >>> cannot_link, facing = pairs_across([(0, 1.5), (2, 1.5)])
    >>> len(cannot_link), facing.tolist()
    (4, [[[1, 2], [1, 1]], [[2, 2], [2, 1]]])
    """
    left, right = sides(points)
    facing = np.stack([left, right], axis=1)
    # A pixel with the stroke on both its sides says only what it faces.
    twice = np.any(np.isin(keys(facing), np.intersect1d(keys(left), keys(right))), axis=1)
    pairs = [facing]
    for step in range(1, _REACH + 1):
        clear = np.logical_not(twice[step:] | twice[:-step])
        pairs.append(np.stack([left[step:], right[:-step]], axis=1)[clear])
        pairs.append(np.stack([left[:-step], right[step:]], axis=1)[clear])
    return np.concatenate(pairs), facing


def _checked(points: ArrayLike) -> NDArray[np.float64]:
    corners = np.asarray(points, np.float64)
    if corners.ndim != 2 or not len(corners) or corners.shape[1] not in (2, 3) or not np.isfinite(corners).all():
        raise ImageError(
            f"A stroke of shape {corners.shape} is not a list of points.",
            "Pass one row (y, x) or (z, y, x) of finite numbers a point.",
        )
    return corners


def _steady(path: Pixels) -> Pixels:
    """The path without steps to and fro and loops of a few pixels."""
    kept: list[tuple[int, ...]] = []
    for corner in map(tuple, path.tolist()):
        recent = kept[-_LONGEST_TREMBLE:]
        if corner in recent:
            del kept[len(kept) - len(recent) + recent.index(corner) + 1 :]
        else:
            kept.append(corner)
    return np.array(kept, np.int64)
