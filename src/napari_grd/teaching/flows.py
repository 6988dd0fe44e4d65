"""Instances from flows that point to the center of each object."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.teaching.instances import without_small


def follow_flows(
    flows: NDArray[np.float32],
    foreground: NDArray[np.float32],
    *,
    threshold: float = 0.5,
    min_size: int = 16,
    steps: int = 200,
) -> NDArray[np.uint32]:
    """Group pixels whose flows end at the same place into objects, as in Cellpose.

    Parameters
    ----------
    flows : (D, *S) float32
        Towards the center of the object; only the direction counts.
    foreground : (*S) float32
        Probability in [0, 1].
    threshold : float
        A pixel is foreground above this.
    min_size : int
        Objects with fewer pixels are removed.
    steps : int
        Number of integration steps of half a pixel each.

    Returns
    -------
    (*S) uint32

    References
    ----------
    Stringer et al., "Cellpose: a generalist algorithm for cellular segmentation", Nature Methods 18 (2021).

    Examples
    --------
    >>> flows = np.zeros((2, 1, 6), np.float32)
    >>> flows[1] = [[1, 0, -1, 1, 0, -1]]
    >>> follow_flows(flows, np.ones((1, 6), np.float32), min_size=0)
    array([[1, 1, 1, 2, 2, 2]], dtype=uint32)
    """
    mask = foreground > threshold
    length = np.sqrt((flows**2).sum(0))
    unit = np.where(mask & (length > 1e-3), flows / np.maximum(length, 1e-3), 0).astype(np.float32)
    limits = np.array(mask.shape, np.float32)[:, None] - 1
    ends = np.stack(np.nonzero(mask)).astype(np.float32)
    for _ in range(steps):
        move = np.stack([ndimage.map_coordinates(part, ends, order=1, mode="nearest") for part in unit])
        ends = np.clip(ends + move / 2, 0, limits)  # half a pixel, to avoid circling around the center
    places = tuple(np.rint(ends).astype(int))
    hits = np.zeros(mask.shape, int)
    np.add.at(hits, places, 1)
    sinks, _ = ndimage.label(hits > 0, np.ones((3,) * mask.ndim))
    labels = np.zeros(mask.shape, int)
    labels[mask] = sinks[places]
    return without_small(labels, min_size)
