"""Partition of affinities and foreground into instances, and its clean-up.

``PartitionConfig.method`` chooses among a mutex watershed of the pixels (:mod:`napari_grd.graph.mutex`), and
agglomeration and multicut of watershed fragments (:mod:`napari_grd.graph.regions`). For the first, the edges of
the first ``ndim`` offsets are attractive with weight A, those of the others repulsive with weight 1 - A, on a regular
grid of ``stride`` pixels only: of the many long-range edges across an object boundary, few are sufficient. Edges only
connect foreground pixels, so the connected components of the foreground are independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_grd.config import PartitionConfig
from napari_grd.errors import ImageError
from napari_grd.graph.cleanup import fill_holes, merge_fragments, merge_slivers, number
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.fragment_merging import merge_small_fragments
from napari_grd.graph.grid import GridConstraints
from napari_grd.graph.mutex import NO_PAIRS, mutex_watershed
from napari_grd.graph.offsets import OFFSETS_2D, Offset
from napari_grd.graph.regions import partition_regions
from napari_grd.graph.volume import as_triple, as_vectors, as_volume

LabelArray = npt.NDArray[np.uint32]
"""Objects of a plane, volume or series by number; 0 is background."""


def partition(
    affinities: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    foreground: npt.NDArray[Any] | None,
    config: PartitionConfig,
    constraints: Constraints | None = None,
) -> npt.NDArray[np.uint32]:
    """Instances from affinities.

    Parameters
    ----------
    affinities : float32 array, shape (K, \\*S)
        Affinity of every pixel ``p`` with ``p + offset``, 2D or 3D; clipped to [0, 1].
        Values whose partner is outside the image are ignored.
    offsets : sequence of K tuples of int
        The first ``len(S)`` are attractive and must connect direct neighbors, the others are repulsive.
    foreground : array, shape (\\*S), or None
        Probability in [0, 1] (or a mask); None: every pixel belongs to an object.
    config : PartitionConfig
        Method, threshold, bias, stride and clean-up.
    constraints : Constraints, optional
        User constraints: edges that precede all others, and hold in the result, by every method.

    Returns
    -------
    uint32 array, shape (\\*S)
        0 for background; objects are numbered from 1 in raster order of their
        first pixels. Every object is connected, and inside the foreground except for filled holes.

    Raises
    ------
    ImageError
        If shapes do not fit each other, there are NaN, or a constraint is outside the image.
    ConfigError
        If the method needs bioimage-cpp, and it is not installed.

    Notes
    -----
    Edges of equal weight are processed in raster order, then in the order of the offsets, so the labels are
    deterministic. Fragments under ``min_size`` are merged with the neighbor of highest mean affinity; those without a
    neighbor are removed, unless they are constrained. Larger ones are merged with a much larger neighbor, see
    :func:`~napari_grd.graph.fragment_merging.merge_small_fragments`. Must-link pixels without a connecting stroke may
    result in an object of several parts. See :mod:`napari_grd.graph.mutex` and :mod:`napari_grd.graph.cleanup`;
    method.md, section 14, describes the paper's code.

    Examples
    --------
    >>> from napari_grd.graph.offsets import OFFSETS_2D
    >>> affinities = np.ones((10, 8, 8), np.float32)
    >>> affinities[0::2, 4] = 0  # nothing joins row 4 to the rows above
    >>> partition(affinities, OFFSETS_2D, None, PartitionConfig())[:, 0]
    array([1, 1, 1, 1, 2, 2, 2, 2], dtype=uint32)
    """
    affinities = np.asarray(affinities, np.float32)
    shape = affinities.shape[1:]
    _check(shape, offsets, foreground)
    if len(affinities) != len(offsets):
        raise ImageError(
            f"There are {len(affinities)} affinities and {len(offsets)} offsets.", "Pass one offset an affinity."
        )
    _check_finite(affinities, "affinities")
    ndim = len(shape)
    grid = (slice(None, None, config.stride),) * ndim
    given = None if constraints is None else constraints.on_grid(shape)
    mask = _mask(foreground, shape, config, given)
    return _partition(affinities[:ndim], affinities[(slice(ndim, None), *grid)], offsets, mask, config, given)


def partition_embedding(
    embedding: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    foreground: npt.NDArray[Any] | None,
    config: PartitionConfig,
    constraints: Constraints | None = None,
) -> npt.NDArray[np.uint32]:
    """Instances from an embedding, computing only the necessary affinities.

    Same result as :func:`partition` of :func:`~napari_grd.graph.cosine.affinities_channels_last`, but faster.

    Parameters
    ----------
    embedding : float32 array, shape (\\*S, C)
        Raw embedding, channels last, 2D or 3D.
    offsets, foreground, config, constraints
        See :func:`partition`.

    Returns
    -------
    uint32 array, shape (\\*S)
        See :func:`partition`.

    Raises
    ------
    ImageError
        If shapes do not fit each other, the embedding has NaN in the foreground, or a constraint is outside.

    Examples
    --------
    >>> from napari_grd.graph.offsets import OFFSETS_2D
    >>> embedding = np.zeros((8, 8, 2), np.float32)
    >>> embedding[:4, :, 0] = embedding[4:, :, 1] = 1
    >>> partition_embedding(embedding, OFFSETS_2D, None, PartitionConfig())[:, 0]
    array([1, 1, 1, 1, 2, 2, 2, 2], dtype=uint32)
    """
    shape = embedding.shape[:-1]
    _check(shape, offsets, foreground)
    given = None if constraints is None else constraints.on_grid(shape)
    weights = _edge_weights(embedding, offsets, _mask(foreground, shape, config, given), config.stride)
    return _partition(weights.attractive, weights.repulsive, offsets, weights.mask, config, given)


@dataclass(frozen=True, eq=False)
class EdgeWeights:
    """The affinities that a partition needs; a fraction of the memory of an embedding.

    Attributes
    ----------
    attractive : float32 array, shape (ndim, \\*S)
        Of direct neighbors.
    repulsive : float32 array, shape (K - ndim, \\*ceil(S / stride))
        Of the other offsets, at multiples of ``PartitionConfig.stride``.
    mask : bool array, shape (\\*S)
        The foreground.
    """

    attractive: npt.NDArray[np.float32]
    repulsive: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]


def edge_weights(
    embedding: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    foreground: npt.NDArray[Any] | None,
    config: PartitionConfig,
) -> EdgeWeights:
    """The first part of :func:`partition_embedding`, after which the embedding is not needed any more.

    Parameters
    ----------
    embedding : float32 array, shape (\\*S, C)
        In any layout.
    offsets, foreground, config
        See :func:`partition_embedding`.

    Returns
    -------
    EdgeWeights
        For :func:`partition_edges`.

    Raises
    ------
    ImageError
        See :func:`partition_embedding`.
    """
    shape = embedding.shape[:-1]
    _check(shape, offsets, foreground)
    return _edge_weights(embedding, offsets, _mask(foreground, shape, config, None), config.stride)


def partition_edges(weights: EdgeWeights, offsets: Sequence[Offset], config: PartitionConfig) -> npt.NDArray[np.uint32]:
    """The second part of :func:`partition_embedding`.

    Parameters
    ----------
    weights : EdgeWeights
        Of the same offsets and settings.
    offsets, config
        See :func:`partition_embedding`.

    Returns
    -------
    uint32 array, shape (\\*S)
        See :func:`partition`.

    Examples
    --------
    >>> from napari_grd.graph.offsets import OFFSETS_2D
    >>> embedding = np.zeros((8, 8, 2), np.float32)
    >>> embedding[:4, :, 0] = embedding[4:, :, 1] = 1
    >>> weights = edge_weights(embedding, OFFSETS_2D, None, PartitionConfig())
    >>> partition_edges(weights, OFFSETS_2D, PartitionConfig())[:, 0]
    array([1, 1, 1, 1, 2, 2, 2, 2], dtype=uint32)
    """
    return _partition(weights.attractive, weights.repulsive, offsets, weights.mask, config, None)


def warm_up() -> None:
    """Compile (or load from the cache) everything here, so that the first image is not delayed.

    The first compilation on a machine takes several seconds, loading a fraction of one.
    """
    rows = np.arange(12)
    labels = np.where(rows == 5, 1, np.where(rows > 5, 2, 0))[:, None] * np.ones((1, 12), np.int64)
    embedding = np.eye(3, dtype=np.float32)[labels]
    embedding[2, 2, 1:] = 1  # less than min_size: takes the merging of fragments along
    partition_embedding(embedding, OFFSETS_2D, None, PartitionConfig(stride=1))


def _check(shape: tuple[int, ...], offsets: Sequence[Offset], foreground: npt.NDArray[Any] | None) -> None:
    ndim = len(shape)
    if ndim not in (2, 3) or 0 in shape:
        raise ImageError(f"The image to partition has shape {shape}.", "Pass a plane (y, x) or a volume (z, y, x).")
    if len(offsets) < ndim or any(len(offset) != ndim for offset in offsets):
        raise ImageError(
            f"The offsets {tuple(offsets)} do not fit {ndim} dimensions.",
            f"Pass at least {ndim}, each with {ndim} numbers.",
        )
    if foreground is not None and foreground.shape != shape:
        raise ImageError(
            f"The foreground has shape {foreground.shape}, the image {shape}.",
            "Pass a foreground of the image's shape.",
        )


def _check_finite(values: npt.NDArray[Any], name: str) -> None:
    if values.size and np.isnan(values.min()):  # the minimum propagates NaN, in one fast pass
        raise ImageError(
            f"The {name} hold NaN.", "Look for NaN and huge values in the image, or for a training that diverged."
        )


def _edge_weights(
    embedding: npt.NDArray[np.float32], offsets: Sequence[Offset], mask: npt.NDArray[np.bool_], stride: int
) -> EdgeWeights:
    ndim = mask.ndim
    attractive = affinities_channels_last(embedding, offsets[:ndim], mask=mask)
    repulsive = affinities_channels_last(embedding, offsets[ndim:], mask=mask, stride=stride)
    _check_finite(attractive, "embedding's affinities")
    _check_finite(repulsive, "embedding's affinities")
    return EdgeWeights(attractive, repulsive, mask)


def _mask(
    foreground: npt.NDArray[Any] | None, shape: tuple[int, ...], config: PartitionConfig, given: GridConstraints | None
) -> npt.NDArray[np.bool_]:
    mask: npt.NDArray[np.bool_]
    if foreground is None:
        mask = np.ones(shape, np.bool_)
    else:
        _check_finite(foreground, "foreground values")
        mask = foreground > config.foreground_threshold
    return mask if given is None else given.masked(mask)


def _partition(
    attractive: npt.NDArray[np.float32],
    repulsive: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    mask: npt.NDArray[np.bool_],
    config: PartitionConfig,
    given: GridConstraints | None,
) -> npt.NDArray[np.uint32]:
    """Partition the relevant affinities: attractive ones everywhere, repulsive ones on the grid."""
    ndim = mask.ndim
    near = as_volume(attractive, ndim, axis=1)
    far = as_volume(repulsive, ndim, axis=1)
    vectors = as_vectors(offsets)
    strides = as_triple((config.stride,) * ndim, 1)
    inside = as_volume(mask, ndim)
    if config.method == "mutex":
        links, cuts = (NO_PAIRS, NO_PAIRS) if given is None else (given.must_link, given.cannot_link)
        labels = mutex_watershed(near, far, vectors, inside, strides, config.bias, links, cuts)
    else:
        labels = partition_regions(near, far, vectors, inside, strides, config, given)
    kept = None
    if given is not None:
        parted = labels.reshape(-1)[given.cannot_link].astype(np.int64)
        labels = merge_slivers(labels, near, vectors, config.min_size, parted.reshape(-1), parted)
        kept = np.unique(labels.reshape(-1)[np.append(given.cannot_link, given.foreground)]).astype(np.int64)
    if config.min_size > 1:
        labels = merge_fragments(labels, near, vectors, config.min_size, kept)
    if config.fragment_ratio:
        labels = merge_small_fragments(labels, near, vectors, config.fragment_ratio, kept)
    if config.max_hole:
        fill_holes(labels, config.max_hole, ndim == 2)
    if given is not None:
        # Filled pixels may be background by constraint, or cannot-link to the object around them.
        named = np.append(given.cannot_link, given.background)
        labels.flat[named[~mask.flat[named]]] = 0
    return number(labels).reshape(mask.shape)
