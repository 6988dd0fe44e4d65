"""Scores of shared pixels: foreground Dice, symmetric best Dice, aggregated Jaccard index (method.md, section 13).

All are in [0, 1]. Two images without objects agree (1); an image with objects and one without do not (0).
"""

import numpy as np

from napari_grd.metrics.contingency import Contingency, IntArray


def foreground_dice(table: Contingency) -> float:
    """Dice of the two foregrounds: the paper's pixel F1 (method.md, section 13), blind to single objects."""
    total = int(table.label_sizes.sum() + table.reference_sizes.sum())
    return 2 * int(table.overlap.sum()) / total if total else 1.0


def symmetric_best_dice(table: Contingency) -> float:
    """SBD: best Dice of each object, averaged over the labels and over the reference; the smaller average.

    The definition of the CVPPP leaf challenge until the end of 2021: scores
    published later are computed differently (method.md, section 13).
    """
    if not len(table.label_ids) or not len(table.reference_ids):
        return float(len(table.label_ids) == len(table.reference_ids))
    sizes = table.label_sizes[table.label_index] + table.reference_sizes[table.reference_index]
    dice = 2 * table.overlap / sizes
    return min(
        _mean_of_best(dice, table.label_index, len(table.label_ids)),
        _mean_of_best(dice, table.reference_index, len(table.reference_ids)),
    )


def aggregated_jaccard(table: Contingency) -> float:
    """AJI: reference objects claim the unclaimed label object of highest IoU, one after another.

    Intersections and unions of the claimed pairs are added up; objects
    without a partner add to the union. Where several reference objects
    compete for one label object, the first one gets it: published code goes
    by id, here the order is the scan order, which is the same for
    images numbered in scan order and survives renumbering.
    """
    order = np.lexsort((table.label_index, -table.overlap, -table.iou, table.reference_index))
    served = np.zeros(len(table.reference_ids), dtype=bool)
    claimed = np.zeros(len(table.label_ids), dtype=bool)
    intersection = 0
    for k in order:
        target, label = table.reference_index[k], table.label_index[k]
        if not served[target] and not claimed[label]:
            served[target] = claimed[label] = True
            intersection += int(table.overlap[k])
    # A pair adds both sizes minus its overlap, an unmatched object its size: in total, all sizes minus all overlaps.
    union = int(table.label_sizes.sum() + table.reference_sizes.sum()) - intersection
    return intersection / union if union else 1.0


def _mean_of_best(values: np.ndarray, index: IntArray, n: int) -> float:
    best = np.zeros(n)
    np.maximum.at(best, index, values)
    return float(best.mean())
