import numpy as np
import pytest
import torch

from napari_grd.errors import LabelError
from napari_grd.graph.instances import instance_graph, instance_nodes


@pytest.mark.parametrize("shape", [(9, 11), (3, 5, 6)], ids=["2d", "3d"])
def test_nodes_are_the_means_of_instances_by_ascending_id(shape):
    generator = torch.Generator().manual_seed(1)
    embedding = torch.randn(3, 4, *shape, generator=generator)
    ids = torch.tensor([0, 2, 7, 4_000_000_000])
    labels = ids[torch.randint(0, 4, (3, *shape), generator=generator)]
    labels[1] = 0
    labels[2][labels[2] == 2] = 0
    nodes = instance_nodes(embedding, labels)
    for b, present in enumerate(([2, 7, 4_000_000_000], [], [7, 4_000_000_000])):
        assert nodes[b].shape == (len(present), 4)
        for row, i in enumerate(present):
            torch.testing.assert_close(nodes[b][row], embedding[b][:, labels[b] == i].mean(1))


def test_nodes_are_differentiable_and_background_gets_no_gradient():
    embedding = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.zeros(2, 4, 4, dtype=torch.int32)
    labels[0, 1:3, 1:3] = 5
    labels[0, 3] = 2
    assert torch.autograd.gradcheck(lambda e: instance_nodes(e, labels)[0], embedding)
    instance_nodes(embedding, labels)[0].sum().backward()
    assert torch.equal(embedding.grad[:, 0] != 0, labels != 0)


def test_nodes_are_float32_under_autocast():
    embedding, labels = torch.randn(1, 3, 4, 4).half(), torch.ones(1, 4, 4, dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (nodes,) = instance_nodes(embedding, labels)
    assert nodes.dtype == torch.float32


def test_labels_of_another_shape_are_refused():
    with pytest.raises(LabelError, match=r"\(1, 4, 5\).*Pass labels of shape \(1, 4, 4\)"):
        instance_nodes(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 5, dtype=torch.long))


def test_graph_of_an_image():
    labels = np.zeros((4, 9), np.uint16)
    labels[0:2, 0:2], labels[1:3, 4:7], labels[3, 8] = 3, 9, 4
    embedding = np.zeros((2, 4, 9), np.float32)
    embedding[0, labels != 4], embedding[1, labels == 4] = 2, 5
    graph = instance_graph(labels, embedding)
    assert graph.ids.tolist() == [3, 4, 9]
    assert graph.centroids.tolist() == [[0.5, 0.5], [3, 8], [1.5, 5]]
    assert graph.nodes.tolist() == [[2, 0], [0, 5], [2, 0]]
    assert graph.edges.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert graph.similarity.tolist() == [0, 1, 0]
    near = instance_graph(labels, embedding, max_distance=4.7)
    assert near.edges.tolist() == [[0, 2], [1, 2]]


def test_edges_to_the_nearest_only():
    labels = np.zeros((1, 20), np.uint8)
    labels[0, [0, 2, 5, 19]] = 1, 2, 3, 4
    embedding = np.ones((2, 1, 20), np.float32)
    one = instance_graph(labels, embedding, nearest=1)
    assert one.edges.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert instance_graph(labels, embedding, nearest=1, max_distance=3).edges.tolist() == [[0, 1], [1, 2]]
    assert len(instance_graph(labels, embedding, nearest=9).edges) == 6
    assert instance_graph(labels == 1, embedding, nearest=3).edges.shape == (0, 2)


def test_graph_of_a_volume_without_instances_is_empty():
    for max_distance in (None, 3.0):
        graph = instance_graph(
            np.zeros((2, 3, 4), np.int32), np.ones((5, 2, 3, 4), np.float32), max_distance=max_distance
        )
        assert graph.centroids.shape == (0, 3)
        assert graph.nodes.shape == (0, 5)
        assert graph.edges.shape == (0, 2)


def test_ignored_pixels_belong_to_no_node():
    # Below 0 they must not slip into the ids of the image before.
    embedding = torch.arange(8.0).reshape(2, 1, 4)
    labels = torch.tensor([[1, 3, 3, 0], [-1, 3, -1, 0]])
    nodes = instance_nodes(embedding, labels)
    assert [found.flatten().tolist() for found in nodes] == [[0.0, 1.5], [5.0]]
