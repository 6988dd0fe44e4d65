"""An instance graph as napari layers: nodes as points, edges as lines.

napari has no layer for graphs, and its Shapes are slow for many lines, so
nodes become Points and edges Vectors.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.inspect.palette import DIFFERENCE_LIMITS, LINE_DIFFERENCE

if TYPE_CHECKING:
    from napari_grd.graph.instances import InstanceGraph

_SIMILARITY = "similarity"


def node_options(graph: "InstanceGraph", labels: NDArray[np.integer]) -> dict[str, Any]:
    """Nodes as arguments of a Points layer.

    Parameters
    ----------
    graph : InstanceGraph
        N instances.
    labels : ndarray of int
        The label image it was made from.

    Returns
    -------
    dict
        ``data`` (N, ndim) centroids in pixels; ``features``, one row an
        instance: its id, its area (volume) in pixels, its number of neighbors and its mean and maximum similarity to
        them (NaN without any); and the style of the points.

    Examples
    --------
    >>> from napari_grd.graph.instances import instance_graph
    >>> labels = np.array([[1, 1, 0, 4]])
    >>> options = node_options(instance_graph(labels, np.ones((2, 1, 4), np.float32)), labels)
    >>> options["features"]["area"].tolist(), options["features"]["mean_similarity"].round(3).tolist()
    ([2, 1], [1.0, 1.0])
    """
    ids, areas = np.unique(labels[labels != 0], return_counts=True)
    count = len(ids)
    degree = np.bincount(graph.edges.ravel(), minlength=count)
    total = np.bincount(graph.edges.ravel(), weights=np.repeat(graph.similarity, 2), minlength=count)
    highest = np.full(count, -np.inf)
    np.maximum.at(highest, graph.edges.ravel(), np.repeat(graph.similarity, 2))
    alone = degree == 0
    return {
        "data": graph.centroids,
        "features": {
            "id": ids,
            "area": areas,
            "neighbors": degree,
            "mean_similarity": np.where(alone, np.nan, total / np.maximum(degree, 1)),
            "highest_similarity": np.where(alone, np.nan, highest),
        },
        "size": node_size(areas, labels.ndim),
        "face_color": "white",
        "border_color": "black",
        "projection_mode": "all",  # of thick slices
    }


def edge_options(graph: "InstanceGraph", *, difference_to: "InstanceGraph | None" = None) -> dict[str, Any]:
    """Edges as arguments of a Vectors layer, colored by the similarity of their ends.

    Parameters
    ----------
    graph : InstanceGraph
        E edges.
    difference_to : InstanceGraph, optional
        A graph of the same instances and edges through another model: colors
        and features are then this graph's similarity minus that one's.

    Returns
    -------
    dict
        ``data`` (E, 2, ndim), start and projection in pixels; ``features``, one
        row an edge: the ids it connects and the similarity, or the similarity of each and their difference; and the
        style of the lines.

    Examples
    --------
    >>> from napari_grd.graph.instances import instance_graph
    >>> graph = instance_graph(np.array([[1, 1, 0, 4]]), np.ones((2, 1, 4), np.float32))
    >>> edge_options(graph)["data"].tolist()
    [[[0.0, 0.5], [0.0, 2.5]]]
    """
    start, stop = graph.centroids[graph.edges[:, 0]], graph.centroids[graph.edges[:, 1]]
    features: dict[str, Any] = {"from": graph.ids[graph.edges[:, 0]], "to": graph.ids[graph.edges[:, 1]]}
    if difference_to is None:
        features[_SIMILARITY] = graph.similarity
        look: dict[str, Any] = {"edge_colormap": "plasma", "edge_contrast_limits": (0.0, 1.0)}
    else:
        features |= {"student": graph.similarity, "teacher": difference_to.similarity}
        features[_SIMILARITY] = graph.similarity - difference_to.similarity
        look = {"edge_colormap": LINE_DIFFERENCE, "edge_contrast_limits": DIFFERENCE_LIMITS}
    return {
        "data": np.stack([start, stop - start], axis=1),
        "features": features,
        "edge_color": _SIMILARITY,
        "vector_style": "line",
        "opacity": 0.9,
        "projection_mode": "all",
        **look,
    }


def node_size(areas: NDArray[np.integer], ndim: int = 2) -> float:
    """A diameter in pixels at which a node is visible and does not hide its object.

    Examples
    --------
    >>> node_size(np.array([400, 400]))
    6.0
    """
    return max(2.0, 0.3 * float(np.median(areas)) ** (1 / ndim)) if len(areas) else 2.0
