"""Watershed fragments: many small regions, each inside one object, which other methods merge (method.md, section 13).

Seeds are the maxima of the distance to the nearest pixel whose affinity is weak in comparison with others. They grow
along the edges between direct neighbors, the highest affinity first, so that a fragment does not cross a weak edge as
long as there is another way. Affinities between the pixels, unlike a map of their boundaries, also separate objects of
one pixel.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_grd.compiled import compiled
from napari_grd.errors import ConfigError
from napari_grd.graph.grid import GridConstraints
from napari_grd.graph.pairs import Groups
from napari_grd.graph.parallel import for_slabs, thread_count

Fragments = npt.NDArray[np.int32]

_LEAST_WEAK = 0.5  # every affinity below is taken for a boundary's
_SMOOTH = 1.0  # standard deviation in pixels: a rough boundary makes many maxima of the distance
_LEVELS = 128  # affinities that differ by less are equal


def bioimage_cpp() -> Any:
    """The package ``bioimage_cpp``.

    Raises
    ------
    ConfigError
        If it is not installed: it has no binary package for every platform.
    """
    try:
        import bioimage_cpp.distance
        import bioimage_cpp.graph.agglomeration
        import bioimage_cpp.graph.multicut
    except ImportError:
        raise ConfigError(
            "The partition methods 'agglomeration' and 'multicut' need the package bioimage-cpp.",
            "Run: pip install bioimage-cpp, or choose the method 'mutex'.",
        ) from None
    return bioimage_cpp


def watershed_fragments(
    attractive: npt.NDArray[np.float32],
    vectors: npt.NDArray[np.int64],
    mask: npt.NDArray[np.bool_],
    *,
    planar: bool,
    min_size: int = 1,
    given: GridConstraints | None = None,
) -> Fragments:
    """Fragments of the pixels in the mask.

    Parameters
    ----------
    attractive : float32 array, shape (A, Z, Y, X)
        Affinities of the first A offsets, which connect direct neighbors; clipped to [0, 1].
    vectors : int64 array, shape (A or more, 3)
        The offsets, in ``(z, y, x)`` order.
    mask : bool array, shape (Z, Y, X)
        Edges that touch a pixel outside are ignored.
    planar : bool
        Fragments within each slice, for volumes whose slices are far apart; else across slices.
    min_size : int, default 1
        A region without a seed is a fragment of its own if it has so many pixels before a weak affinity would join it
        to another one.
    given : GridConstraints, optional
        Pixels with a cannot-link constraint are in different fragments.

    Returns
    -------
    int32 array, shape (Z, Y, X)
        Consecutive from 1, 0 outside the mask. Every fragment is connected, except those of must-link pixels
        that also have a cannot-link constraint.

    Raises
    ------
    ConfigError
        If bioimage-cpp is not installed.

    Examples
    --------
    >>> attractive = np.array([[[[0, 0.9, 0.9, 0.1, 0.9, 0.9]]]], np.float32)
    >>> watershed_fragments(attractive, np.array([[0, 0, -1]]), np.ones((1, 1, 6), bool), planar=True)
    array([[[1, 1, 1, 2, 2, 2]]], dtype=int32)
    """
    planar = planar or mask.shape[0] == 1
    flat = [k for k in range(len(attractive)) if not (planar and vectors[k, 0])]
    across = [k for k in range(len(attractive)) if k not in flat]
    weak_level = boundary_level(attractive, np.array(flat), vectors, mask)
    inside = np.zeros(mask.shape, np.bool_)
    for_slabs(
        lambda start, stop: _interior(attractive, np.array(flat), vectors, mask, weak_level, inside, start, stop),
        len(mask),
    )
    seeds, count = _seeds(inside, planar, given)
    names, parents = seeds.reshape(-1), np.arange(mask.size, dtype=np.int32)
    steps = vectors @ np.array([mask.shape[1] * mask.shape[2], mask.shape[2], 1])
    weak = []
    for offsets in filter(len, map(np.array, (flat, across))):
        edges, strong = _sorted_edges(attractive, offsets, vectors, mask, weak_level)
        _grow(edges[:strong], steps[offsets], parents, names)
        weak.append((edges[strong:].copy(), steps[offsets]))
    _name_large(parents, names, mask, count, max(min_size, 1))
    for edges, jumps in weak:
        _grow(edges, jumps, parents, names)
    labels: Fragments = _fragments(parents, names, mask)
    return labels


def boundary_level(
    attractive: npt.NDArray[np.float32],
    used: npt.NDArray[np.int64],
    vectors: npt.NDArray[np.int64],
    mask: npt.NDArray[np.bool_],
) -> int:
    """The level from which on an edge is taken for a boundary, by Otsu's method; that of one half, at most.

    Embeddings change smoothly from object to object, so the affinities of direct neighbors may be high at a boundary,
    too: they are only lower than within objects.
    """
    counts = np.zeros(_LEVELS, np.int64)
    for z in range(len(mask)):
        counts += _weakest(attractive, used, vectors, mask, z)
    middle = _level(np.float32(_LEAST_WEAK))
    before = np.cumsum(counts)
    levels = np.arange(_LEVELS)
    sums = np.cumsum(counts * levels)
    after = before[-1] - before
    with np.errstate(invalid="ignore", divide="ignore"):
        between = before * after * (sums / before - (sums[-1] - sums) / after) ** 2
    between = np.nan_to_num(between[:-1])
    if not between.any():
        return int(middle)
    best = np.flatnonzero(between >= (1 - 1e-9) * between.max())  # several if levels between the two kinds are empty
    return int(min(best.mean() + 1, middle))


def _seeds(inside: npt.NDArray[np.bool_], planar: bool, given: GridConstraints | None) -> tuple[Fragments, int]:
    """A label at each maximum of the distance to the boundaries, and at pixels that have to be apart."""
    distance_transform = bioimage_cpp().distance.distance_transform
    if planar:
        distance = np.empty(inside.shape, np.float32)

        def of_slices(start: int, stop: int) -> None:
            for z in range(start, stop):
                distance_transform(inside[z], distances=distance[z])

        for_slabs(of_slices, len(inside))
    else:
        distance = distance_transform(inside, number_of_threads=thread_count())
    distance = ndimage.gaussian_filter(distance, (0 if planar else _SMOOTH, _SMOOTH, _SMOOTH), truncate=2)
    peaks = np.zeros(inside.shape, np.bool_)
    for_slabs(lambda start, stop: _peaks(distance, inside, 0 if planar else 1, peaks, start, stop), len(inside))
    named = _apart(given)
    if len(named):
        peaks.flat[named[:, 0]] = False  # before they are labeled, so that each seed is connected
    structure = np.ones((3, 3, 3), np.bool_)
    if planar:
        structure[[0, 2]] = False
    seeds = np.zeros(inside.shape, np.int32)
    count = int(ndimage.label(peaks, structure, output=seeds))
    if len(named):
        seeds.flat[named[:, 0]] = count + named[:, 1]
        count += int(named[:, 1].max())
    return seeds, count


def _apart(given: GridConstraints | None) -> npt.NDArray[np.int64]:
    """Pixels that are, or are linked with one that is, in a cannot-link pair, and the numbers of their groups."""
    if given is None or not len(given.cannot_link):
        return np.zeros((0, 2), np.int64)
    linked = np.unique(given.must_link)
    pixels = np.union1d(linked, given.cannot_link)
    group = Groups(given.must_link).of(pixels)
    group = np.where(group < 0, group.max(initial=-1) + 1 + np.arange(len(pixels)), group)
    kept = np.isin(group, group[np.isin(pixels, given.cannot_link)])
    numbers = np.unique(group[kept], return_inverse=True)[1].reshape(-1) + 1
    return np.stack([pixels[kept], numbers], axis=1)


@compiled()
def _level(affinity):  # type: ignore[no-untyped-def]
    """0 for an affinity of 1 or more, ``_LEVELS - 1`` for 0 or less."""
    clipped = min(max(affinity, np.float32(0)), np.float32(1))
    return int((np.float32(1) - clipped) * np.float32(_LEVELS - 1))


@compiled()
def _weakest(attractive, used, vectors, mask, z):  # type: ignore[no-untyped-def]
    """Number of pixels of a slice by the level of their weakest affinity."""
    depth, height, width = mask.shape
    counts = np.zeros(_LEVELS, np.int64)
    for y in range(height):
        for x in range(width):
            if not mask[z, y, x]:
                continue
            weakest = np.float32(2)
            for k in used:
                pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                    continue
                if mask[pz, py, px]:
                    weakest = min(weakest, attractive[k, z, y, x])
            if weakest < 2:
                counts[_level(weakest)] += 1
    return counts


@compiled()
def _interior(attractive, used, vectors, mask, weak_level, inside, start, stop):  # type: ignore[no-untyped-def]
    """Pixels of the mask without a weak affinity, in slices start to stop."""
    depth, height, width = mask.shape
    for z in range(start, stop):
        for y in range(height):
            for x in range(width):
                if not mask[z, y, x]:
                    continue
                weak = False
                for k in used:
                    pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                    if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                        continue
                    weak |= not mask[pz, py, px] or _level(attractive[k, z, y, x]) >= weak_level
                inside[z, y, x] = not weak


@compiled()
def _peaks(distance, inside, reach, peaks, start, stop):  # type: ignore[no-untyped-def]
    """Pixels inside that are at least as far from a boundary as all their neighbors, in slices start to stop."""
    depth, height, width = distance.shape
    for z in range(start, stop):
        for y in range(height):
            for x in range(width):
                if not inside[z, y, x]:
                    continue
                here = distance[z, y, x]
                highest = True
                for nz in range(max(z - reach, 0), min(z + reach + 1, depth)):
                    for ny in range(max(y - 1, 0), min(y + 2, height)):
                        for nx in range(max(x - 1, 0), min(x + 2, width)):
                            highest &= distance[nz, ny, nx] <= here
                peaks[z, y, x] = highest


@compiled()
def _sorted_edges(attractive, used, vectors, mask, weak_level):  # type: ignore[no-untyped-def]
    """Edges within the mask as pixel * len(used) + place in used, the highest affinity first; how many are strong."""
    depth, height, width = mask.shape
    starts = np.zeros(_LEVELS + 1, np.int64)
    edges = np.empty(0, np.uint32)
    strong = 0
    for sweep in range(2):
        for z in range(depth):
            for y in range(height):
                for x in range(width):
                    if not mask[z, y, x]:
                        continue
                    for channel in range(len(used)):
                        k = used[channel]
                        pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                        if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                            continue
                        if not mask[pz, py, px]:
                            continue
                        level = _level(attractive[k, z, y, x])
                        if sweep == 0:
                            starts[level + 1] += 1
                        else:
                            edges[starts[level]] = ((z * height + y) * width + x) * len(used) + channel
                            starts[level] += 1
        if sweep == 0:
            starts = np.cumsum(starts)
            strong = starts[weak_level]
            edges = np.empty(starts[-1], np.uint32)
    return edges, strong


@compiled()
def _find(parents, node):  # type: ignore[no-untyped-def]
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled()
def _grow(edges, jumps, parents, names):  # type: ignore[no-untyped-def]
    """Join the two ends of each edge unless both have a name."""
    count = len(jumps)
    for edge in edges:
        pixel = np.int64(edge) // count
        a, b = _find(parents, pixel), _find(parents, pixel + jumps[np.int64(edge) - pixel * count])
        if a != b and (names[a] == 0 or names[b] == 0):
            first, second = min(a, b), max(a, b)
            if names[first] == 0:
                names[first] = names[second]
            parents[second] = first


@compiled()
def _name_large(parents, names, mask, count, least):  # type: ignore[no-untyped-def]
    """A name for each region without one that has at least so many pixels."""
    sizes = np.zeros(len(parents), np.int32)
    inside = mask.reshape(-1)
    for pixel in range(len(parents)):
        if inside[pixel]:
            sizes[_find(parents, pixel)] += 1
    for pixel in range(len(parents)):
        if inside[pixel] and parents[pixel] == pixel and names[pixel] == 0 and sizes[pixel] >= least:
            count += 1
            names[pixel] = count


@compiled()
def _fragments(parents, names, mask):  # type: ignore[no-untyped-def]
    """Consecutive labels of the regions in raster order; regions without a name are fragments, too."""
    labels = np.zeros(mask.shape, np.int32)
    flat, inside = labels.reshape(-1), mask.reshape(-1)
    fresh = np.int32(names.max())
    numbers = np.zeros(fresh + 1, np.int32)
    last = 0
    for pixel in range(len(parents)):
        if not inside[pixel]:
            continue
        root = _find(parents, pixel)
        if names[root] == 0:
            last += 1
            names[root] = -last
        elif names[root] > 0 and numbers[names[root]] == 0:
            last += 1
            numbers[names[root]] = last
        flat[pixel] = -names[root] if names[root] < 0 else numbers[names[root]]
    return labels
