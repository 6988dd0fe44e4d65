"""Scores of a segmentation as a clustering of pixels (method.md, section 13).

Variation of information and adapted Rand error.

Only pixels of reference objects are evaluated (reference 0 is "ignore"). On them the labels' background is one more
segment, so missed objects appear as merged. Without a reference object every error is 0.
"""

import numpy as np
from numpy.typing import NDArray

from napari_grd.metrics.contingency import Contingency


def variation_of_information(table: Contingency) -> tuple[float, float]:
    """Conditional entropies in bits, 0 is best: H(labels | reference) of splits, H(reference | labels) of merges."""
    cells, in_reference, in_label = _cells(table)
    total = max(cells.sum(), 1)
    split = cells @ np.log2(in_reference / cells) / total
    merge = cells @ np.log2(in_label / cells) / total
    return float(split), float(merge)


def adapted_rand_error(table: Contingency) -> float:
    """1 - F1 of the pixel pairs in the same segment, in [0, 1], 0 is best."""
    cells, in_reference, in_label = _cells(table)
    both = cells @ (cells - 1)
    # Each segment's n (n - 1) ordered pairs, spread over its cells.
    possible = cells @ (in_reference - 1) + cells @ (in_label - 1)
    return float(1 - 2 * both / possible) if possible else 0.0


def _cells(table: Contingency) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pixels of each intersection of segments, and of the reference and label segment it is part of."""
    n_labels = len(table.label_ids)
    unlabeled = table.reference_sizes - np.bincount(
        table.reference_index, weights=table.overlap, minlength=len(table.reference_ids)
    )
    missed = np.flatnonzero(unlabeled)
    cells = np.concatenate([table.overlap, unlabeled[missed]])
    label = np.concatenate([table.label_index, np.full(len(missed), n_labels)])
    reference = np.concatenate([table.reference_index, missed])
    in_label = np.bincount(label, weights=cells, minlength=n_labels + 1)[label]
    return cells, table.reference_sizes[reference].astype(np.float64), in_label
