"""Partition by watershed fragments: the objects are unions of them."""

import numpy as np
import numpy.typing as npt

from napari_grd.config import PartitionConfig
from napari_grd.errors import ImageError
from napari_grd.graph.agglomeration import agglomerate
from napari_grd.graph.fragments import watershed_fragments
from napari_grd.graph.grid import GridConstraints
from napari_grd.graph.multicut import multicut
from napari_grd.graph.region_graph import connected, region_graph
from napari_grd.graph.volume import Triple

_METHODS = {"agglomeration": agglomerate, "multicut": multicut}


def partition_regions(
    attractive: npt.NDArray[np.float32],
    repulsive: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.int64],
    mask: npt.NDArray[np.bool_],
    strides: Triple,
    config: PartitionConfig,
    given: GridConstraints | None = None,
) -> npt.NDArray[np.int32]:
    """Clusters of the pixels in the mask, by agglomeration or multicut of fragments.

    Parameters
    ----------
    attractive, repulsive, vectors, mask, strides
        As for :func:`~napari_grd.graph.mutex.mutex_watershed`.
    config : PartitionConfig
        Its ``method``, ``fragments``, ``bias`` and ``min_size`` are used.
    given : GridConstraints, optional
        Constraints of a user; they precede all affinities.

    Returns
    -------
    int32 array, shape (Z, Y, X)
        Consecutive labels, 0 outside the mask.

    Raises
    ------
    ImageError
        If the volume is too large for one partition.
    ConfigError
        If bioimage-cpp is not installed.

    Examples
    --------
    >>> attractive = np.array([[[[0, 0.9, 0.2, 0.9]]]], np.float32)
    >>> vectors, mask = np.array([[0, 0, -1]]), np.ones((1, 1, 4), bool)
    >>> config = PartitionConfig(method="agglomeration")
    >>> partition_regions(attractive, attractive[:0], vectors, mask, (1, 1, 1), config)
    array([[[1, 1, 2, 2]]], dtype=int32)
    """
    if max(mask.size * len(attractive), 2 * mask.size) > np.iinfo(np.uint32).max:
        raise ImageError(
            f"A volume of shape {mask.shape} has too many pixels for one partition.", "Segment it block by block."
        )
    fragments = watershed_fragments(
        attractive, vectors, mask, planar=config.fragments == "slices", min_size=config.min_size, given=given
    )
    graph = region_graph(fragments, attractive, repulsive, vectors, strides, given)
    clusters = connected(graph, _METHODS[config.method](graph, config.bias)) if graph.count > 1 else graph.nodes
    labels: npt.NDArray[np.int32] = clusters.astype(np.int32)[fragments]
    return labels
