"""Boundaries of instances, derived from affinities."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_grd.graph.affinities import valid_mask
from napari_grd.graph.offsets import Offset


def weakest_affinity(affinities: NDArray[np.float32], offsets: Sequence[Offset]) -> NDArray[np.float32]:
    """The lowest affinity of each pixel over some offsets.

    Parameters
    ----------
    affinities : (K, *S) float32
        One channel per offset.
    offsets : sequence of Offset
        The K offsets.

    Returns
    -------
    (*S) float32
        1 where a pixel has no partner at any of the offsets.

    Examples
    --------
    >>> weakest_affinity(np.array([[[0.0, 0.2, 0.9]]], np.float32), [(0, -1)])
    array([[1. , 0.2, 0.9]], dtype=float32)
    """
    # A pair without a partner has affinity 0, which would appear as a boundary along the image border.
    valid = valid_mask(affinities.shape[1:], offsets).numpy()
    weakest: NDArray[np.float32] = np.min(affinities, axis=0, where=valid, initial=1)
    return weakest


def boundary_map(affinities: NDArray[np.float32], offsets: Sequence[Offset]) -> NDArray[np.float32]:
    """Boundary strength of each pixel: 1 minus its weakest affinity to a nearest partner.

    Parameters
    ----------
    affinities : (K, *S) float32
        One channel per offset.
    offsets : sequence of Offset
        The K offsets; the shortest ones are used.

    Returns
    -------
    (*S) float32
        In [0, 1].

    Examples
    --------
    >>> boundary_map(np.array([[[0.0, 0.25, 1.0]], [[0.0, 0.0, 0.0]]], np.float32), [(0, -1), (0, -2)])
    array([[0.  , 0.75, 0.  ]], dtype=float32)
    """
    reaches = [max(map(abs, offset)) for offset in offsets]
    nearest = [k for k, reach in enumerate(reaches) if reach == min(reaches)]
    return np.clip(1 - weakest_affinity(affinities[nearest], [offsets[k] for k in nearest]), 0, 1)
