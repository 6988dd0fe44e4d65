"""Affinities and foreground to instances: a mutex watershed and its clean-up."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from bioimage_cpp.segmentation import mutex_watershed
from skimage.morphology import remove_small_objects

from napari_grd.config import PartitionConfig
from napari_grd.errors import ImageError
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.offsets import Offset


def partition(
    affinities: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    foreground: npt.NDArray[np.floating] | None,
    config: PartitionConfig,
) -> npt.NDArray[np.uint32]:
    """Partition into labels (K, *S) -> (*S), consecutive from 1."""
    if np.isnan(affinities.min()):
        raise ImageError("The affinities hold NaN.", "Check the image for NaN, and the network.")
    ndim = affinities.ndim - 1
    weights = affinities.clip(0, 1)
    weights[:ndim] += np.float32(config.bias)
    weights[ndim:] = 1 - weights[ndim:] - np.float32(config.bias)
    mask = None if foreground is None else foreground > config.foreground_threshold
    labels = mutex_watershed(weights, offsets, ndim, strides=[config.stride] * ndim, mask=mask).astype(np.int64)
    if config.min_size:
        labels = remove_small_objects(labels, max_size=config.min_size - 1)
    _, consecutive = np.unique(labels, return_inverse=True)
    result: npt.NDArray[np.uint32] = consecutive.astype(np.uint32) + np.uint32(labels.min() > 0)
    return result


def partition_embedding(
    embedding: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    foreground: npt.NDArray[np.floating] | None,
    config: PartitionConfig,
) -> npt.NDArray[np.uint32]:
    """Affinities of an embedding (*S, C), then their partition."""
    return partition(affinities_channels_last(embedding, offsets), offsets, foreground, config)
