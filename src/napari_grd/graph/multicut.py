"""Multicut of the region graph: the partition of the fragments with the lowest cost, all edges weighed at once.

The cost of cutting an edge is the log-odds of its mean affinity times its size (method.md, section 13).
"""

import numpy as np
import numpy.typing as npt

from napari_grd.graph.fragments import bioimage_cpp
from napari_grd.graph.parallel import thread_count
from napari_grd.graph.region_graph import RegionGraph

_EPS = 1e-3  # affinities are at least so far from 0 and 1


def multicut(graph: RegionGraph, bias: float) -> npt.NDArray[np.int64]:
    """Partition the nodes of a region graph, by greedy additive edge contraction and Kernighan-Lin.

    Parameters
    ----------
    graph : RegionGraph
    bias : float
        Added to the affinities.

    Returns
    -------
    (count,) int64
        A number for each node, equal for nodes that are one object.

    Raises
    ------
    ConfigError
        If bioimage-cpp is not installed.

    Examples
    --------
    >>> edges = np.array([[1, 2], [1, 3], [2, 3]])
    >>> graph = RegionGraph(np.arange(4), 4, edges, np.array([0.9, 0.1, 0.6]), np.ones(3), np.zeros(3, bool))
    >>> clusters = multicut(graph, 0.0)
    >>> bool(clusters[1] == clusters[2]), bool(clusters[2] == clusters[3])
    (True, False)
    """
    graphs = bioimage_cpp().graph
    affinity = np.clip(graph.affinity + bias, _EPS, 1 - _EPS)
    costs = np.log(affinity / (1 - affinity)) * graph.size
    costs[graph.cannot_link] = -1 - np.abs(costs).sum()  # more than everything else together
    objective = graphs.multicut.MulticutObjective(
        graphs.UndirectedGraph.from_unique_edges(graph.count, graph.edges), costs
    )
    # Parts without an attractive edge between them are solved separately, which is faster and loses nothing.
    solver = graphs.multicut.MulticutDecomposer(
        graphs.multicut.KernighanLinMulticut(), number_of_threads=thread_count()
    )
    clusters: npt.NDArray[np.int64] = solver.optimize(objective).astype(np.int64)
    return clusters
