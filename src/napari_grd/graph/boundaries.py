"""Boundaries of instances: derived from affinities, or widened in labels."""

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


def widen_borders(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """Labels with a band of background between touching instances (method.md, section 4).

    A pixel becomes 0 if the 3 x 3 pixels around it, in its slice, belong to more than one instance. Affinities that are
    learned from the result are lower across thin membranes, which annotations of neurites do not show.

    Parameters
    ----------
    labels : integer array, shape (\\*S)
        Of a plane ``(y, x)`` or a volume ``(z, y, x)``; 0 is background. Leading axes may be any. Negative numbers mark
        ignored pixels, which separate no instances and stay.

    Returns
    -------
    integer array, shape (\\*S)
        A new array of the same dtype. Instances of one or two pixels in width may vanish from a slice.

    Examples
    --------
    >>> widen_borders(np.array([[1, 1, 1, 2, 2, 0, 3]] * 3))[0]
    array([1, 1, 0, 0, 2, 0, 3])
    """
    # Background in the window does not count: it is replaced by the largest number.
    filled = np.where(labels <= 0, np.iinfo(labels.dtype).max, labels)
    several = _over_window(filled, np.minimum) < _over_window(labels, np.maximum)
    result: NDArray[np.integer] = np.where(several & (labels > 0), labels.dtype.type(0), labels)
    return result


def _over_window(labels: NDArray[np.integer], combine: np.ufunc) -> NDArray[np.integer]:
    """Minimum or maximum of 3 x 3 pixels; filters of scipy calculate in floats, which do not hold all numbers."""
    padded = np.pad(labels, [(0, 0)] * (labels.ndim - 2) + [(1, 1)] * 2, mode="edge")
    rows = combine(combine(padded[..., :-2, :], padded[..., 1:-1, :]), padded[..., 2:, :])
    result: NDArray[np.integer] = combine(combine(rows[..., :-2], rows[..., 1:-1]), rows[..., 2:])
    return result
