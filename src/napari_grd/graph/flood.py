"""Dividing regions among seeds: each pixel is assigned to the nearest seed, with costs from the embedding.

A step between neighbors costs 1 where the embedding is smooth and much more where it changes as at a border: without a
border in between the pieces meet half-way, otherwise at the border. Steps in narrow parts of the region cost more, too,
so that pieces of different sizes meet at a constriction. (With a watershed or a mutex watershed, a single noisy pixel
can leave one side with only a few pixels.)
"""

import heapq
from typing import no_type_check

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_grd.compiled import compiled

_COSTLIEST = np.float32(100)
_NARROW = 10.0
_LEAST_CHANGE = np.float32(1e-3)
_EPS = 1e-12


def step_changes(embedding: npt.NDArray[np.float32], region: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The change of the embedding between neighbors.

    Parameters
    ----------
    embedding : float32 array, shape (Z, Y, X, C)
        Raw embedding.
    region : bool array, shape (Z, Y, X)
        Pixels to consider.

    Returns
    -------
    float32 array, shape (3, Z, Y, X)
        For each pixel and the one before it along z, y and x: 1 minus the cosine of
        their embeddings, or of those one pixel farther to both sides if
        that is more (a border is rarely sharp to the pixel). 0 where one is not in the region.

    Examples
    --------
    >>> embedding = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]][None, None]
    >>> step_changes(embedding, np.ones((1, 1, 4), bool))[2].tolist()
    [[[0.0, 0.0, 1.0, 0.0]]]
    """
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=-1, keepdims=True), _EPS)
    changes: npt.NDArray[np.float32] = _changes(unit.astype(np.float32), region)
    return changes


def narrowness(groups: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Additional cost of a step in narrow parts of the region.

    Parameters
    ----------
    groups : int32 array, shape (Z, Y, X)
        0: not part of the region.

    Returns
    -------
    float32 array, shape (Z, Y, X)
        0 where the region is deepest, and inversely proportional to the distance from its rim.

    Examples
    --------
    >>> narrowness(np.array([[[0, 1, 0], [1, 1, 1], [0, 1, 0]]], np.int32))[0, 1].round(1).tolist()
    [4.099999904632568, 0.0, 4.099999904632568]
    """
    # A plane has no rim along z.
    rims = [(int(size > 1),) * 2 for size in groups.shape]
    depth = ndimage.distance_transform_edt(np.pad(groups > 0, rims))
    inner = depth[tuple(slice(rim, size + rim) for (rim, _), size in zip(rims, groups.shape, strict=True))]
    cost = _NARROW * (inner.max() / np.maximum(inner, 1) - 1)
    return np.where(groups > 0, cost, 0).astype(np.float32)


def divide(
    changes: npt.NDArray[np.float32],
    groups: npt.NDArray[np.int32],
    seeds: npt.NDArray[np.int32],
    typical: float,
    narrow: npt.NDArray[np.float32],
) -> npt.NDArray[np.int32]:
    """Cells around seeds.

    Parameters
    ----------
    changes : float32 array, shape (3, Z, Y, X)
        See :func:`step_changes`.
    groups : int32 array, shape (Z, Y, X)
        Neighbors of one group are connected; 0: not part of any.
    seeds : int32 array, shape (Z, Y, X)
        Seeds numbered from 1 on pixels of a group, 0 for pixels to assign.
    typical : float
        Change between two pixels of one object.
    narrow : float32 array, shape (Z, Y, X)
        See :func:`narrowness`.

    Returns
    -------
    int32 array, shape (Z, Y, X)
        The seed's number for each pixel; components without a seed get new numbers.

    Examples
    --------
    >>> seeds = np.array([[[1, 0, 0, 0, 2]]], np.int32)
    >>> everywhere, flat = np.ones((1, 1, 5), np.int32), np.zeros((1, 1, 5), np.float32)
    >>> divide(np.zeros((3, 1, 1, 5), np.float32), everywhere, seeds, 0.0, flat).tolist()
    [[[1, 1, 1, 2, 2]]]
    """
    cells: npt.NDArray[np.int32] = _divide(changes, groups, seeds, max(np.float32(typical), _LEAST_CHANGE), narrow)
    return cells


