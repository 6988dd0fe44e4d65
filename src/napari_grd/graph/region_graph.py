"""The graph of adjacent fragments, with the mean affinity between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_grd.compiled import compiled
from napari_grd.graph.fragments import Fragments
from napari_grd.graph.grid import GridConstraints
from napari_grd.graph.volume import Triple

_Ids = npt.NDArray[np.int64]
_SMALLEST_TABLE = 1024
# Weight of a pair of direct neighbors. Chosen on annotated volumes with blurred embeddings: with 1, all is merged; with
# 0.001, fragments with one or two longer pairs between them are judged by these.
_NEAR = 0.01
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class RegionGraph:
    """Fragments, merged where must-link constraints ask for it, and their contacts.

    Attributes
    ----------
    nodes : (F + 1,) int64
        For each fragment the node it is part of; 0 for the background.
    count : int
        Number of nodes, including the background, which has no edge.
    edges : (E, 2) int64
        Pairs of nodes, each once and sorted: those that are adjacent, and those that must not be linked.
    affinity : (E,) float64
        Weighted mean affinity of the pixel pairs of each edge, in [0, 1].
    size : (E,) float64
        Sum of the weights of these pixel pairs; 0 for nodes with a cannot-link constraint only.
    cannot_link : (E,) bool
        Nodes with a cannot-link constraint.
    """

    nodes: _Ids
    count: int
    edges: _Ids
    affinity: npt.NDArray[np.float64]
    size: npt.NDArray[np.float64]
    cannot_link: npt.NDArray[np.bool_]


def region_graph(
    fragments: Fragments,
    attractive: npt.NDArray[np.float32],
    repulsive: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.int64],
    strides: Triple,
    given: GridConstraints | None = None,
) -> RegionGraph:
    """The graph of fragments.

    Parameters
    ----------
    fragments : int32 array, shape (Z, Y, X)
        Consecutive from 1, 0 for background.
    attractive : float32 array, shape (A, Z, Y, X)
        Affinities of the first A offsets, which connect direct neighbors: pairs of fragments with such an edge are
        adjacent.
    repulsive : float32 array, shape (K - A, \\*ceil((Z, Y, X) / strides))
        Affinities of the other offsets at multiples of ``strides``; they contribute to the mean of adjacent fragments.
        If there are any, direct neighbors have a weight of 0.01: embeddings change smoothly, so neighbors are similar
        across a boundary, too, and pairs farther apart tell more about it.
    vectors : int64 array, shape (K, 3)
        The offsets.
    strides : tuple of int
        Grid of the repulsive affinities.
    given : GridConstraints, optional
        Constraints of a user. Pixels of a cannot-link pair must be in different fragments.

    Returns
    -------
    RegionGraph

    Examples
    --------
    >>> fragments = np.array([[[1, 1, 2, 2, 0, 3]]], np.int32)
    >>> affinity = np.array([[[[0, 0.9, 0.25, 0.9, 0, 0]]]], np.float32)
    >>> graph = region_graph(fragments, affinity, affinity[:0], np.array([[0, 0, -1]]), (1, 1, 1))
    >>> graph.edges.tolist(), graph.affinity.tolist(), graph.size.tolist()
    ([[1, 2]], [0.25], [1.0])
    """
    weight = _NEAR if len(repulsive) else 1.0
    table, sums, sizes = _accumulated(fragments, attractive, repulsive, vectors, np.array(strides), weight)
    used = np.flatnonzero(table)
    pairs, sums, sizes = table[used], sums[used], sizes[used]
    edges = np.stack([pairs >> np.uint64(32), pairs & _LOW], axis=1).astype(np.int64)
    count = int(fragments.max(initial=0)) + 1
    nodes, barred = np.arange(count), np.zeros((0, 2), np.int64)
    if given is not None:
        links, cuts = fragments.flat[given.must_link], fragments.flat[given.cannot_link]
        joins = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count, count))
        joined, nodes = connected_components(joins, directed=False)
        count, nodes = int(joined), nodes.astype(np.int64)
        barred = nodes[cuts[(cuts > 0).all(axis=1)]]  # one of the two may be background
    edges = np.concatenate([nodes[edges], barred])
    cannot_link = np.arange(len(edges)) >= len(sums)
    none = np.zeros(len(barred))
    sums, sizes = np.concatenate([sums, none]), np.concatenate([sizes, none])
    kept = edges[:, 0] != edges[:, 1]
    keys, index = np.unique(edges.min(axis=1)[kept] << 32 | edges.max(axis=1)[kept], return_inverse=True)
    total, size, parted = (np.bincount(index, values[kept], len(keys)) for values in (sums, sizes, cannot_link))
    return RegionGraph(
        nodes,
        count,
        np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1),
        total / np.where(size > 0, size, 1),
        size.astype(np.float64),
        parted > 0,
    )


def connected(graph: RegionGraph, clusters: Sequence[int] | _Ids) -> _Ids:
    """For each fragment its cluster, where a cluster of nodes that are not adjacent is several ones.

    Parameters
    ----------
    graph : RegionGraph
    clusters : (count,) array of int
        A number for each node, equal for nodes of one cluster.
    """
    of = np.asarray(clusters)
    a, b = graph.edges[graph.size > 0].T
    kept = of[a] == of[b]
    joins = coo_array((np.ones(int(kept.sum())), (a[kept], b[kept])), shape=(graph.count, graph.count))
    groups = connected_components(joins, directed=False)[1]
    result: _Ids = groups[graph.nodes].astype(np.int64)  # the first, 0, is the background's
    return result


@compiled()
def _slot(table, pair):  # type: ignore[no-untyped-def]
    """The slot of the pair in the table, or the free slot for it."""
    last = np.uint64(len(table) - 1)
    slot = ((pair * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & last
    while table[slot] != 0 and table[slot] != pair:
        slot = (slot + np.uint64(1)) & last
    return slot


@compiled()
def _pair(a, b):  # type: ignore[no-untyped-def]
    return (np.uint64(min(a, b)) << np.uint64(32)) | np.uint64(max(a, b))


@compiled()
def _clipped(affinity):  # type: ignore[no-untyped-def]
    return np.float64(min(max(affinity, np.float32(0)), np.float32(1)))


@compiled()
def _accumulated(fragments, attractive, repulsive, vectors, strides, weight):  # type: ignore[no-untyped-def]
    """A hash table of adjacent pairs of fragments, with the sum and the number of the affinities between them."""
    depth, height, width = fragments.shape
    table = np.zeros(_SMALLEST_TABLE, np.uint64)
    sums, sizes = np.zeros(len(table), np.float64), np.zeros(len(table), np.float64)
    used, near = 0, len(attractive)
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                a = fragments[z, y, x]
                if a == 0:
                    continue
                for k in range(near):
                    pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                    if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                        continue
                    b = fragments[pz, py, px]
                    if b == 0 or b == a:
                        continue
                    pair = _pair(a, b)
                    slot = _slot(table, pair)
                    if table[slot] == 0:
                        if 2 * used > len(table):
                            old, old_sums, old_sizes = table, sums, sizes
                            table = np.zeros(2 * len(old), np.uint64)
                            sums, sizes = np.zeros(len(table), np.float64), np.zeros(len(table), np.float64)
                            for row in range(len(old)):
                                if old[row] != 0:
                                    place = _slot(table, old[row])
                                    table[place] = old[row]
                                    sums[place], sizes[place] = old_sums[row], old_sizes[row]
                            slot = _slot(table, pair)
                        table[slot] = pair
                        used += 1
                    sums[slot] += weight * _clipped(attractive[k, z, y, x])
                    sizes[slot] += weight
    for gz in range(repulsive.shape[1]):
        for gy in range(repulsive.shape[2]):
            for gx in range(repulsive.shape[3]):
                z, y, x = gz * strides[0], gy * strides[1], gx * strides[2]
                a = fragments[z, y, x]
                if a == 0:
                    continue
                for k in range(near, len(vectors)):
                    pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                    if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                        continue
                    b = fragments[pz, py, px]
                    if b == 0 or b == a:
                        continue
                    slot = _slot(table, _pair(a, b))
                    if table[slot] != 0:
                        sums[slot] += _clipped(repulsive[k - near, gz, gy, gx])
                        sizes[slot] += 1
    return table, sums, sizes
