"""Merging of small fragments that a partition leaves at the rim or in the interior of an object.

Where a network is uncertain, along an outline or at a bright spot, a few long-range edges can separate some pixels from
their object. Such a fragment is small compared with the object, shares much of its outline with it, and has a high
affinity to it across that outline.
"""

import numpy as np
import numpy.typing as npt

from napari_grd.compiled import compiled
from napari_grd.graph.cleanup import Int32Labels

_Ids = npt.NDArray[np.int64]

# Both were chosen on training images of four kinds, where they have little effect: they preserve small separate objects
# beside a large one (a micronucleus, a thin neurite).
_SHARED = 0.25  # minimum share of its outline that a fragment has in common with the object
_ALIKE = 0.5  # minimum mean affinity across it


def merge_small_fragments(
    labels: Int32Labels,
    attractive: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.int64],
    share: float,
    kept: _Ids | None = None,
) -> Int32Labels:
    """Merge fragments that are small compared with a neighbor they belong to.

    A fragment has less than ``share`` of the neighbor's pixels, shares at least a quarter of its outline (including the
    image border) with it, and has a mean affinity of at least one half across that. It is merged with the neighbor with
    which it shares most of its outline (among equals, the lower label); merges are transitive.

    Parameters
    ----------
    labels : int32 array, shape (Z, Y, X)
        Objects, 0 for background.
    attractive : float32 array, shape (A, Z, Y, X)
        Affinities of the attractive offsets between direct neighbors.
    vectors : int64 array, shape (A or more, 3)
        The offsets.
    share : float
        0 to 1; 0 merges nothing.
    kept : array of int, optional
        Labels that are not fragments, however small; fragments may be merged into them.

    Returns
    -------
    int32 array, shape (Z, Y, X)
        New labels, not consecutive.

    Examples
    --------
    >>> labels = np.array([[[1, 1, 1, 1, 2, 0, 3]]], np.int32)
    >>> affinities = np.array([[[[0, 0.9, 0.9, 0.9, 0.6, 0, 0]]]], np.float32)
    >>> merge_small_fragments(labels, affinities, np.array([[0, 0, -1]]), 0.3)
    array([[[1, 1, 1, 1, 1, 0, 3]]], dtype=int32)
    """
    sizes, outline = np.bincount(labels.reshape(-1)), np.zeros(int(labels.max()) + 1, np.int64)
    small, large, affinities = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32)
    for listing in (False, True):
        count = _contacts(labels, attractive, vectors, share, sizes, outline, small, large, affinities, listing)
        if not listing:
            small, large, affinities = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.float32)
    names, large = _belong(small, large, affinities, outline)
    free = ~np.isin(names, [] if kept is None else kept)
    if not free.any():
        return labels
    groups = np.arange(len(outline), dtype=np.int32)
    groups[names[free]] = large[free]
    # Each is merged with a larger one, so this terminates.
    while (groups[groups] != groups).any():
        groups = groups[groups]
    result: Int32Labels = groups[labels]
    return result


def _belong(small: _Ids, large: _Ids, affinities: npt.NDArray[np.float32], outline: _Ids) -> tuple[_Ids, _Ids]:
    """Fragments, each once, and the object each belongs to."""
    contacts, index, shared = np.unique(small << 32 | large, return_inverse=True, return_counts=True)
    small, large = contacts >> 32, contacts & 0xFFFFFFFF
    alike = np.bincount(index, affinities, len(contacts)) >= _ALIKE * shared
    mergeable = alike & (shared >= _SHARED * outline[small])
    order = np.lexsort((large[mergeable], -shared[mergeable], small[mergeable]))
    names, first = np.unique(small[mergeable][order], return_index=True)
    return names, large[mergeable][order][first]


@compiled()
def _contacts(  # type: ignore[no-untyped-def]
    labels, attractive, vectors, share, sizes, outline, small, large, affinities, listing
):
    """Count, and if ``listing`` list, the edges between a label and a much larger one; else add up outlines.

    Listed are the smaller label, the larger one and the affinity across.
    """
    depth, height, width = labels.shape
    used = 0
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                a = labels[z, y, x]
                if a == 0:
                    continue
                for k in range(len(attractive)):
                    pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                    b = a
                    inside = pz >= 0 and py >= 0 and px >= 0 and pz < depth and py < height and px < width
                    if inside:
                        b = labels[pz, py, px]
                    if not listing:
                        qz, qy, qx = z - vectors[k, 0], y - vectors[k, 1], x - vectors[k, 2]
                        if (
                            qz < 0
                            or qy < 0
                            or qx < 0
                            or qz >= depth
                            or qy >= height
                            or qx >= width
                            or labels[qz, qy, qx] != a
                        ):
                            outline[a] += 1
                        outline[a] += not inside or b != a
                    if b == a or b == 0 or not (sizes[a] < share * sizes[b] or sizes[b] < share * sizes[a]):
                        continue
                    if listing:
                        small[used], large[used] = (a, b) if sizes[a] < sizes[b] else (b, a)
                        affinities[used] = min(max(attractive[k, z, y, x], np.float32(0)), np.float32(1))
                    used += 1
    return used
