"""Errors of each object: missed, spurious, merged or split."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_grd.metrics.contingency import IntArray, contingency
from napari_grd.metrics.matching import matched_pairs, merging_pairs, splitting_pairs

Kinds = NDArray[np.uint8]


class ErrorKind(IntEnum):
    """Kinds of objects; the numbers are those of the picture of errors."""

    CORRECT = 0
    MISSED = 1
    SPURIOUS = 2
    MERGED = 3
    SPLIT = 4


@dataclass(frozen=True, eq=False)
class SegmentationErrors:
    """The kind of every object of a segmentation and of its reference.

    Objects are listed in scan order; those under ``min_size`` are not listed.

    Attributes
    ----------
    label_ids, reference_ids : (P,) and (R,) int64
        Ids of the objects.
    label_kinds : (P,) uint8
        ErrorKind of each label object: CORRECT, SPURIOUS, MERGED, or SPLIT for
        a part of a split reference object.
    reference_kinds : (R,) uint8
        ErrorKind of each reference object: CORRECT, MISSED, SPLIT, or MERGED for
        a part of a merged label object.
    partners : (P,) int64
        Id of the reference object each label object is matched with, 0 if none.
    iou : (P,) float64
        Intersection over union with it, NaN if none.
    picture : (*S) uint8
        ErrorKind of each pixel: the pixels of missed and split reference
        objects and of spurious and merged label objects. Where two of them
        overlap, the smaller one shows.
    """

    label_ids: IntArray
    reference_ids: IntArray
    label_kinds: Kinds
    reference_kinds: Kinds
    partners: IntArray
    iou: NDArray[np.float64]
    picture: Kinds = field(repr=False)

    @property
    def counts(self) -> Mapping[ErrorKind, int]:
        """How many reference objects are missed and split, and how many label objects spurious and merged."""
        return {
            kind: int(np.count_nonzero((self.label_kinds if kind in _OF_LABELS else self.reference_kinds) == kind))
            for kind in ErrorKind
            if kind != ErrorKind.CORRECT
        }


_OF_LABELS = (ErrorKind.SPURIOUS, ErrorKind.MERGED)
_OF_REFERENCE = (ErrorKind.MISSED, ErrorKind.SPLIT)


def find_errors(reference: ArrayLike, labels: ArrayLike, *, iou: float = 0.5, min_size: int = 0) -> SegmentationErrors:
    """Classify every object as correct, missed, spurious, merged or split.

    Parameters
    ----------
    reference, labels : array_like of int, same shape, any number of axes
        0 is background; ids need not be consecutive.
    iou : float
        Smallest intersection over union of a match, in (0, 1].
    min_size : int
        Objects of fewer pixels are erased from both sides first, as
        :func:`napari_grd.api.evaluate` does.

    Returns
    -------
    SegmentationErrors

    Raises
    ------
    LabelError
        If an array is not a label image or the shapes differ.
    ConfigError
        If ``iou`` is outside (0, 1] or ``min_size`` is negative.

    See Also
    --------
    evaluate : Scores of the same comparison.

    Notes
    -----
    With label objects L and reference objects R as sets of pixels, and matches
    as in :func:`napari_grd.metrics.match_objects`,

    * L is **merged** if ``|L & R| > |R| / 2`` for at least two R: it holds the
      larger part of each;
    * R is **split** if ``|L & R| > |L| / 2`` for at least two L: it holds the
      larger part of each;
    * R is **missed** if it has no match, is not split and is no such part of a
      merged L;
    * L is **spurious** if it has no match, is not merged and is no such part of
      a split R.

    Every object has one kind. Merged and split take precedence over a match; the kind of the object itself takes
    precedence over that of being a part.

    Examples
    --------
    >>> errors = find_errors(reference=[[5, 5, 6, 6, 0, 7, 0]], labels=[[1, 1, 1, 1, 0, 0, 3]])
    >>> {kind.name: count for kind, count in errors.counts.items()}
    {'MISSED': 1, 'SPURIOUS': 1, 'MERGED': 1, 'SPLIT': 0}
    >>> errors.picture
    array([[3, 3, 3, 3, 0, 1, 2]], dtype=uint8)
    """
    label_image, reference_image = np.asarray(labels), np.asarray(reference)
    table = contingency(reference=reference_image, labels=label_image).without_small(min_size)
    matched, merging, splitting = matched_pairs(table, iou), merging_pairs(table), splitting_pairs(table)
    label_kinds = np.full(len(table.label_ids), ErrorKind.SPURIOUS, np.uint8)
    label_kinds[table.label_index[matched]] = ErrorKind.CORRECT
    label_kinds[table.label_index[splitting]] = ErrorKind.SPLIT
    label_kinds[table.label_index[merging]] = ErrorKind.MERGED
    reference_kinds = np.full(len(table.reference_ids), ErrorKind.MISSED, np.uint8)
    reference_kinds[table.reference_index[matched]] = ErrorKind.CORRECT
    reference_kinds[table.reference_index[merging]] = ErrorKind.MERGED
    reference_kinds[table.reference_index[splitting]] = ErrorKind.SPLIT
    partners, overlap = np.zeros(len(table.label_ids), np.int64), np.full(len(table.label_ids), np.nan)
    partners[table.label_index[matched]] = table.reference_ids[table.reference_index[matched]]
    overlap[table.label_index[matched]] = table.iou[matched]
    picture = _draw(
        _Side(label_image, table.label_ids, table.label_sizes, label_kinds, _OF_LABELS),
        _Side(reference_image, table.reference_ids, table.reference_sizes, reference_kinds, _OF_REFERENCE),
    )
    return SegmentationErrors(
        table.label_ids, table.reference_ids, label_kinds, reference_kinds, partners, overlap, picture
    )


@dataclass(frozen=True)
class _Side:
    """One of the two label images, its objects, and which kinds of them are drawn."""

    image: NDArray[np.integer]
    ids: IntArray
    sizes: IntArray
    kinds: Kinds
    drawn: tuple[ErrorKind, ...]

    def pixels(self) -> tuple[Kinds, IntArray]:
        """Kind and size of the drawn object at each pixel, 0 elsewhere."""
        drawn = np.isin(self.kinds, self.drawn)
        order = np.argsort(self.ids[drawn])
        ids = np.append(self.ids[drawn][order], 0)  # ends with a place for the pixels of no drawn object
        place = np.searchsorted(ids[:-1], self.image)
        place[ids[place] != self.image] = len(ids) - 1
        return np.append(self.kinds[drawn][order], 0).astype(np.uint8)[place], np.append(self.sizes[drawn][order], 0)[
            place
        ]


def _draw(side: _Side, other: _Side) -> Kinds:
    kind, size = side.pixels()
    other_kind, other_size = other.pixels()
    # Otherwise a large object could hide a small one inside it.
    smaller = (other_kind > 0) & ((kind == 0) | (other_size < size))
    return np.where(smaller, other_kind, kind)
