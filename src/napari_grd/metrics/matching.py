"""One-to-one matching of objects by intersection over union."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_grd.errors import ConfigError
from napari_grd.metrics.contingency import Contingency, IntArray, contingency


@dataclass(frozen=True)
class Matches:
    """Matched objects of a label image and its reference; ids are listed in scan order.

    Attributes
    ----------
    pairs : (M, 2) int64
        Matched ids: label, reference.
    iou : (M,) float64
        Intersection over union of each pair.
    missed : (N,) int64
        Reference ids without a match.
    spurious : (N,) int64
        Label ids without a match.
    merged : (N,) int64
        Label ids that contain more than half of each of several reference objects.
    split : (N,) int64
        Reference ids that contain more than half of each of several label objects.
    """

    pairs: IntArray
    iou: NDArray[np.float64]
    missed: IntArray
    spurious: IntArray
    merged: IntArray
    split: IntArray


def match_objects(reference: ArrayLike, labels: ArrayLike, iou: float = 0.5) -> Matches:
    """Match the objects of a segmentation with those of a reference.

    As many pairs as possible, each of at least ``iou``, and among those
    pairings the one with the largest sum of IoUs. Merged and split objects are
    found by coverage and do not depend on ``iou``; they can be in a pair too.

    Parameters
    ----------
    reference, labels : array_like of int, same shape, any number of axes
        0 is background; ids need not be consecutive.
    iou : float
        Smallest intersection over union of a pair, in (0, 1].

    Returns
    -------
    Matches

    Raises
    ------
    LabelError
        If an array is not a label image or the shapes differ.
    ConfigError
        If ``iou`` is outside (0, 1].

    Examples
    --------
    >>> matches = match_objects(reference=[[7, 7, 0, 8, 8, 8]], labels=[[1, 1, 0, 5, 6, 6]])
    >>> matches.pairs.tolist(), matches.spurious.tolist(), matches.split.tolist()
    ([[1, 7], [6, 8]], [5], [8])
    """
    table = contingency(reference=reference, labels=labels)
    matched = matched_pairs(table, iou)
    label, target = table.label_index[matched], table.reference_index[matched]
    return Matches(
        pairs=np.stack([table.label_ids[label], table.reference_ids[target]], axis=1),
        iou=table.iou[matched],
        missed=np.delete(table.reference_ids, target),
        spurious=np.delete(table.label_ids, label),
        merged=table.label_ids[np.unique(table.label_index[merging_pairs(table)])],
        split=table.reference_ids[np.unique(table.reference_index[splitting_pairs(table)])],
    )


def merging_pairs(table: Contingency) -> IntArray:
    """Positions, in the table's K pairs, of reference objects that share a label object holding most of each."""
    covers = np.flatnonzero(2 * table.overlap > table.reference_sizes[table.reference_index])
    held = np.bincount(table.label_index[covers], minlength=len(table.label_ids))
    return covers[held[table.label_index[covers]] > 1]


def splitting_pairs(table: Contingency) -> IntArray:
    """Positions, in the table's K pairs, of label objects that share a reference object holding most of each."""
    covers = np.flatnonzero(2 * table.overlap > table.label_sizes[table.label_index])
    held = np.bincount(table.reference_index[covers], minlength=len(table.reference_ids))
    return covers[held[table.reference_index[covers]] > 1]


def matched_pairs(table: Contingency, iou: float) -> IntArray:
    """Positions, in the table's K pairs, of the largest one-to-one matching with IoU >= ``iou``, ascending."""
    if not 0 < iou <= 1:
        raise ConfigError(f"iou is {iou}.", "Give a number above 0 and at most 1.")
    candidates = np.flatnonzero(table.iou >= iou)
    n_labels, n_references = len(table.label_ids), len(table.reference_ids)
    label, target = table.label_index[candidates], table.reference_index[candidates]
    rivals = np.maximum(
        np.bincount(label, minlength=n_labels)[label], np.bincount(target, minlength=n_references)[target]
    )
    if not np.any(rivals > 1):  # always true above IoU 0.5: such a partner contains more than half of the object
        return candidates
    # These two modules are slow to import, and rarely needed: a GUI starts faster without them.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    # Rivals come in small groups; an assignment over all objects at once would need a dense R x P matrix.
    n = n_labels + n_references
    graph = coo_array((np.ones(len(candidates)), (label, n_labels + target)), shape=(n, n))
    group = connected_components(graph, directed=False)[1][label]
    matched = [candidates[rivals == 1]]
    contested = np.flatnonzero(rivals > 1)
    for which in np.unique(group[contested]):
        members = candidates[group == which]
        matched.append(_assign(table, members))
    return np.unique(np.concatenate(matched))


def _assign(table: Contingency, members: IntArray) -> IntArray:
    """The members that a maximum assignment picks: first as many as possible, then the largest sum of IoUs."""
    from scipy.optimize import linear_sum_assignment

    rows, row = np.unique(table.reference_index[members], return_inverse=True)
    columns, column = np.unique(table.label_index[members], return_inverse=True)
    position = np.full((len(rows), len(columns)), -1, dtype=np.int64)
    position[row, column] = members
    gain = np.zeros(position.shape)
    gain[row, column] = 1 + table.iou[members] / (2 * min(position.shape))
    chosen: IntArray = position[linear_sum_assignment(gain, maximize=True)]
    return chosen[chosen >= 0]
