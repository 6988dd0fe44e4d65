"""Updating a label image where a user corrected it, and nowhere else.

The objects under a gesture are changed by the constraints alone: linked ones are
merged, and one with cannot-link pixels is divided between them, along the boundary
in the embedding. The rest is not partitioned again, so a correction never changes
what a user has inspected and left as it was.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from numpy.typing import NDArray

from napari_grd.compiled import compiled
from napari_grd.errors import ImageError, LabelError
from napari_grd.graph.constraints import Constraints
from napari_grd.graph.flood import contacts, divide, narrowness, step_changes
from napari_grd.graph.grid import GridConstraints
from napari_grd.graph.pairs import Groups, merge_unless_forbidden, once
from napari_grd.graph.volume import as_triple, as_volume

Ids = NDArray[np.int64]
Labels = NDArray[np.uint32]
Cells = NDArray[np.int32]


def resolve(
    labels: Labels,
    embedding: NDArray[np.float32],
    constraints: Constraints,
    touched: NDArray[np.int64],
    *,
    above: int = 0,
) -> Labels:
    """Labels that obey the constraints, changed only in the objects that a gesture touched.

    Parameters
    ----------
    labels : uint32 array, shape (\\*S)
        2D or 3D; any ids, 0 is background.
    embedding : float32 array, shape (\\*S, C)
        Raw embedding, channels last.
    constraints : Constraints
        All constraints so far, merged.
    touched : (N, ndim) array of int
        Pixels of the new gesture (``gesture.pixels``). The objects under them, and
        those linked to them, are solved again.
    above : int, default 0
        New ids are larger than this and than all of ``labels``: the largest id ever
        given, where ids must not come back.

    Returns
    -------
    uint32 array, shape (\\*S)
        A copy. The largest part of a split object keeps its id, a merged object has
        that of its largest part, other parts get new ids. Pixels outside the touched
        objects that no constraint names are as they were.

    Raises
    ------
    ImageError
        If shapes do not fit each other, or a pixel is outside the image.
    LabelError
        If the new ids do not fit 32 bits.

    Notes
    -----
    An object is divided into cells around its constrained pixels (see
    :mod:`napari_grd.graph.flood`); cells that touch are merged, the longest and least
    visible contact first, unless they must not be linked. What erased pixels cut off becomes an
    object of its own, and so does foreground that is linked to nothing. All of this
    runs in a window around the touched objects.

    Examples
    --------
    >>> labels, embedding = np.ones((4, 6), np.uint32), np.ones((4, 6, 2), np.float32)
    >>> split = Constraints.split_points((1, 1), (1, 4))
    >>> resolve(labels, embedding, split, split.pixels)[1]
    array([1, 1, 1, 2, 2, 2], dtype=uint32)
    """
    if embedding.shape[:-1] != labels.shape:
        raise ImageError(
            f"The embedding has shape {embedding.shape}, the labels {labels.shape}.",
            "Pass the embedding with its channels last, at the labels' scale.",
        )
    result = np.array(labels, np.uint32, order="C")
    volume = result.reshape(as_triple(labels.shape, 1))
    given = constraints.on_grid(labels.shape)
    scope = _scope(
        volume.reshape(-1), given, Constraints(labels.ndim, foreground=touched).on_grid(labels.shape).foreground
    )
    start, stop, largest = _bounds(volume, scope.ids)
    where = np.stack(np.unravel_index(scope.pixels, volume.shape))
    start = np.minimum(start, where.min(axis=1, initial=volume.size))
    stop = np.maximum(stop, where.max(axis=1, initial=-1) + 1)
    if (start >= stop).any():
        return result

    window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    view = volume[window]
    old = view.copy()
    local = _Window(volume.shape, start, stop)
    inner = GridConstraints(
        *(local.positions(each) for each in (given.must_link, given.cannot_link, given.foreground, given.background))
    )
    groups = _groups(old, scope, local.positions(scope.pixels), inner.background)
    cells = _solved(groups, as_volume(embedding, labels.ndim)[window], old, inner)
    fresh = max(int(largest), above) + 1
    if fresh + len(np.unique(cells)) > np.iinfo(np.uint32).max:
        raise LabelError(f"The next id would be {fresh}.", "Renumber the labels first.")
    inside = groups > 0
    view[inside | np.isin(old, scope.ids)] = 0
    view[inside] = _named(cells[inside], old[inside], fresh)
    return result


def reach(labels: Labels, constraints: Constraints, touched: NDArray[np.int64]) -> tuple[Ids, NDArray[np.int64]]:
    """What :func:`resolve` would solve again: nothing else changes, so a crop that holds it is enough.

    Parameters
    ----------
    labels, constraints, touched
        See :func:`resolve`.

    Returns
    -------
    ids : (N,) int64
        Objects, sorted.
    pixels : (M, ndim) int64
        Background with foreground constraints that is connected to them.

    Examples
    --------
    >>> join = Constraints.merge_stroke([(0, 0), (0, 3)])
    >>> ids, pixels = reach(np.array([[7, 0, 9, 9]], np.uint32), join, np.array([[0, 0]]))
    >>> ids.tolist(), pixels.tolist()
    ([7, 9], [[0, 1]])
    """
    places = Constraints(labels.ndim, foreground=touched).on_grid(labels.shape).foreground
    scope = _scope(labels.reshape(-1), constraints.on_grid(labels.shape), places)
    return scope.ids, np.stack(np.unravel_index(scope.pixels, labels.shape), axis=-1)


@dataclass(frozen=True, eq=False)
class _Scope:
    """What is solved again: objects, and pixels that become foreground; equal names: one object if nothing parts it."""

    ids: Ids
    names: Ids
    pixels: Ids
    pixel_names: Ids


@dataclass(frozen=True, eq=False)
class _Window:
    """A box of a volume."""

    shape: tuple[int, ...]
    start: Ids
    stop: Ids

    def positions(self, flat: Ids) -> Ids:
        """Flat positions ``(N,)`` or pairs ``(N, 2)`` of the volume in the window, without those that leave it."""
        where = np.stack(np.unravel_index(flat, self.shape), axis=-1)
        inside = ((where >= self.start) & (where < self.stop)).all(axis=tuple(range(1, where.ndim)))
        size = self.stop - self.start
        steps = np.array([size[1] * size[2], size[2], 1])
        return np.ascontiguousarray((where[inside] - self.start) @ steps)


def _scope(labels: Labels, given: GridConstraints, places: Ids) -> _Scope:
    """The objects at these places and all that is linked to them."""
    linked = np.unique(given.must_link)
    linked_ids = labels[linked].astype(np.int64)
    # Objects take part in links under their negative ids.
    held = np.stack([linked, -linked_ids], axis=1)[linked_ids > 0]
    bonds = Groups(np.concatenate([given.must_link, held]))
    ids = np.unique(labels[places]).astype(np.int64)
    hit = np.append(bonds.of(places), bonds.of(-ids))
    hit = hit[hit >= 0]
    ids = np.union1d(ids, linked_ids[np.isin(bonds.of(linked), hit)])
    ids = ids[ids > 0]
    labels_on = labels[given.foreground]
    chosen = np.isin(given.foreground, places) | np.isin(bonds.of(given.foreground), hit)
    pixels = given.foreground[chosen & (labels_on == 0)]
    bond, pixel_bond = bonds.of(-ids), bonds.of(pixels)
    unlinked = np.iinfo(np.int64).max
    keys = np.append(np.where(bond >= 0, bond, -ids), np.where(pixel_bond >= 0, pixel_bond, unlinked))
    names = np.unique(keys, return_inverse=True)[1].reshape(-1) + 1
    return _Scope(ids, names[: len(ids)], pixels, names[len(ids) :])


@compiled()
@no_type_check
def _bounds(labels, ids):
    """The box around objects with these ids (sorted), and the largest label of all."""
    start, stop = np.full(3, labels.size, np.int64), np.zeros(3, np.int64)
    largest, last, present = np.uint32(0), np.uint32(0), False
    for z in range(labels.shape[0]):
        for y in range(labels.shape[1]):
            for x in range(labels.shape[2]):
                label = labels[z, y, x]
                if label != last:
                    last, largest = label, max(label, largest)
                    index = np.searchsorted(ids, np.int64(label))
                    present = index < len(ids) and ids[index] == label
                if present:
                    start[0], start[1], start[2] = min(start[0], z), min(start[1], y), min(start[2], x)
                    stop[0], stop[1], stop[2] = max(stop[0], z + 1), max(stop[1], y + 1), max(stop[2], x + 1)
    return start, stop, largest


def _groups(old: Labels, scope: _Scope, pixels: Ids, off: Ids) -> Cells:
    """The name of what each pixel of the window belongs to; 0 for what is left alone."""
    groups = np.zeros(old.shape, np.int32)
    if len(scope.ids):
        index = np.minimum(np.searchsorted(scope.ids, old), len(scope.ids) - 1)
        groups = np.where(scope.ids[index] == old, scope.names[index], 0).astype(np.int32)
    groups.flat[pixels] = scope.pixel_names
    groups.flat[off] = 0
    return groups


def _solved(groups: Cells, embedding: NDArray[np.float32], old: Labels, given: GridConstraints) -> Cells:
    """A number for each pixel of a group, equal where pixels belong together."""
    ends = groups.flat[given.cannot_link.reshape(-1)].reshape(-1, 2)
    live = given.cannot_link[(ends[:, 0] == ends[:, 1]) & (ends[:, 0] > 0)]
    links = given.must_link[(groups.flat[given.must_link.reshape(-1)] > 0).reshape(-1, 2).all(axis=1)]
    seeds, changes, typical = np.zeros(groups.shape, np.int32), np.zeros((3, *groups.shape), np.float32), 0.0
    narrow = np.zeros(groups.shape, np.float32)
    if len(live):
        parted = np.isin(groups, groups.flat[live[:, 0]])
        linked = np.unique(links)
        pixels = np.union1d(live, linked[parted.flat[linked]])
        bond = Groups(links).of(pixels)
        seeds.flat[pixels] = np.unique(np.where(bond >= 0, -1 - bond, pixels), return_inverse=True)[1].reshape(-1) + 1
        changes = step_changes(embedding, groups > 0)
        typical = float(np.median(changes[:, parted]))
        narrow = narrowness(groups)
    cells = divide(changes, groups, seeds, typical, narrow)

    pairs, alike = contacts(cells, groups, changes)
    pairs, index = np.unique(pairs, return_inverse=True)
    pairs = pairs[np.argsort(-np.bincount(index, alike, len(pairs)), kind="stable")]
    touching = np.stack([pairs >> 32, pairs & 0xFFFFFFFF], axis=1)
    firm = np.concatenate([links, _along(live, groups.shape)])
    merges = np.concatenate(
        [cells.flat[firm.reshape(-1)].reshape(-1, 2), touching, _strays(cells, seeds.max(), old, given.background)]
    )
    merges = once(merges[merges[:, 0] != merges[:, 1]])  # a stroke links pixel after pixel of one cell
    cannot_link = once(cells.flat[live.reshape(-1)].reshape(-1, 2))
    clusters = merge_unless_forbidden(merges.tolist(), cannot_link.tolist(), np.bincount(cells.reshape(-1)))
    return clusters.astype(np.int32)[cells]


def _along(cannot_link: Ids, shape: tuple[int, ...]) -> Ids:
    """Neighbors with a cannot-link to the same pixel: they are on one side of a split line.

    Merged before anything else, so that no part of one side joins the other around the end of the line.
    """
    pairs = np.concatenate([cannot_link, cannot_link[:, ::-1]])
    pairs = pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
    before, after = pairs[:-1], pairs[1:]
    where = np.stack(np.unravel_index(pairs[:, 0], shape), axis=-1)
    near = np.all(np.abs(np.diff(where, axis=0)) <= 1, axis=1) & (before[:, 1] == after[:, 1])
    along: Ids = np.stack([before[:, 0], after[:, 0]], axis=1)[near]
    return along


def _strays(cells: Cells, seeds: int, old: Labels, off: Ids) -> Ids:
    """Contacts of parts that no seed reached with the object they were part of, unless pixels of it were erased.

    Imported labels may be connected diagonally only, or not at all, as a user wanted it.
    """
    whole = (cells > 0) & (old > 0) & ~np.isin(old, old.flat[off])
    table = np.unique(old[whole].astype(np.int64) << 32 | cells[whole])
    ids, cell = table >> 32, table & 0xFFFFFFFF
    first = cell[np.searchsorted(ids, ids)]
    strays: Ids = np.stack([first, cell], axis=1)[(cell > seeds) & (cell != first)]
    return strays


def _named(pieces: Cells, old: Labels, fresh: int) -> Labels:
    """Ids for pieces: in the order of overlap those they had, then new ones."""
    table, overlap = np.unique(pieces.astype(np.int64) << 32 | old, return_counts=True)
    table = table[np.argsort(-overlap, kind="stable")]
    ids: dict[int, int] = {}
    for piece, label in zip((table >> 32).tolist(), (table & 0xFFFFFFFF).tolist(), strict=True):
        if label and piece not in ids and label not in ids.values():
            ids[piece] = label
    numbers, index = np.unique(pieces, return_inverse=True)
    for piece in numbers.tolist():
        if piece not in ids:
            ids[piece], fresh = fresh, fresh + 1
    result: Labels = np.array([ids[piece] for piece in numbers.tolist()], np.uint32)[index.reshape(-1)]
    return result
