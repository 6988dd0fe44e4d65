"""The instance graph: one node per instance, edges by similarity (method.md, section 7)."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from torch import Tensor

from napari_grd.errors import LabelError
from napari_grd.graph.precision import full_precision, promote, unit_vectors

_LANES = 32  # partial sums per instance
_LARGEST = 2**62  # maximum of the combined labels of a batch


def instance_nodes(embedding: Tensor, labels: Tensor) -> list[Tensor]:
    """Mean embedding of every instance (method.md, section 7).

    Parameters
    ----------
    embedding : Tensor
        ``(B, C, *S)``, not normalized.
    labels : Tensor
        Integers ``(B, *S)``; ids need not be consecutive. Background (0) and ignored pixels (below 0) have no node.

    Returns
    -------
    list of Tensor
        For each image ``(N_b, C)`` in float32, by ascending id and differentiable; ``N_b`` may be 0.

    Raises
    ------
    LabelError
        If the shapes do not fit.

    Examples
    --------
    >>> embedding = torch.tensor([[[1.0, 3.0, 7.0]]])
    >>> instance_nodes(embedding, torch.tensor([[5, 5, 0]]))
    [tensor([[2.]])]
    """
    batch, channels, *spatial = embedding.shape
    if labels.shape != (batch, *spatial):
        raise LabelError(
            f"Labels of shape {tuple(labels.shape)} do not fit an embedding of shape {tuple(embedding.shape)}.",
            f"Pass labels of shape {(batch, *spatial)}.",
        )
    labels = labels.reshape(batch, -1).long().clamp(min=0)
    span = int(labels.max()) + 1 if labels.numel() else 1
    if span > _LARGEST // max(1, batch):
        names, labels = torch.unique(labels, return_inverse=True)
        labels = labels + int(names[0] > 0)
        span = len(names) + 1
    keys = labels + span * torch.arange(batch, device=labels.device)[:, None]
    unique_keys, slots, sizes = torch.unique(keys, return_inverse=True, return_counts=True)
    with full_precision(embedding):
        pixels = promote(embedding).flatten(2).movedim(1, 2).reshape(-1, channels)
        # Partial sums: one long float32 sum drifts by 1e-5, and on a GPU atomic additions would serialize.
        lanes = slots.flatten() * _LANES + torch.arange(slots.numel(), device=slots.device) % _LANES
        sums = pixels.new_zeros(len(unique_keys) * _LANES, channels).index_add(0, lanes, pixels)
        means = sums.reshape(len(unique_keys), _LANES, channels).sum(1) / sizes[:, None]
    instance = unique_keys % span != 0
    per_image = torch.bincount(unique_keys[instance] // span, minlength=batch)
    return list(torch.split(means[instance], per_image.tolist()))


@dataclass(frozen=True)
class InstanceGraph:
    """Instances of one image as a graph.

    Attributes
    ----------
    ids : ndarray
        ``(N,)`` label values, ascending.
    centroids : ndarray
        ``(N, ndim)`` float64 in pixels, in the order of the image's axes.
    nodes : ndarray
        ``(N, C)`` float32, the mean embedding of each instance.
    edges : ndarray
        ``(E, 2)`` int64 positions in ``ids``, the smaller one first.
    similarity : ndarray
        ``(E,)`` float32 cosine of the two nodes of each edge.
    """

    ids: NDArray[np.int64]
    centroids: NDArray[np.float64]
    nodes: NDArray[np.float32]
    edges: NDArray[np.int64]
    similarity: NDArray[np.float32]


def instance_graph(
    labels: NDArray[np.integer],
    embedding: NDArray[np.float32],
    *,
    max_distance: float | None = None,
    nearest: int | None = None,
) -> InstanceGraph:
    """The instance graph of one image.

    Parameters
    ----------
    labels : ndarray
        Integers ``(*S)``, 0 is background.
    embedding : ndarray
        ``(C, *S)``.
    max_distance : float, optional
        Merge only instances with centroids this close, in pixels. None joins all, as distillation does.
    nearest : int, optional
        Merge an instance with this many others at most, those whose centroids are nearest; it has more edges
        if it is among the nearest of others too.

    Returns
    -------
    InstanceGraph

    Raises
    ------
    LabelError
        If the shapes do not fit.

    See Also
    --------
    affinities : The graph of pixels.

    Examples
    --------
    >>> graph = instance_graph(np.array([[1, 1, 0, 4]]), np.ones((2, 1, 4), np.float32))
    >>> graph.ids, graph.centroids.tolist(), graph.edges.tolist(), graph.similarity.round(3).tolist()
    (array([1, 4]), [[0.0, 0.5], [0.0, 3.0]], [[0, 1]], [1.0])
    """
    labels = np.asarray(labels).astype(np.int64, copy=False)
    (nodes,) = instance_nodes(torch.as_tensor(np.asarray(embedding))[None], torch.as_tensor(labels)[None])
    where = np.nonzero(labels > 0)
    ids, slots, sizes = np.unique(labels[where], return_inverse=True, return_counts=True)
    sums = [np.bincount(slots, weights=axis, minlength=len(ids)) for axis in where]
    centroids = np.stack(sums, axis=1) / sizes[:, None]
    edges = _edges(centroids, max_distance) if nearest is None else _nearest(centroids, nearest, max_distance)
    unit = unit_vectors(nodes, dim=1).numpy()
    similarity = np.einsum("ec,ec->e", unit[edges[:, 0]], unit[edges[:, 1]])
    return InstanceGraph(ids, centroids, nodes.numpy(), edges, similarity)


def _edges(centroids: NDArray[np.float64], max_distance: float | None) -> NDArray[np.int64]:
    count = len(centroids)
    if max_distance is None or count == 0:
        return np.stack(np.triu_indices(count, k=1), axis=1)
    pairs: NDArray[np.int64] = cKDTree(centroids).query_pairs(max_distance, output_type="ndarray").astype(np.int64)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    return pairs[order]


def _nearest(centroids: NDArray[np.float64], count: int, max_distance: float | None) -> NDArray[np.int64]:
    """Edges to the ``count`` nearest, in both directions but each once."""
    if len(centroids) < 2:
        return np.empty((0, 2), np.int64)
    # The nearest is the instance itself, or one with exactly the same centroid.
    limit = np.inf if max_distance is None else np.nextafter(max_distance, np.inf)
    _, neighbors = cKDTree(centroids).query(centroids, k=range(1, count + 2), distance_upper_bound=limit)
    own = np.broadcast_to(np.arange(len(centroids))[:, None], neighbors.shape)
    real = (neighbors < len(centroids)) & (neighbors != own)
    pairs = np.stack([own[real], neighbors[real]], axis=1).astype(np.int64)
    edges: NDArray[np.int64] = np.unique(np.sort(pairs, axis=1), axis=0)
    return edges
