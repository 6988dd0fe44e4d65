"""Persistent object ids from one result to the next."""

import numpy as np
from numpy.typing import NDArray

from napari_grd.graph.partition import LabelArray
from napari_grd.metrics.contingency import contingency

Ids = NDArray[np.int64]


LEAST_SHARED = 0.1
"""Minimum overlap of two objects in neighboring planes, as a share of the smaller one: a slight overlap does not link
them.
"""
LEAST_SHARED_ACROSS = 0.5
"""The same of two objects with a plane between them in which neither was found."""


def match(labels: LabelArray, previous: LabelArray, least: float = 0.0) -> Ids:
    """Match the objects of two label images by overlap, one to one.

    Greedy matching: the pair with the largest overlap first, then the one with the largest among the remaining objects,
    and so on.

    Parameters
    ----------
    labels : integer array
        Numbered from 1, 0 is background.
    previous : integer array of the same shape
        Any ids, 0 is background.
    least : float
        Minimum overlap of a pair, as a share of its smaller object.

    Returns
    -------
    (labels.max() + 1,) int64
        For each label the matching previous id, 0 for none.

    Examples
    --------
    >>> match(np.array([[1, 1, 1, 2]]), np.array([[7, 7, 9, 9]]))
    array([0, 7, 9])
    """
    pairs = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    if not labels.size or not previous.any():
        return pairs
    table = contingency(reference=previous, labels=labels)
    # Ties go to the first in scan order, which does not depend on ids.
    order = np.lexsort((table.reference_index, table.label_index, -table.overlap))
    new, old = table.label_index[order], table.reference_index[order]
    if least:
        enough = table.overlap[order] >= least * np.minimum(table.label_sizes[new], table.reference_sizes[old])
        new, old = new[enough], old[enough]
    while len(new):
        # A pair that is the best for both its ends is final; all such pairs are matched at once.
        first_new, first_old = np.zeros(len(new), bool), np.zeros(len(new), bool)
        first_new[np.unique(new, return_index=True)[1]] = True
        first_old[np.unique(old, return_index=True)[1]] = True
        sure = first_new & first_old
        pairs[table.label_ids[new[sure]]] = table.reference_ids[old[sure]]
        left = ~(np.isin(new, new[sure]) | np.isin(old, old[sure]))
        new, old = new[left], old[left]
    return pairs


class Identities:
    """Assigns persistent ids, never used for another object.

    Examples
    --------
    >>> ids = Identities()
    >>> ids.carry_on(np.array([[1, 1, 2]], np.uint32), np.array([[0, 0, 0]], np.uint32))
    array([[1, 1, 2]], dtype=uint32)
    >>> ids.carry_on(np.array([[1, 2, 2]], np.uint32), np.array([[1, 1, 2]], np.uint32))
    array([[1, 2, 2]], dtype=uint32)
    """

    def __init__(self) -> None:
        self._next = 1

    def carry_on(self, labels: LabelArray, *previous: LabelArray, taken: Ids | None = None) -> LabelArray:
        """Renumber objects so that they keep the ids of those they overlap; see :meth:`assign`."""
        result: LabelArray = self.assign(labels, *previous, taken=taken)[labels]
        return result

    def assign(
        self, labels: LabelArray, *previous: LabelArray, taken: Ids | None = None, others: int = 0, across: int = 0
    ) -> NDArray[np.uint32]:
        """Assign to objects the ids of the earlier objects they overlap.

        Parameters
        ----------
        labels : uint32 array
            Numbered from 1, 0 is background.
        *previous : uint32 arrays of the same shape
            Earlier results; an object without a match in the first is matched in the next.
        taken : array of int, optional
            Ids that only an object of the first earlier result may take.
        others : int
            How many of the earlier results, the last ones, are of other planes: these need an overlap of
            :data:`LEAST_SHARED`.
        across : int
            How many of these, the last ones, are beyond a plane in which an object may be missing: these need an
            overlap of :data:`LEAST_SHARED_ACROSS`.

        Returns
        -------
        (labels.max() + 1,) uint32
            For each label its id, 0 for 0. Objects without a match get unused ids.
        """
        ids = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
        barred = np.zeros(0, np.int64) if taken is None else taken
        for number, earlier in enumerate(previous):
            if ids[1:].all():
                break
            least = LEAST_SHARED if number >= len(previous) - others else 0.0
            inherited = match(labels, earlier, LEAST_SHARED_ACROSS if number >= len(previous) - across else least)
            usable = (ids == 0) & (inherited > 0) & ~np.isin(inherited, ids)
            if number:
                usable &= ~np.isin(inherited, barred)
            ids[usable] = inherited[usable]
        fresh = np.flatnonzero(ids[1:] == 0) + 1
        ids[fresh] = self._next + np.arange(len(fresh))
        self._next += len(fresh)
        return ids.astype(np.uint32)
