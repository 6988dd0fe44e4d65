"""Conversion of a zoo model's outputs by its recipe.

Y and X are the axes of the image, n the channels of one kind, K the standard offsets.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import PartitionConfig
from napari_grd.errors import ConfigError
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.graph.partition import partition_embedding
from napari_grd.teaching.bioimageio.recipe import ZooRecipe, read_channel
from napari_grd.teaching.flows import follow_flows
from napari_grd.teaching.instances import (
    at_standard_offsets,
    components,
    split_by_affinities,
    split_by_boundary,
    split_by_shape,
)
from napari_grd.teaching.soft_affinities import affinities_from_flows, affinities_from_probability

Outputs = dict[str, NDArray[np.float32]]
"""Kind to channels (n, Y, X)."""


def sort_channels(outputs: Mapping[str, NDArray[Any]], recipe: ZooRecipe, name: str) -> Outputs:
    """Sort channels by kind; logits become probabilities, repulsion becomes affinity.

    Parameters
    ----------
    outputs : mapping of str to (C, Y, X) array
        The model's outputs by id.
    recipe : ZooRecipe
        The kinds of the channels.
    name : str
        Of the model, for messages.

    Returns
    -------
    dict of str to (n, Y, X) float32
        All channels of each kind.

    Raises
    ------
    ConfigError
        If outputs and recipe do not fit each other.
    """
    by_kind: dict[str, list[NDArray[np.float32]]] = {}
    for output, kinds in recipe.channels.items():
        planes = outputs.get(output)
        if planes is None:
            raise ConfigError(
                f"The output {output!r} of {name!r} is not an image of the input's size.",
                "Remove it from the recipe.",
            )
        each = kinds * len(planes) if len(kinds) == 1 else kinds
        if len(each) != len(planes):
            raise ConfigError(
                f"The output {output!r} of {name!r} has {len(planes)} channels, the recipe names {len(kinds)}.",
                "Name the kind of each channel.",
            )
        for kind, plane in zip(each, planes, strict=True):
            if kind != "ignore":
                meaning, values = read_channel(kind, plane, output)
                by_kind.setdefault(meaning, []).append(values)
    for kind in ("foreground", "boundary", "label"):
        if len(by_kind.get(kind, ())) > 1:
            raise ConfigError(
                f"The recipe assigns {kind} to {len(by_kind[kind])} channels of {name!r}.",
                "Keep one of them, and assign 'ignore' to the others.",
            )
    return {kind: np.stack(planes) for kind, planes in by_kind.items()}


def instances_of(outputs: Outputs, recipe: ZooRecipe) -> NDArray[np.uint32]:
    """Instances, by the recipe's method.

    Parameters
    ----------
    found : dict of str to (n, Y, X) float32
        See :func:`sort_channels`.
    recipe : ZooRecipe
        Method, thresholds and sizes.

    Returns
    -------
    (Y, X) uint32
    """
    method = recipe.method
    threshold, min_size = recipe.foreground_threshold, recipe.min_size
    foreground = outputs["foreground"][0] if "foreground" in outputs else None
    if method == "labels":
        labels: NDArray[np.uint32] = outputs["label"][0].astype(np.uint32)
        return labels
    if method == "mutex":
        return split_by_affinities(
            outputs["affinity"], recipe.offsets, foreground, threshold=threshold, min_size=min_size
        )
    if method == "embedding":
        config = PartitionConfig(foreground_threshold=threshold, min_size=min_size)
        embedding = np.ascontiguousarray(np.moveaxis(outputs["embedding"], 0, -1))
        return partition_embedding(embedding, OFFSETS_2D, foreground, config)
    assert foreground is not None  # all other methods need it, as the recipe has checked
    if method == "flow":
        return follow_flows(outputs["flow"], foreground, threshold=threshold, min_size=min_size)
    if method == "components":
        return components(foreground, threshold=threshold, min_size=min_size)
    if "boundary" in outputs:
        boundary, edge = outputs["boundary"][0], recipe.boundary_threshold
        return split_by_boundary(foreground, boundary, threshold=threshold, boundary_threshold=edge, min_size=min_size)
    return split_by_shape(foreground, threshold=threshold, depth=recipe.depth, min_size=min_size)


def soft_affinities_of(
    outputs: Outputs, recipe: ZooRecipe, labels: NDArray[np.uint32], foreground: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """Soft affinities at the standard offsets: its own, or from flows or foreground; None if there is none of these.

    Parameters
    ----------
    found : dict of str to (n, Y, X) float32
        See :func:`sort_channels`.
    recipe : ZooRecipe
        Provides the offsets of its affinities.
    labels : (Y, X) uint32
        See :func:`instances_of`.
    foreground : (Y, X) float32 or None
        Probability, :func:`~napari_grd.teaching.soft_affinities.centered`.

    Returns
    -------
    (K, Y, X) float32 or None
    """
    if "affinity" in outputs:
        own = at_standard_offsets(outputs["affinity"], recipe.offsets, foreground)
        if own is not None:
            return own
    if foreground is None:
        return None
    if "flow" in outputs:
        return affinities_from_flows(labels, outputs["flow"], foreground)
    return affinities_from_probability(labels, foreground)
