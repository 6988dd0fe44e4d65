"""Views of a prediction as layer specifications: of one model, or of student minus teacher.

Pure functions. They take the predictions of one region by one model, or by student and teacher in this order, and
return a :class:`LayerSpec`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.inspect.graph_layers import edge_options, node_options
from napari_grd._napari.inspect.palette import DIFFERENCE, DIFFERENCE_LIMITS
from napari_grd._napari.inspect.request import GraphChoice, LayerSpec
from napari_grd.errors import GrdError
from napari_grd.graph.boundaries import boundary_map
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.instances import instance_graph
from napari_grd.inference.prediction import Prediction, partition_prediction
from napari_grd.models.model import Model
from napari_grd.visualization import embedding_colors

_REACH = 2.5  # default neighbor distance in median diameters


@dataclass(frozen=True, eq=False)
class ModelPrediction:
    """A model and its prediction of a region."""

    model: Model
    prediction: Prediction = field(repr=False)


def embedding_view(seen: Sequence[ModelPrediction]) -> LayerSpec:
    """One model's embedding in its own colors; for two, 1 minus the cosine of their embeddings.

    Raises
    ------
    GrdError
        If the model stores no colors, or two embeddings differ in length.
    """
    first = seen[0].prediction
    if len(seen) == 1:
        basis = seen[0].model.pca
        if basis is None:
            raise GrdError(
                f"The model {seen[0].model.card.name!r} stores no colors for its embedding.",
                "Choose a model that was trained or distilled to the end; the other views need none.",
            )
        colors = embedding_colors(first.embedding, basis.numpy(), first.foreground)
        return LayerSpec("embedding", "image", colors, {"rgb": True})
    own, other = (_units(item.prediction.embedding) for item in seen)
    if len(own) != len(other):
        raise GrdError(
            f"The student's embedding has {len(own)} numbers a pixel, the teacher's {len(other)}:"
            " they cannot be subtracted.",
            "Affinities, boundaries and the graph can be compared.",
        )
    distance = np.clip(1 - np.einsum("c...,c...->...", own, other), 0, 2)
    return LayerSpec("embedding", "image", distance, {"colormap": "inferno", "contrast_limits": (0, 1)})


def affinity_views(seen: Sequence[ModelPrediction], *, stack: bool, boundaries: bool) -> list[LayerSpec]:
    """The affinities as a stack over offsets, and the boundary map; both from one computation.

    A difference is taken at the student's offsets.
    """
    offsets = seen[0].prediction.config.offsets
    affinities = [affinities_channels_last(np.moveaxis(item.prediction.embedding, 0, -1), offsets) for item in seen]
    pictures = []
    if stack:
        notes = {"offsets": [list(offset) for offset in offsets], "offset_names": [str(o) for o in offsets]}
        pictures.append(
            LayerSpec("affinities", "image", _difference(affinities), _look(seen, "viridis"), ("offset",), notes)
        )
    if boundaries:
        maps = [boundary_map(values, offsets) for values in affinities]
        look = _look(seen, "magma") | {"blending": "additive"}
        pictures.append(LayerSpec("boundaries", "image", _difference(maps), look))
    return pictures


def graph_views(
    seen: Sequence[ModelPrediction], labels: NDArray[np.integer] | None, choice: GraphChoice
) -> list[LayerSpec]:
    """The graph's edges and nodes, edges first so that nodes are drawn on top.

    Parameters
    ----------
    seen : sequence of ModelPrediction
        For two, the edges show the student's similarity minus the teacher's.
    labels : int array of the region's shape, optional
        The instances. None: those of the model; for two, the teacher's.
    choice : GraphChoice

    Raises
    ------
    GrdError
        If there is no instance.
    """
    if labels is None:
        labels = partition_prediction(seen[-1].prediction)
    if not labels.any():
        raise GrdError("There are no instances here, so there is no graph.", "Choose other labels or another place.")
    distance = choice.max_distance
    if distance is None and choice.nearest is None:
        distance = _neighbor_distance(labels)
    graphs = [
        instance_graph(labels, item.prediction.embedding, max_distance=distance, nearest=choice.nearest)
        for item in seen
    ]
    pictures = []
    nodes = node_options(graphs[0], labels)
    if len(graphs[0].edges):
        edges = edge_options(graphs[0], difference_to=graphs[1] if len(graphs) == 2 else None)
        edges["edge_width"] = max(0.5, nodes["size"] / 4)
        pictures.append(LayerSpec("edges", "vectors", edges.pop("data"), edges))
    pictures.append(LayerSpec("nodes", "points", nodes.pop("data"), nodes))
    return pictures


def _look(seen: Sequence[ModelPrediction], colormap: str) -> dict[str, Any]:
    if len(seen) == 2:
        return {"colormap": DIFFERENCE, "contrast_limits": DIFFERENCE_LIMITS}
    return {"colormap": colormap, "contrast_limits": (0, 1)}


def _difference(values: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return values[0] - values[1] if len(values) == 2 else values[0]


def _units(embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    units: NDArray[np.float32] = embedding / np.maximum(np.linalg.norm(embedding, axis=0), 1e-12)
    return units


def _neighbor_distance(labels: NDArray[np.integer]) -> float:
    _, sizes = np.unique(labels[labels != 0], return_counts=True)
    size = float(np.median(sizes))
    radius = float(np.cbrt(3 * size / (4 * np.pi)) if labels.ndim == 3 else np.sqrt(size / np.pi))
    return _REACH * 2 * radius