@compiled()
def contacts(cells, groups, changes):  # type: ignore[no-untyped-def]
    """Neighbors of one group in two cells: ``cell << 32 | cell``, the smaller first, and their similarity."""
    pairs, alike = np.empty(cells.size * 3, np.int64), np.empty(cells.size * 3, np.float64)
    used = 0
    for axis in range(3):
        dz, dy, dx = axis == 0, axis == 1, axis == 2
        for z in range(dz, cells.shape[0]):
            for y in range(dy, cells.shape[1]):
                for x in range(dx, cells.shape[2]):
                    a, b = cells[z, y, x], cells[z - dz, y - dy, x - dx]
                    if a == b or groups[z, y, x] == 0 or groups[z, y, x] != groups[z - dz, y - dy, x - dx]:
                        continue
                    pairs[used] = np.int64(min(a, b)) << 32 | np.int64(max(a, b))
                    alike[used] = max(1 - changes[axis, z, y, x], np.float32(1e-3))
                    used += 1
    return pairs[:used], alike[:used]


@compiled()
def _changes(unit, region):  # type: ignore[no-untyped-def]
    depth, height, width, channels = unit.shape
    result = np.zeros((3, depth, height, width), np.float32)
    for axis in range(3):
        dz, dy, dx = np.int64(axis == 0), np.int64(axis == 1), np.int64(axis == 2)
        for z in range(dz, depth):
            for y in range(dy, height):
                for x in range(dx, width):
                    bz, by, bx = z - dz, y - dy, x - dx
                    if not region[z, y, x] or not region[bz, by, bx]:
                        continue
                    near = np.float32(0)
                    for c in range(channels):
                        near += unit[z, y, x, c] * unit[bz, by, bx, c]
                    far = near
                    az, ay, ax = z + dz, y + dy, x + dx
                    bz, by, bx = bz - dz, by - dy, bx - dx
                    inside = az < depth and ay < height and ax < width and bz >= 0 and by >= 0 and bx >= 0
                    if inside and region[az, ay, ax] and region[bz, by, bx]:
                        far = np.float32(0)
                        for c in range(channels):
                            far += unit[az, ay, ax, c] * unit[bz, by, bx, c]
                    result[axis, z, y, x] = max(np.float32(0), np.float32(1) - min(near, far))
    return result


@compiled()
@no_type_check
def _divide(changes, groups, seeds, typical, narrow):
    depth, height, width = groups.shape
    cells = np.zeros(groups.shape, np.int32)
    distance = np.full(groups.shape, np.float32(np.inf))
    queue = [(np.float32(0), np.int64(0), np.int64(0), np.int64(0)) for _ in range(0)]
    last = 0
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if seeds[z, y, x] > 0:
                    cells[z, y, x] = seeds[z, y, x]
                    last = max(last, seeds[z, y, x])
                    distance[z, y, x] = 0
                    heapq.heappush(queue, (np.float32(0), z, y, x))
    first = 0
    while True:
        while queue:
            reached, z, y, x = heapq.heappop(queue)
            if reached > distance[z, y, x]:
                continue
            for axis in range(3):
                for side in (-1, 1):
                    nz, ny, nx = z + side * (axis == 0), y + side * (axis == 1), x + side * (axis == 2)
                    if nz < 0 or ny < 0 or nx < 0 or nz >= depth or ny >= height or nx >= width:
                        continue
                    if groups[nz, ny, nx] != groups[z, y, x]:
                        continue
                    change = changes[axis, max(z, nz), max(y, ny), max(x, nx)] / typical
                    farther = reached + np.float32(1) + min(change * change, _COSTLIEST) + narrow[nz, ny, nx]
                    if farther < distance[nz, ny, nx]:
                        distance[nz, ny, nx] = farther
                        cells[nz, ny, nx] = cells[z, y, x]
                        heapq.heappush(queue, (farther, nz, ny, nx))
        # The rest is unreachable from all seeds: each component becomes a separate cell.
        while first < groups.size and (groups.flat[first] == 0 or cells.flat[first] != 0):
            first += 1
        if first == groups.size:
            return cells
        last += 1
        z, rest = divmod(first, height * width)
        y, x = divmod(rest, width)
        cells[z, y, x] = last
        distance[z, y, x] = 0
        heapq.heappush(queue, (np.float32(0), z, y, x))
