"""Mutex watershed of a pixel grid over a compact list of edges.

Wolf et al., "The Mutex Watershed and its Objective" (arXiv 1904.12654): process the edges by descending weight; an
attractive edge merges the clusters of its ends unless they exclude each other, a repulsive one makes them mutually
exclusive.

bioimage-cpp has the same algorithm and serves as the reference in the tests.
This one is an order of magnitude faster on images, for three reasons. Only edges between two foreground pixels are
listed, each as a single sortable integer. Most pixels are merged before sorting: the heaviest edge that leaves a
cluster, if attractive, always merges, because nothing that could exclude its ends comes earlier (Borůvka's step for
spanning trees). And mutual exclusion of two clusters is a single lookup in a hash table.

The compiled functions stay together in this file because numba's cache does not
notice a change in another one. They use few functions of numpy: numba compiles each of those for each of its callers,
and the first segmentation after an installation waits for all of it.
"""

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_grd.compiled import compiled
from napari_grd.errors import ImageError
from napari_grd.graph.parallel import in_threads, thread_count
from napari_grd.graph.volume import Triple

# An edge is (HEAVIEST - bits of its weight) << 34 | pixel << S | offset, S wide enough for
# the offsets. The bits of positive floats order like the floats, so ascending
# integers are descending weights, and equal weights go by pixel, then by offset.
_HEAVIEST = np.uint32(0x3FFFFFFF)  # the bits of the float just below 2
_ID_BITS = np.uint64(34)
_ID_MASK = np.uint64((1 << 34) - 1)
_NO_EDGE = np.uint64(0xFFFFFFFFFFFFFFFF)
_LOW = np.uint64(0xFFFFFFFF)
_SMALLEST_TABLE = 1024
_SMALLEST_BAND = 1 << 18  # pixels; below, threads gain nothing
_LATEST = 1 << 12  # pairs of clusters seen last that are kept: those of a few rows
_LAST_ROUND = 100  # a round that merges a smaller share of the pixels is the last

Pairs = npt.NDArray[np.int64]
NO_PAIRS: Pairs = np.empty((0, 2), np.int64)
_NO_PIXELS = np.empty(0, np.int64)


