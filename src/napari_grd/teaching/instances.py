"""Instances from the outputs of other networks: masks, boundaries, affinities at any offsets."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

from napari_grd.config import PartitionConfig
from napari_grd.errors import ConfigError
from napari_grd.graph.offsets import Offset, default_offsets, pair_ends
from napari_grd.graph.partition import LabelArray, partition

Float = NDArray[np.float32]


def components(foreground: Float, *, threshold: float = 0.5, min_size: int = 16) -> LabelArray:
    """Connected components of a mask.

    Parameters
    ----------
    foreground : (*S) float32
        Probability in [0, 1].
    threshold : float
        A pixel is foreground above this.
    min_size : int
        Components with fewer pixels are removed.

    Returns
    -------
    (*S) uint32

    Examples
    --------
    >>> components(np.array([[1, 0, 0.6]]), min_size=0)
    array([[1, 0, 2]], dtype=uint32)
    """
    labels, _ = ndimage.label(foreground > threshold)
    return without_small(labels, min_size)


def split_by_shape(foreground: Float, *, threshold: float = 0.5, depth: float = 0.5, min_size: int = 16) -> LabelArray:
    """Split a mask at its necks, by a watershed of the distance to its border.

    Parameters
    ----------
    foreground : (*S) float32
        Probability in [0, 1].
    threshold : float
        A pixel is foreground above this.
    depth : float
        A neck splits a mask that is wider by this many pixels on both sides.
    min_size : int
        Objects with fewer pixels are removed.

    Returns
    -------
    (*S) uint32

    Examples
    --------
    >>> y, x = np.mgrid[:32, :64]
    >>> touching = (np.hypot(y - 16, x - 20) < 12) | (np.hypot(y - 16, x - 42) < 12)
    >>> split_by_shape(touching.astype(np.float32)).max(), components(touching.astype(np.float32)).max()
    (np.uint32(2), np.uint32(1))
    """
    mask = foreground > threshold
    # Smoothed, as a rough border causes several maxima in one object.
    distance = ndimage.gaussian_filter(ndimage.distance_transform_edt(mask), 1.0)
    tops = h_maxima(distance, depth)  # type: ignore[no-untyped-call]
    seeds, _ = ndimage.label(tops * mask, np.ones((3,) * mask.ndim))
    return _grow(seeds, -distance, mask, min_size)


def split_by_boundary(
    foreground: Float, boundary: Float, *, threshold: float = 0.5, boundary_threshold: float = 0.5, min_size: int = 16
) -> LabelArray:
    """Grow objects from seeds inside a mask, away from boundaries.

    Parameters
    ----------
    foreground, boundary : (*S) float32
        Probabilities in [0, 1].
    threshold : float
        A pixel is foreground above this.
    boundary_threshold : float
        Seeds are where the boundary is below this.
    min_size : int
        Objects with fewer pixels are removed.

    Returns
    -------
    (*S) uint32

    Examples
    --------
    >>> split_by_boundary(np.ones((1, 5)), np.array([[0, 0.2, 0.9, 0.6, 0]]), min_size=0).max()
    np.uint32(2)
    """
    # A boundary may be foreground or not; in both cases objects extend to its middle.
    mask = np.maximum(foreground, boundary * (ndimage.maximum_filter(foreground, 3) > threshold)) > threshold
    seeds, _ = ndimage.label((foreground > threshold) & (boundary < boundary_threshold))
    return _grow(seeds, boundary, mask, min_size)


def split_by_affinities(
    affinities: Float,
    offsets: Sequence[Offset],
    foreground: Float | None,
    *,
    threshold: float = 0.5,
    min_size: int = 16,
) -> LabelArray:
    """Partition affinities at any offsets by the mutex watershed: nearest neighbors attract, the others repel.

    Parameters
    ----------
    affinities : (K, *S) float32
        In [0, 1], 1 = same instance; of pixel ``p`` with ``p + offset``.
    offsets : sequence of K offsets
        In any order and direction; one along each axis has length 1.
    foreground : (*S) float32 or None
        Probability; None: every pixel is part of an object.
    threshold : float
        A pixel is foreground above this.
    min_size : int
        Objects with fewer pixels are merged with a neighbor, or removed.

    Returns
    -------
    (*S) uint32

    Raises
    ------
    ConfigError
        If the offsets do not fit the affinities, or contain no nearest neighbors.
    """
    shape = affinities.shape[1:]
    if len(offsets) != len(affinities) or any(len(offset) != len(shape) for offset in offsets):
        raise ConfigError(
            f"{len(offsets)} offsets {tuple(offsets)[:3]} do not fit {len(affinities)} affinities in {len(shape)}D.",
            "Give one offset per channel, with one number per axis.",
        )
    order = []
    for axis in range(len(shape)):
        nearest = [k for k, offset in enumerate(offsets) if abs(offset[axis]) == 1 and sum(map(abs, offset)) == 1]
        if not nearest:
            raise ConfigError(
                f"None of the offsets {tuple(offsets)} connects neighbors along axis {axis}.", "Correct the offsets."
            )
        order.append(nearest[0])
    order += [k for k, offset in enumerate(offsets) if sum(map(abs, offset)) > 1]
    config = PartitionConfig(foreground_threshold=threshold, min_size=min_size, stride=2)
    return partition(affinities[order], [offsets[k] for k in order], foreground, config)


def at_standard_offsets(affinities: Float, offsets: Sequence[Offset], foreground: Float | None = None) -> Float | None:
    """Affinities at the standard offsets, if they are among those given; None if not.

    Parameters
    ----------
    affinities : (K, *S) float32
        Of pixel ``p`` with ``p + offset``.
    offsets : sequence of K offsets
        An offset and its opposite connect the same pairs.
    foreground : (*S) float32, optional
        Probability; two background pixels belong together, independent of their affinity.

    Returns
    -------
    (K', *S) float32 or None
        0 for pairs that leave the image.

    Examples
    --------
    >>> at_standard_offsets(np.ones((1, 4, 4), np.float32), [(-1, 0)]) is None
    True
    """
    shape = affinities.shape[1:]
    standard = default_offsets(len(shape))
    result = np.zeros((len(standard), *shape), np.float32)
    channels = {tuple(offset): k for k, offset in enumerate(offsets)}
    for channel, offset in zip(result, standard, strict=True):
        opposite = tuple(-step for step in offset)
        here, partner = pair_ends(offset, shape)
        if offset in channels:
            pairs = affinities[channels[offset]][here]
        elif opposite in channels:
            pairs = affinities[channels[opposite]][partner]
        else:
            return None
        if foreground is not None:
            own, other = foreground[here], foreground[partner]
            pairs = np.minimum(own, other) * pairs + 1 - np.maximum(own, other)
        channel[here] = pairs
    return result


def _grow(seeds: NDArray[Any], landscape: NDArray[Any], mask: NDArray[np.bool_], min_size: int) -> LabelArray:
    # A component without a seed is a separate object: small, or only boundary.
    parts, _ = ndimage.label(mask)
    seeded = np.zeros(parts.max() + 1, bool)
    seeded[parts[seeds > 0]] = True
    seeds = np.where(mask & ~seeded[parts], parts + seeds.max(), seeds)
    grown = watershed(landscape, seeds, mask=mask)  # type: ignore[no-untyped-call]
    return without_small(grown, min_size)


def without_small(labels: NDArray[Any], min_size: int) -> LabelArray:
    """Labels renumbered from 1, without objects of fewer pixels than ``min_size``."""
    sizes = np.bincount(labels.reshape(-1))
    kept = sizes >= max(1, min_size)
    kept[0] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.uint32)
    result: LabelArray = numbers[labels]
    return result
