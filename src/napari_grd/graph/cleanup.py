"""Clean-up of a partition: fragments, holes and numbering.

All functions take labels of shape (Z, Y, X); a plane is a volume of one slice.
"""

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from napari_grd.compiled import compiled
from napari_grd.graph.pairs import merge_unless_forbidden

Int32Labels = npt.NDArray[np.int32]
_Ids = npt.NDArray[np.int64]
_Sums = npt.NDArray[np.float64]
_LOW = 0xFFFFFFFF


def merge_fragments(
    labels: Int32Labels,
    attractive: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.int64],
    min_size: int,
    kept: _Ids | None = None,
) -> Int32Labels:
    """Merge objects that are too small into a neighbor, or remove them.

    A fragment is merged with the neighbor with the highest mean affinity over the attractive edges between them
    (clipped to [0, 1]; among equals, the lower label). Fragments may be merged with fragments; this is repeated until
    each is large enough or has no neighbor. Only fragments without neighbors are removed, so dense data stay dense.

    Parameters
    ----------
    labels : int32 array, shape (Z, Y, X)
        Objects, 0 for background.
    attractive : float32 array, shape (A, Z, Y, X)
        Affinities of the attractive offsets.
    vectors : int64 array, shape (A or more, 3)
        The offsets.
    min_size : int
        Objects with fewer pixels are fragments.
    kept : array of int, optional
        Int32Labels that are no fragments, however small; fragments may join them, one or many.

    Returns
    -------
    int32 array, shape (Z, Y, X)
        New labels, not consecutive.

    Examples
    --------
    >>> labels = np.array([[[1, 1, 1, 2, 0, 3]]], np.int32)
    >>> affinities = np.array([[[[0, 0.9, 0.9, 0.2, 0, 0]]]], np.float32)
    >>> merge_fragments(labels, affinities, np.array([[0, 0, -1]]), 2)
    array([[[1, 1, 1, 1, 0, 0]]], dtype=int32)
    """
    sizes = np.bincount(labels.reshape(-1))
    if kept is not None:
        sizes[kept] = np.maximum(sizes[kept], min_size)
    small = sizes < min_size
    small[0] = False
    if not small.any():
        return labels

    # A group that is still small contains only fragments, so later rounds only need the contacts of fragments.
    pairs, affinity = _contacts(labels, attractive, vectors, small, 2 * len(attractive) * int(sizes[small].sum()))
    first, second = np.concatenate([pairs >> 32, pairs & _LOW]), np.concatenate([pairs & _LOW, pairs >> 32])
    affinity = np.concatenate([affinity, affinity])
    count = np.ones(len(first))
    groups = np.arange(len(sizes))
    while len(first):
        first, second, affinity, count = _added_up(first, second, affinity, count)
        order = np.lexsort((second, -affinity / count, first))
        order = order[small[first[order]]]
        fragment, best = np.unique(first[order], return_index=True)
        if not len(fragment):
            break
        joins = coo_array((np.ones(len(fragment)), (fragment, second[order][best])), shape=(len(sizes),) * 2)
        _, joined = connected_components(joins, directed=False)
        joined = _lowest(joined)
        groups = joined[groups]
        sizes = np.bincount(joined, sizes, len(sizes)).astype(np.int64)
        small = (sizes < min_size) & (sizes > 0)
        small[0] = False
        first, second = joined[first], joined[second]
        between = first != second
        first, second, affinity, count = first[between], second[between], affinity[between], count[between]
    groups[small[groups]] = 0
    result: Int32Labels = groups.astype(np.int32)[labels]
    return result


def merge_slivers(
    labels: Int32Labels,
    attractive: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.int64],
    min_size: int,
    slivers: _Ids,
    cannot_link: _Ids,
) -> Int32Labels:
    """Merge objects that are small because of constraints into a neighbor without a cannot-link constraint.

    Parameters
    ----------
    labels, attractive, vectors, min_size
        See :func:`merge_fragments`.
    slivers : array of int
        Int32Labels that are merged if they are small; they stay if no neighbor may take them.
    cannot_link : (N, 2) array of int
        Int32Labels that must not become one.

    Returns
    -------
    int32 array, shape (Z, Y, X)
        New labels, not consecutive.

    Examples
    --------
    >>> labels = np.array([[[1, 1, 2, 3, 3]]], np.int32)
    >>> affinities = np.array([[[[0, 1, 0.9, 0.2, 1]]]], np.float32)
    >>> merge_slivers(labels, affinities, np.array([[0, 0, -1]]), 2, np.array([2]), np.array([[1, 2]]))
    array([[[1, 1, 2, 2, 2]]], dtype=int32)
    """
    sizes = np.bincount(labels.reshape(-1))
    small = np.zeros(len(sizes), np.bool_)
    small[slivers] = sizes[slivers] < min_size
    small[0] = False
    if not small.any():
        return labels
    pairs, affinity = _contacts(labels, attractive, vectors, small, 2 * len(attractive) * int(sizes[small].sum()))
    first, second, total, count = _added_up(pairs >> 32, pairs & _LOW, affinity, np.ones(len(pairs)))
    order = np.argsort(-total / count, kind="stable")
    contacts = zip(first[order].tolist(), second[order].tolist(), strict=True)
    groups = merge_unless_forbidden(contacts, cannot_link.tolist(), sizes, small=min_size)
    result: Int32Labels = groups.astype(np.int32)[labels]
    return result