def mutex_watershed(
    attractive: npt.NDArray[np.float32],
    repulsive: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.int64],
    mask: npt.NDArray[np.bool_],
    strides: Triple,
    bias: float,
    must_link: Pairs = NO_PAIRS,
    cannot_link: Pairs = NO_PAIRS,
) -> npt.NDArray[np.int32]:
    """Clusters of the pixels in the mask.

    Parameters
    ----------
    attractive : float32 array, shape (A, Z, Y, X)
        Affinities of the first A offsets, at every pixel; clipped to [0, 1].
    repulsive : float32 array, shape (K - A, \\*ceil((Z, Y, X) / strides))
        Affinities of the other offsets, at multiples of ``strides``; clipped to [0, 1].
    vectors : int64 array, shape (K, 3)
        The offsets, in ``(z, y, x)`` order.
    mask : bool array, shape (Z, Y, X)
        Edges that touch a pixel outside are ignored.
    strides : tuple of int
        Grid of the repulsive edges, one number per axis.
    bias : float
        Added to the attractive weights A, subtracted from the repulsive ones
        1 - A. An edge without a positive weight is ignored.
    must_link, cannot_link : int64 arrays, shape (M, 2) and (N, 2), optional
        Attractive and repulsive edges that come before all others, between
        positions in the flat volume. Must-link pixels must be in the mask, and no pair may be must-link and
        cannot-link.

    Returns
    -------
    int32 array, shape (Z, Y, X)
        Consecutive labels in raster order of their first pixels, 0 outside the mask.

    Raises
    ------
    ImageError
        If the volume has too many pairs for one partition.

    Examples
    --------
    >>> attractive = np.array([[[[0, 0.9, 0.2, 0.9]]]], np.float32)
    >>> repulsive = np.zeros((1, 1, 1, 4), np.float32)
    >>> vectors = np.array([[0, 0, -1], [0, 0, -2]])
    >>> mutex_watershed(attractive, repulsive, vectors, np.ones((1, 1, 4), bool), (1, 1, 1), 0.0)
    array([[[1, 1, 2, 2]]], dtype=int32)
    """
    shift = np.uint64(len(vectors).bit_length())
    if mask.size << int(shift) > int(_ID_MASK) or max(mask.size, 2 * repulsive.size) > np.iinfo(np.int32).max:
        raise ImageError(
            f"A volume of shape {mask.shape} has too many pairs of pixels for one partition.",
            "Segment it block by block.",
        )
    jumps = vectors @ np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
    near = len(attractive)
    cannot_link = cannot_link[mask.reshape(-1)[cannot_link].all(axis=1)]
    parents = np.arange(mask.size, dtype=np.int32)
    if len(must_link):
        _link(parents, must_link)
    bands = _bands(mask) if len(must_link) == len(cannot_link) == 0 else [(0, mask.size // mask.shape[2])]
    heaviest = np.empty(mask.size, np.uint64)

    def listed(band: tuple[int, int]) -> Any:
        weight = np.float32(bias)
        return _edges(attractive, repulsive, vectors, mask, strides, weight, shift, parents, heaviest, *band)

    def contract(edges: Any, crossing: Any, start: int, stop: int, wary: Any, listed: bool) -> Any:
        latest = np.empty(_LATEST, np.uint64), np.empty(_LATEST, np.int64)
        return _contract(edges, crossing, parents, heaviest, start, stop, near, jumps, shift, wary, listed, *latest)

    def contracted(number: int) -> Any:
        start, stop = (row * mask.shape[2] for row in bands[number])
        return contract(inner[number], crossing, start, stop, cannot_link.reshape(-1), True)

    inner, outer = zip(*in_threads(listed, bands), strict=True)
    crossing = np.concatenate(outer)
    edges = np.concatenate([*in_threads(contracted, range(len(bands))), crossing])
    if len(bands) > 1:
        edges = contract(edges, crossing[:0], 0, mask.size, _NO_PIXELS, False)
    edges.sort()
    size = len(cannot_link) + len(edges)
    numbers = np.empty(mask.size, np.int32)
    first, second, repels = np.empty(size, np.int32), np.empty(size, np.int32), np.ones(size, np.bool_)
    count = _between_clusters(edges, parents, mask, near, jumps, shift, cannot_link, numbers, first, second, repels)
    roots, sizes, heads = np.arange(count, dtype=np.int32), np.ones(count, np.int32), np.full(count, -1, np.int32)
    lists = np.empty((2, 2 * np.count_nonzero(repels)), np.int32)
    _solve(first, second, repels, roots, sizes, np.zeros(_SMALLEST_TABLE, np.uint64), heads, *lists)
    labels = np.zeros(mask.shape, np.int32)
    _number(parents, numbers, roots, mask, labels, np.zeros(count, np.int32))
    return labels


def _bands(mask: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Rows of all sections, first and last of each band: one for every thread, if they are large enough."""
    rows = mask.size // mask.shape[2]
    count = max(1, min(thread_count(), rows // 2, mask.size // _SMALLEST_BAND))
    return list(pairwise(rows * number // count for number in range(count + 1)))


@compiled()
def _edges(  # type: ignore[no-untyped-def]
    attractive, repulsive, vectors, mask, strides, bias, shift, parents, heaviest, start, stop
):
    """The edges from pixels of the mask in rows ``start`` to ``stop``, packed: to pixels in them, and to others.

    Edges inside a cluster are left out. Of the clusters of the rows the heaviest of the former edges is found, too.
    """
    depth, height, width = mask.shape
    near, count = len(attractive), len(vectors)
    low, high = start * width, stop * width
    inside = mask.reshape(-1)
    size = 0
    for pixel in range(low, high):
        heaviest[pixel] = _NO_EDGE
        size += near * inside[pixel]
    for row in range(start, stop):
        if row // height % strides[0] == 0 and row % height % strides[1] == 0:
            size += (count - near) * ((width + strides[2] - 1) // strides[2])
    edges = np.empty(size, np.uint64)
    used, back = 0, size  # edges to pixels of other rows are listed from the end
    for row in range(start, stop):
        z, y = divmod(row, height)
        for x in range(width):
            pixel = row * width + x
            if not inside[pixel]:
                continue
            on_grid = z % strides[0] == 0 and y % strides[1] == 0 and x % strides[2] == 0
            for k in range(count if on_grid else near):
                pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                    continue
                partner = (pz * height + py) * width + px
                a, b = parents[pixel], parents[partner]
                if not inside[partner] or a == b:
                    continue
                if k < near:
                    affinity = attractive[k, z, y, x]
                else:
                    affinity = repulsive[k - near, z // strides[0], y // strides[1], x // strides[2]]
                affinity = min(max(affinity, np.float32(0)), np.float32(1))
                weight = np.float32(affinity + bias if k < near else np.float32(1) - affinity - bias)
                if weight <= 0:
                    continue
                distance = np.uint64(_HEAVIEST - weight.view(np.uint32))
                edge = (distance << _ID_BITS) | (np.uint64(pixel) << shift) | np.uint64(k)
                if low <= partner < high:
                    edges[used] = edge
                    used += 1
                    heaviest[a] = min(heaviest[a], edge)
                    heaviest[b] = min(heaviest[b], edge)
                else:
                    back -= 1
                    edges[back] = edge
    return edges[:used], edges[back:]


@compiled()
def _ends(edge, jumps, shift):  # type: ignore[no-untyped-def]
    """Pixel, partner and offset of an edge."""
    identity = edge & _ID_MASK
    pixel = np.int64(identity >> shift)
    offset = np.int64(identity & ((np.uint64(1) << shift) - np.uint64(1)))
    return pixel, pixel + jumps[offset], offset


@compiled()
def _find(parents, node):  # type: ignore[no-untyped-def]
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled()
def _link(parents, must_link):  # type: ignore[no-untyped-def]
    """Merge pairs of pixels, leaving every pixel with its root, the first pixel of its cluster."""
    for i in range(len(must_link)):
        a, b = _find(parents, must_link[i, 0]), _find(parents, must_link[i, 1])
        parents[max(a, b)] = min(a, b)
    for node in range(len(parents)):
        parents[node] = parents[parents[node]]


@compiled()
def _pair(a, b):  # type: ignore[no-untyped-def]
    # Two different nodes, so never 0, which marks a free slot.
    return (np.uint64(min(a, b)) << np.uint64(32)) | np.uint64(max(a, b))


@compiled()
def _hashed(pair):  # type: ignore[no-untyped-def]
    return (pair * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)


@compiled()
def _contract(  # type: ignore[no-untyped-def]
    edges, crossing, parents, heaviest, low, high, near, jumps, shift, wary, listed, pairs, places
):
    """Merge, in ``parents``, what is certain to be joined; the edges that are left, in any order.

    The heaviest edge that leaves a cluster comes before all others that do, so
    until then no part of the cluster can have been excluded from anything outside,
    unless it contains a ``wary`` pixel, which has a cannot-link constraint.
    Between two clusters only the heaviest edge matters: it joins them or not, for good. So most others are left out.

    Only pixels ``low`` to ``high`` are merged. All ``edges`` are between them; ``crossing`` edges, which also prevent
    merging, may lead elsewhere. ``listed``: the heaviest edges of clusters have been found already. ``pairs`` and
    ``places`` are overwritten: the pairs seen last, and where their edges are.
    """
    while True:
        if not listed:
            for node in range(low, high):
                heaviest[node] = _NO_EDGE
            for slot in range(_LATEST):
                pairs[slot] = 0
            left = 0
            for edge in edges:
                pixel, partner, _ = _ends(edge, jumps, shift)
                a, b = parents[pixel], parents[partner]
                if a == b:
                    continue
                pair = _pair(a, b)
                slot = _hashed(pair) & np.uint64(_LATEST - 1)
                if pairs[slot] != pair:
                    pairs[slot], places[slot] = pair, left
                    left += 1
                elif edges[places[slot]] < edge:
                    continue
                edges[places[slot]] = edge
                heaviest[a] = min(heaviest[a], edge)
                heaviest[b] = min(heaviest[b], edge)
            edges = edges[:left]
        listed = False
        for edge in crossing:
            pixel, partner, _ = _ends(edge, jumps, shift)
            for end in (pixel, partner):
                if low <= end < high:
                    heaviest[parents[end]] = min(heaviest[parents[end]], edge)
        for pixel in wary:
            heaviest[parents[pixel]] = _NO_EDGE
        joined = 0
        for node in range(low, high):
            edge = heaviest[node]
            if edge != _NO_EDGE:
                pixel, partner, offset = _ends(edge, jumps, shift)
                if offset < near and low <= pixel < high and low <= partner < high:
                    a, b = _find(parents, pixel), _find(parents, partner)
                    if a != b:
                        parents[max(a, b)] = min(a, b)
                        joined += 1
        # Parents come first in the image, so one sweep leads every pixel to its root.
        for node in range(low, high):
            parents[node] = parents[parents[node]]
        # Each round costs a sweep over the image, while the last few merges are cheap in _solve.
        if joined * _LAST_ROUND < high - low:
            return edges


@compiled()
def _slot(table, pair):  # type: ignore[no-untyped-def]
    """The slot of the pair in the table, or the free slot for it."""
    last = np.uint64(len(table) - 1)
    slot = _hashed(pair) & last
    while table[slot] != 0 and table[slot] != pair:
        slot = (slot + np.uint64(1)) & last
    return slot


@compiled()
def _rebuilt(table, parents):  # type: ignore[no-untyped-def]
    """The table without the pairs of absorbed clusters, at most a quarter full."""
    live = 0
    for pair in table:
        a, b = np.int64(pair >> np.uint64(32)), np.int64(pair & _LOW)
        if pair != 0 and parents[a] == a and parents[b] == b:
            table[live] = pair
            live += 1
    size = _SMALLEST_TABLE
    while size < 4 * live:
        size *= 2
    fresh = np.zeros(size, np.uint64)
    for i in range(live):
        fresh[_slot(fresh, table[i])] = table[i]
    return fresh, live


@compiled()
def _between_clusters(  # type: ignore[no-untyped-def]
    edges, parents, mask, near, jumps, shift, cannot_link, numbers, first, second, repels
):
    """Consecutive numbers of the roots, and the edges between them: ``cannot_link``, then the others in their order.

    As the clusters are few, what :func:`_solve` stores of them fits into a cache. Returns how many they are; all edges
    repel before.
    """
    inside = mask.reshape(-1)
    count = 0
    for node in range(len(parents)):
        if inside[node] and parents[node] == node:
            numbers[node] = count
            count += 1
    given = len(cannot_link)
    for i in range(given):
        first[i], second[i] = numbers[parents[cannot_link[i, 0]]], numbers[parents[cannot_link[i, 1]]]
    for i in range(len(edges)):
        pixel, partner, offset = _ends(edges[i], jumps, shift)
        first[given + i], second[given + i] = numbers[parents[pixel]], numbers[parents[partner]]
        repels[given + i] = offset >= near
    return count


@compiled()
def _solve(first, second, repels, forest, sizes, table, link_of, following, excluded):  # type: ignore[no-untyped-def]
    """Work through the edges between clusters, heaviest first: the root of each, in ``forest``.

    The clusters that a root excludes are in ``table`` for lookup of a pair, and in a linked list for enumeration:
    ``link_of`` each cluster the first link, ``following`` and ``excluded`` of each link the next one and a cluster,
    which may have been absorbed and is resolved on traversal.
    """
    used = links = 0
    for i in range(len(first)):
        a, b = _find(forest, first[i]), _find(forest, second[i])
        if a == b:
            continue
        pair = _pair(a, b)
        if repels[i]:
            slot = _slot(table, pair)
            if table[slot] == pair:
                continue
            table[slot] = pair
            used += 1
            for root, other in ((a, b), (b, a)):
                excluded[links], following[links], link_of[root] = other, link_of[root], links
                links += 1
        else:
            # Most clusters exclude nothing yet: checking the lists is cheaper than the table.
            if link_of[a] >= 0 and link_of[b] >= 0 and table[_slot(table, pair)] == pair:
                continue
            if sizes[a] < sizes[b]:
                a, b = b, a
            sizes[a] += sizes[b]
            forest[b] = a
            link = link_of[b]
            while link >= 0:
                after = following[link]
                other = _find(forest, excluded[link])
                pair = _pair(a, other)
                slot = _slot(table, pair)
                if table[slot] == 0:
                    table[slot] = pair
                    used += 1
                    excluded[link], following[link], link_of[a] = other, link_of[a], link
                    if 2 * used > len(table):
                        table, used = _rebuilt(table, forest)
                link = after
        if 2 * used > len(table):
            table, used = _rebuilt(table, forest)
    for cluster in range(len(forest)):
        forest[cluster] = _find(forest, cluster)


@compiled()
def _number(parents, numbers, roots, mask, labels, names):  # type: ignore[no-untyped-def]
    """Labels in raster order; ``labels`` and ``names``, those of the roots, are 0 before."""
    flat, inside = labels.reshape(-1), mask.reshape(-1)
    last = 0
    for pixel in range(len(parents)):
        if inside[pixel]:
            cluster = roots[numbers[parents[pixel]]]
            if names[cluster] == 0:
                last += 1
                names[cluster] = last
            flat[pixel] = names[cluster]
