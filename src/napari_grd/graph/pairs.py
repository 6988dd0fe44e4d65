"""Pairs of pixels as integers, and their connected groups."""

from collections.abc import Iterable
from typing import no_type_check

import numpy as np
from numpy.typing import NDArray

from napari_grd.compiled import compiled

Ids = NDArray[np.int64]
_AXIS_BITS = 21  # three axes in one integer


def keys(pixels: Ids) -> Ids:
    """One integer per pixel, independent of the image's shape: ``(..., ndim)`` to ``(...)``.

    Examples
    --------
    >>> keys(np.array([[0, 5], [1, 0]])).tolist()
    [5, 2097152]
    """
    result: Ids = pixels[..., 0].copy()
    for axis in range(1, pixels.shape[-1]):
        result <<= _AXIS_BITS
        result |= pixels[..., axis]
    return result


def distinct(numbers: Ids) -> Ids:
    """Sorted unique values; for nearly sorted input much faster than numpy's hash-based function.

    Examples
    --------
    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    ordered: Ids = np.sort(numbers, axis=None)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))]


def among(members: Ids, numbers: Ids) -> NDArray[np.bool_]:
    """Which numbers are in a sorted array; for pixels much faster than numpy's ``isin``."""
    if not len(members):
        return np.zeros(numbers.shape, bool)
    found: NDArray[np.bool_] = members[np.minimum(np.searchsorted(members, numbers), len(members) - 1)] == numbers
    return found


def unordered(pairs: Ids) -> set[tuple[int, int]]:
    """The pairs ``(N, 2)`` as a set, the smaller number first."""
    return set(map(tuple, np.sort(pairs, axis=1).tolist()))


def once(pairs: Ids) -> Ids:
    """Pairs ``(N, 2)`` of numbers below 2**31 in their order, without those that came before, either way round.

    Examples
    --------
    >>> once(np.array([[5, 2], [1, 3], [2, 5]])).tolist()
    [[5, 2], [1, 3]]
    """
    low, high = np.sort(pairs, axis=1).astype(np.int64).T
    first = np.unique(low << 32 | high, return_index=True)[1]
    return pairs[np.sort(first)]


def each_once(pixels: Ids) -> Ids:
    """Pixels ``(N, ndim)``, or pairs of them ``(N, 2, ndim)``, without those that came before, either way round.

    Examples
    --------
    >>> each_once(np.array([[[0, 1], [0, 2]], [[0, 2], [0, 1]]])).tolist()
    [[[0, 1], [0, 2]]]
    """
    numbers = keys(pixels)
    if numbers.ndim == 1:
        return pixels[np.unique(numbers, return_index=True)[1]]
    low, high = np.sort(np.searchsorted(distinct(numbers), numbers), axis=1).T
    return pixels[np.unique(low << 32 | high, return_index=True)[1]]


class Groups:
    """Connected groups of linked numbers.

    Parameters
    ----------
    links : (M, 2) int64
        Pairs of numbers.

    Attributes
    ----------
    needed : (M,) bool
        Links of a spanning forest; each of the others closes a cycle with earlier ones.

    Examples
    --------
    >>> groups = Groups(np.array([[3, 5], [5, 9], [1, 2]]))
    >>> groups.join(np.array([[3, 9], [3, 1], [7, 7]])).tolist()
    [True, False, False]
    """

    def __init__(self, links: Ids) -> None:
        self._members = distinct(links)
        self._group: Ids
        self.needed: NDArray[np.bool_]
        self._group, self.needed = _joined(np.searchsorted(self._members, links), len(self._members))

    def of(self, numbers: Ids) -> Ids:
        """The group of each number, -1 for numbers without a link."""
        if not len(self._members):
            return np.full(numbers.shape, -1)
        index = np.minimum(np.searchsorted(self._members, numbers), len(self._members) - 1)
        return np.where(self._members[index] == numbers, self._group[index], -1)

    def join(self, pairs: Ids) -> NDArray[np.bool_]:
        """Whether both numbers of each pair ``(N, 2)`` are in one group."""
        first, second = self.of(pairs[:, 0]), self.of(pairs[:, 1])
        joined: NDArray[np.bool_] = (first == second) & (first >= 0)
        return joined


@compiled()
@no_type_check
def _joined(links, size):
    """For each of the numbers below ``size`` the smallest in its group, and the links of the spanning forest."""
    group, needed = np.arange(size), np.zeros(len(links), np.bool_)
    for link in range(len(links)):
        a, b = links[link]
        while group[a] != a:
            group[a] = group[group[a]]
            a = group[a]
        while group[b] != b:
            group[b] = group[group[b]]
            b = group[b]
        group[max(a, b)] = min(a, b)
        needed[link] = a != b
    for number in range(size):  # its parent is smaller, and final
        group[number] = group[group[number]]
    return group, needed


def merge_unless_forbidden(
    contacts: Iterable[tuple[int, int]], cannot_link: Iterable[tuple[int, int]], sizes: Ids, small: int | None = None
) -> Ids:
    """Merge touching items in the given order, except clusters with cannot-link constraints.

    Parameters
    ----------
    contacts : iterable of (int, int)
        Pairs to merge, in order of priority.
    cannot_link : iterable of (int, int)
        Pairs that must not be in one cluster.
    sizes : (N,) int64
        Sizes of the items.
    small : int, optional
        Merge only if one of the two is smaller than this.

    Returns
    -------
    (N,) int64
        For each item the representative of its cluster.

    Examples
    --------
    >>> merge_unless_forbidden([(0, 1), (1, 2)], [(0, 2)], np.ones(3, np.int64)).tolist()
    [0, 0, 2]
    """
    cluster, total = list(range(len(sizes))), sizes.tolist()
    enemies: dict[int, set[int]] = {}

    def find(thing: int) -> int:
        while cluster[thing] != thing:
            cluster[thing] = cluster[cluster[thing]]
            thing = cluster[thing]
        return thing

    for a, b in cannot_link:
        enemies.setdefault(a, set()).add(b)
        enemies.setdefault(b, set()).add(a)
    for a, b in contacts:
        a, b = sorted((find(a), find(b)))
        if a == b or b in enemies.get(a, ()) or (small is not None and min(total[a], total[b]) >= small):
            continue
        cluster[b] = a
        total[a] += total[b]
        for enemy in enemies.pop(b, ()):
            enemies[enemy].discard(b)
            enemies[enemy].add(a)
            enemies.setdefault(a, set()).add(enemy)
    return np.array([find(thing) for thing in range(len(cluster))], np.int64)