def _added_up(first: _Ids, second: _Ids, affinity: _Sums, count: _Sums) -> tuple[_Ids, _Ids, _Sums, _Sums]:
    """Contacts with each pair once."""
    pairs, index = np.unique(first << 32 | second, return_inverse=True)
    # numpy's stubs declare weighted counts as integers.
    return pairs >> 32, pairs & _LOW, np.bincount(index, affinity), np.bincount(index, count)  # type: ignore[return-value]


def _lowest(component: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """The lowest label of each label's component."""
    _, first, index = np.unique(component, return_index=True, return_inverse=True)
    lowest: npt.NDArray[np.int64] = first[index]
    return lowest


@compiled()
def _contacts(labels, attractive, vectors, small, capacity):  # type: ignore[no-untyped-def]
    """The attractive edges between two labels that touch a small one: label << 32 | label, and affinity."""
    depth, height, width = labels.shape
    pairs, affinities = np.empty(capacity, np.int64), np.empty(capacity, np.float64)
    used = 0
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                a = labels[z, y, x]
                if a == 0:
                    continue
                for k in range(len(attractive)):
                    pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                    if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                        continue
                    b = labels[pz, py, px]
                    if b == 0 or b == a or not (small[a] or small[b]):
                        continue
                    pairs[used] = np.int64(a) << 32 | np.int64(b)
                    affinities[used] = min(max(attractive[k, z, y, x], np.float32(0)), np.float32(1))
                    used += 1
    return pairs[:used], affinities[:used]


@compiled()
def fill_holes(labels, max_hole, planar):  # type: ignore[no-untyped-def]
    """Fill, in place, background inside a single object.

    A hole is a component of the background (diagonal neighbors are connected)
    of at most ``max_hole`` pixels that touches only one object and not the border of the image, beyond which it might
    continue.

    Parameters
    ----------
    labels : int32 array, shape (Z, Y, X)
        Objects, 0 for background; changed.
    max_hole : int
        Pixels of the largest hole that is filled.
    planar : bool
        True for a plane, whose z has no border.

    Examples
    --------
    >>> labels = np.array([[[7, 7, 7], [7, 0, 7], [7, 7, 7]]], np.int32)
    >>> fill_holes(labels, 1, True)
    >>> int(labels[0, 1, 1])
    7
    """
    depth, height, width = labels.shape
    reach = 0 if planar else 1
    hole = np.empty((max_hole, 3), np.int64)
    for z in range(reach, depth - reach):
        for y in range(1, height - 1):
            for x in range(1, width - 1):
                # The first pixel of a hole has an object before and above it.
                owner = labels[z, y, x - 1]
                if labels[z, y, x] != 0 or owner <= 0 or labels[z, y - 1, x] != owner:
                    continue
                hole[0, 0], hole[0, 1], hole[0, 2] = z, y, x
                labels[z, y, x] = -1
                size, done, closed = 1, 0, True
                while closed and done < size:
                    cz, cy, cx = hole[done, 0], hole[done, 1], hole[done, 2]
                    done += 1
                    for nz in range(cz - reach, cz + reach + 1):
                        for ny in range(cy - 1, cy + 2):
                            for nx in range(cx - 1, cx + 2):
                                if not closed:
                                    continue
                                if nz < 0 or ny < 0 or nx < 0 or nz >= depth or ny >= height or nx >= width:
                                    closed = False
                                elif labels[nz, ny, nx] == 0:
                                    if size == max_hole:
                                        closed = False
                                    else:
                                        hole[size, 0], hole[size, 1], hole[size, 2] = nz, ny, nx
                                        labels[nz, ny, nx] = -1
                                        size += 1
                                elif labels[nz, ny, nx] != -1 and labels[nz, ny, nx] != owner:
                                    closed = False
                for i in range(size):
                    labels[hole[i, 0], hole[i, 1], hole[i, 2]] = owner if closed else 0


def number(labels: Int32Labels) -> npt.NDArray[np.uint32]:
    """Labels renumbered from 1 in raster order of their first pixels, as uint32."""
    result = np.zeros(labels.shape, np.uint32)
    _number(labels.reshape(-1), np.zeros(labels.max() + 1, np.uint32), result.reshape(-1))
    return result


@compiled()
def _number(flat, names, numbered):  # type: ignore[no-untyped-def]
    last = np.uint32(0)
    for pixel in range(len(flat)):
        label = flat[pixel]
        if label > 0:
            if names[label] == 0:
                last += np.uint32(1)
                names[label] = last
            numbered[pixel] = names[label]
