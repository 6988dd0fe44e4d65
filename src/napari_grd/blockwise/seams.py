"""Objects that continue in the next block.

Every block is segmented with its surroundings, so two adjacent ones both contain a band along their border. In it the
same object is found twice; the pairs that overlap most, mutually, are one object.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_grd.metrics.contingency import contingency

Ids = NDArray[np.int64]

_SHARED = 0.5  # of the smaller object's pixels in the band


def same_objects(first: NDArray[np.integer], second: NDArray[np.integer]) -> Ids:
    """Match the objects of two label images of the same band.

    Parameters
    ----------
    first, second : (h, w) arrays of int
        0 is background.

    Returns
    -------
    (K, 2) int64
        Labels in the first and in the second that are one object: each is the other's largest overlap, and they share
        at least half of the smaller one.

    Examples
    --------
    >>> same_objects(np.array([[1, 1, 2, 0]]), np.array([[5, 5, 5, 0]]))
    array([[1, 5]])
    """
    table = contingency(labels=first, reference=second)
    if not len(table.overlap):
        return np.zeros((0, 2), np.int64)
    pairs = sparse.coo_array(
        (table.overlap, (table.label_index, table.reference_index)),
        shape=(len(table.label_ids), len(table.reference_ids)),
    ).tocsr()
    best_reference, best_label = pairs.argmax(axis=1), pairs.argmax(axis=0)
    smaller = np.minimum(table.label_sizes[table.label_index], table.reference_sizes[table.reference_index])
    kept = (
        (best_reference[table.label_index] == table.reference_index)
        & (best_label[table.reference_index] == table.label_index)
        & (table.overlap >= _SHARED * smaller)
    )
    return np.stack(
        [table.label_ids[table.label_index[kept]], table.reference_ids[table.reference_index[kept]]], axis=1
    )


class Joined:
    """Provisional ids that are one object.

    Parameters
    ----------
    pairs : iterable of (K, 2) arrays of int64
        Ids that are the same object.
    """

    def __init__(self, pairs: Iterable[Ids]) -> None:
        listed = [array for array in pairs if len(array)]
        edges = np.concatenate(listed) if listed else np.zeros((0, 2), np.int64)
        self._ids, places = np.unique(edges, return_inverse=True)
        places = places.reshape(-1, 2)
        graph = sparse.coo_array(
            (np.ones(len(places), bool), (places[:, 0], places[:, 1])), shape=(len(self._ids), len(self._ids))
        )
        _, component = sparse.csgraph.connected_components(graph, directed=False)
        # The ids are sorted, so the first of each component is its smallest.
        _, first = np.unique(component, return_index=True)
        self._roots = self._ids[first][component] if len(first) else self._ids

    @property
    def ids(self) -> Ids:
        """All ids that belong together with another, sorted."""
        return self._ids

    def roots(self, ids: Ids) -> Ids:
        """For each id the smallest id of the same object."""
        if not len(self._ids):
            return ids
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return np.where(self._ids[places] == ids, self._roots[places], ids)
