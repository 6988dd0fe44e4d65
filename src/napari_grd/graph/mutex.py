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
notice a change in another one.
"""

import numpy as np
import numpy.typing as npt

from napari_grd.compiled import compiled
from napari_grd.errors import ImageError
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

Pairs = npt.NDArray[np.int64]
NO_PAIRS: Pairs = np.empty((0, 2), np.int64)


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
    edges, repulsions = _edges(attractive, repulsive, vectors, mask, strides, np.float32(bias), shift)
    jumps = vectors @ np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
    parents = np.arange(mask.size, dtype=np.int32)
    if len(must_link):
        _link(parents, must_link)
    edges = _contract(edges, parents, len(attractive), jumps, shift, cannot_link.reshape(-1))
    edges.sort()
    _solve(edges, parents, repulsions, len(attractive), jumps, shift, cannot_link)
    labels: npt.NDArray[np.int32] = _number(parents, mask)
    return labels


@compiled()
def _edges(attractive, repulsive, vectors, mask, strides, bias, shift):  # type: ignore[no-untyped-def]
    """The edges between pixels of the mask, packed, and the number of repulsive ones."""
    depth, height, width = mask.shape
    near, count = len(attractive), len(vectors)
    inside = 0
    for pixel in mask.flat:
        inside += pixel
    edges = np.empty(near * inside + repulsive.size, np.uint64)
    used = 0
    repulsions = 0
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if not mask[z, y, x]:
                    continue
                on_grid = z % strides[0] == 0 and y % strides[1] == 0 and x % strides[2] == 0
                for k in range(count if on_grid else near):
                    pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                    if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                        continue
                    if not mask[pz, py, px]:
                        continue
                    if k < near:
                        affinity = attractive[k, z, y, x]
                    else:
                        affinity = repulsive[k - near, z // strides[0], y // strides[1], x // strides[2]]
                    affinity = min(max(affinity, np.float32(0)), np.float32(1))
                    weight = np.float32(affinity + bias if k < near else np.float32(1) - affinity - bias)
                    if weight <= 0:
                        continue
                    pixel = np.uint64((z * height + y) * width + x)
                    distance = np.uint64(_HEAVIEST - weight.view(np.uint32))
                    edges[used] = (distance << _ID_BITS) | (pixel << shift) | np.uint64(k)
                    used += 1
                    repulsions += k >= near
    return edges[:used], repulsions


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
def _contract(edges, parents, near, jumps, shift, wary):  # type: ignore[no-untyped-def]
    """Merge, in ``parents``, what is certain to be joined; the edges that are left, in any order.

    The heaviest edge that leaves a cluster comes before all others that do, so
    until then no part of the cluster can have been excluded from anything outside,
    unless it contains a ``wary`` pixel, which has a cannot-link constraint.
    """
    heaviest = np.empty(len(parents), np.uint64)
    while True:
        heaviest[:] = _NO_EDGE
        left = 0
        for edge in edges:
            pixel, partner, _ = _ends(edge, jumps, shift)
            a, b = parents[pixel], parents[partner]
            if a != b:
                edges[left] = edge
                left += 1
                heaviest[a] = min(heaviest[a], edge)
                heaviest[b] = min(heaviest[b], edge)
        edges = edges[:left]
        for pixel in wary:
            heaviest[parents[pixel]] = _NO_EDGE
        joined = 0
        for edge in heaviest:
            if edge != _NO_EDGE:
                pixel, partner, offset = _ends(edge, jumps, shift)
                if offset < near:
                    a, b = _find(parents, pixel), _find(parents, partner)
                    if a != b:
                        parents[max(a, b)] = min(a, b)
                        joined += 1
        # Parents come first in the image, so one sweep leads every pixel to its root.
        for node in range(len(parents)):
            parents[node] = parents[parents[node]]
        # Each round costs a sweep over the image, while the last few merges are cheap in _solve.
        if joined * 50 < len(parents):
            return edges


@compiled()
def _pair(a, b):  # type: ignore[no-untyped-def]
    # Two different nodes, so never 0, which marks a free slot.
    return (np.uint64(min(a, b)) << np.uint64(32)) | np.uint64(max(a, b))


@compiled()
def _slot(table, pair):  # type: ignore[no-untyped-def]
    """The slot of the pair in the table, or the free slot for it."""
    last = np.uint64(len(table) - 1)
    slot = ((pair * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & last
    while table[slot] != 0 and table[slot] != pair:
        slot = (slot + np.uint64(1)) & last
    return slot


@compiled()
def _rebuilt(table, parents):  # type: ignore[no-untyped-def]
    """The table without the pairs of absorbed clusters, at most a quarter full."""
    pairs = table[table != 0]
    live = 0
    for pair in pairs:
        a, b = np.int64(pair >> np.uint64(32)), np.int64(pair & _LOW)
        if parents[a] == a and parents[b] == b:
            pairs[live] = pair
            live += 1
    size = _SMALLEST_TABLE
    while size < 4 * live:
        size *= 2
    fresh = np.zeros(size, np.uint64)
    for pair in pairs[:live]:
        fresh[_slot(fresh, pair)] = pair
    return fresh, live


@compiled()
def _solve(edges, parents, repulsions, near, jumps, shift, cannot_link):  # type: ignore[no-untyped-def]
    """Work through ``cannot_link``, then all edges, heaviest first, in the union-find forest ``parents``."""
    sizes = np.ones(len(parents), np.int32)
    # The clusters that a root excludes: the table for lookup of a pair, a linked list for enumeration.
    # Lists may contain absorbed clusters, which are resolved on traversal.
    table, used = np.zeros(_SMALLEST_TABLE, np.uint64), 0
    first = np.full(len(parents), -1, np.int32)
    following = np.empty(2 * (repulsions + len(cannot_link)), np.int32)
    excluded = np.empty(2 * (repulsions + len(cannot_link)), np.int32)
    links = 0
    for i in range(-len(cannot_link), len(edges)):
        if i < 0:
            pixel, partner, offset = cannot_link[i, 0], cannot_link[i, 1], near
        else:
            pixel, partner, offset = _ends(edges[i], jumps, shift)
        a, b = _find(parents, pixel), _find(parents, partner)
        if a == b:
            continue
        pair = _pair(a, b)
        if offset >= near:
            slot = _slot(table, pair)
            if table[slot] == pair:
                continue
            table[slot] = pair
            used += 1
            for root, other in ((a, b), (b, a)):
                excluded[links], following[links], first[root] = other, first[root], links
                links += 1
        else:
            # Most clusters exclude nothing yet: checking the lists is cheaper than the table.
            if first[a] >= 0 and first[b] >= 0 and table[_slot(table, pair)] == pair:
                continue
            if sizes[a] < sizes[b]:
                a, b = b, a
            sizes[a] += sizes[b]
            parents[b] = a
            link = first[b]
            while link >= 0:
                after = following[link]
                other = _find(parents, excluded[link])
                pair = _pair(a, other)
                slot = _slot(table, pair)
                if table[slot] == 0:
                    table[slot] = pair
                    used += 1
                    excluded[link], following[link], first[a] = other, first[a], link
                    if 2 * used > len(table):
                        table, used = _rebuilt(table, parents)
                link = after
        if 2 * used > len(table):
            table, used = _rebuilt(table, parents)


@compiled()
def _number(parents, mask):  # type: ignore[no-untyped-def]
    """Labels in raster order from the forest."""
    labels = np.zeros(mask.shape, np.int32)
    names = np.zeros(len(parents), np.int32)
    flat, inside = labels.reshape(-1), mask.reshape(-1)
    last = 0
    for pixel in range(len(parents)):
        if inside[pixel]:
            root = _find(parents, pixel)
            if names[root] == 0:
                last += 1
                names[root] = last
            flat[pixel] = names[root]
    return labels
