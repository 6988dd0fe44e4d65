"""Agglomeration of fragments by mean affinity: the adjacent pair with the highest mean merges first.

Two fragments merge as long as the mean affinity of all pixel pairs between them, plus ``bias``, is above one half, as
in waterz (method.md, section 13).
"""

import numpy as np
import numpy.typing as npt

from napari_grd.graph.fragments import bioimage_cpp
from napari_grd.graph.region_graph import RegionGraph


def agglomerate(graph: RegionGraph, bias: float) -> npt.NDArray[np.int64]:
    """Merge the nodes of a region graph.

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
    >>> edges = np.array([[1, 2], [2, 3]])
    >>> graph = RegionGraph(np.arange(4), 4, edges, np.array([0.9, 0.2]), np.ones(2), np.zeros(2, bool))
    >>> clusters = agglomerate(graph, 0.0)
    >>> bool(clusters[1] == clusters[2]), bool(clusters[2] == clusters[3])
    (True, False)
    """
    graphs = bioimage_cpp().graph
    weights = graph.affinity + bias - 0.5
    # Of the edges that must not merge, the heaviest come first.
    weights[graph.cannot_link] = -1e6
    policy = graphs.agglomeration.GaspClusterPolicy(num_clusters_stop=1, linkage="mean")
    clusters: npt.NDArray[np.int64] = policy.optimize(
        graphs.UndirectedGraph.from_unique_edges(graph.count, graph.edges),
        weights,
        edge_sizes=np.where(graph.size > 0, graph.size, 1),
        is_mergeable=~graph.cannot_link,
    ).astype(np.int64)
    return clusters
