"""Instance graphs as layers."""

import numpy as np
from napari.layers import Points, Vectors

from napari_grd._napari.inspect.graph_layers import edge_options, node_options
from napari_grd.graph.instances import instance_graph

LABELS = np.zeros((20, 40), int)
LABELS[2:6, 2:6], LABELS[2:6, 10:14], LABELS[12:18, 30:38] = 3, 7, 20


def embedding(*angles: float) -> np.ndarray:
    """Of each instance a direction, so that similarities are cosines of differences."""
    result = np.zeros((2, *LABELS.shape), np.float32)
    for label, angle in zip((3, 7, 20), angles, strict=True):
        result[:, label == LABELS] = [[np.cos(angle)], [np.sin(angle)]]
    return result


def test_nodes_tell_of_their_neighbors() -> None:
    graph = instance_graph(LABELS, embedding(0, np.pi / 3, 0), max_distance=10)
    layer = Points(**node_options(graph, LABELS))
    features = layer.features
    assert features["id"].tolist() == [3, 7, 20]
    assert features["area"].tolist() == [16, 16, 48]
    assert features["neighbors"].tolist() == [1, 1, 0]
    np.testing.assert_allclose(features["mean_similarity"], [0.5, 0.5, np.nan], rtol=1e-5)
    np.testing.assert_allclose(features["highest_similarity"], [0.5, 0.5, np.nan], rtol=1e-5)
    np.testing.assert_allclose(layer.data[0], (3.5, 3.5))


def test_edges_run_from_node_to_node() -> None:
    graph = instance_graph(LABELS, embedding(0, np.pi / 2, 0))
    layer = Vectors(**edge_options(graph))
    np.testing.assert_allclose(layer.data.sum(1), graph.centroids[graph.edges[:, 1]])
    assert layer.features["from"].tolist() == [3, 3, 7]
    assert layer.features["to"].tolist() == [7, 20, 20]
    np.testing.assert_allclose(layer.features["similarity"], [0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(layer.edge_color[0], layer.edge_color[2], atol=1e-3)
    assert not np.allclose(layer.edge_color[0], layer.edge_color[1])


def test_edges_of_a_difference() -> None:
    student = instance_graph(LABELS, embedding(0, np.pi / 2, 0))
    teacher = instance_graph(LABELS, embedding(0, 0, np.pi / 2))
    features = edge_options(student, difference_to=teacher)["features"]
    np.testing.assert_allclose(features["similarity"], [-1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(features["student"] - features["teacher"], features["similarity"])
