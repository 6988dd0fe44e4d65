"""The contingency table of two label images, from which all scores are computed.

Objects are listed in scan order, by their first pixel, and not by id: the scores are then independent of the numbering.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_grd.errors import ConfigError, LabelError

IntArray = NDArray[np.int64]
_LARGEST_ID = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Contingency:
    """Objects of a label image and of its reference, and the pixels they share; background 0 is not an object.

    Attributes
    ----------
    label_ids, reference_ids : (P,) and (R,) int64
        Ids in scan order.
    label_sizes, reference_sizes : (P,) and (R,) int64
        Pixels of each object.
    label_index, reference_index : (K,) int64
        The K pairs of objects that share a pixel, as positions in the lists above.
    overlap : (K,) int64
        Pixels that each pair shares.
    """

    label_ids: IntArray
    reference_ids: IntArray
    label_sizes: IntArray
    reference_sizes: IntArray
    label_index: IntArray
    reference_index: IntArray
    overlap: IntArray

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, ``(K,)``."""
        union = self.label_sizes[self.label_index] + self.reference_sizes[self.reference_index] - self.overlap
        return np.asarray(self.overlap / union, dtype=np.float64)

    def without_small(self, min_size: int) -> "Contingency":
        """The table of the same images with every object under ``min_size`` pixels erased from both.

        Raises
        ------
        ConfigError
            If ``min_size`` is negative.
        """
        if min_size < 0:
            raise ConfigError(f"min_size is {min_size}.", "Give a number of pixels, 0 to keep every object.")
        keep_label, keep_reference = self.label_sizes >= min_size, self.reference_sizes >= min_size
        keep = keep_label[self.label_index] & keep_reference[self.reference_index]
        return Contingency(
            self.label_ids[keep_label],
            self.reference_ids[keep_reference],
            self.label_sizes[keep_label],
            self.reference_sizes[keep_reference],
            (np.cumsum(keep_label) - 1)[self.label_index[keep]],
            (np.cumsum(keep_reference) - 1)[self.reference_index[keep]],
            self.overlap[keep],
        )


def contingency(reference: ArrayLike, labels: ArrayLike) -> Contingency:
    """Tabulate the objects of two label images and their overlaps.

    Parameters
    ----------
    reference, labels : array_like of int, same shape, any number of axes
        0 is background; ids need not be consecutive.

    Returns
    -------
    Contingency

    Raises
    ------
    LabelError
        If an array is not of integers, is empty, has ids outside 0 to 2**63 - 1, or the shapes differ.

    Examples
    --------
    >>> table = contingency(reference=[[1, 1, 1, 0]], labels=[[7, 7, 0, 2]])
    >>> table.label_ids, table.label_sizes, table.overlap
    (array([7, 2]), array([2, 1]), array([2]))
    """
    label_image, reference_image = _checked(labels, "labels"), _checked(reference, "reference")
    if label_image.shape != reference_image.shape:
        raise LabelError(
            f"The labels have shape {label_image.shape} and the reference has shape {reference_image.shape}.",
            "Compare label images of one and the same image.",
        )
    # Sorting runs of equal pixels instead of pixels is what makes this fast, whatever the ids.
    label_pixels, reference_pixels = label_image.ravel(), reference_image.ravel()
    changes = (label_pixels[1:] != label_pixels[:-1]) | (reference_pixels[1:] != reference_pixels[:-1])
    starts = np.flatnonzero(np.concatenate(([True], changes)))
    lengths = np.diff(starts, append=label_pixels.size)
    label_ids, label = _in_scan_order(label_pixels[starts])
    reference_ids, target = _in_scan_order(reference_pixels[starts])

    shared = (label >= 0) & (target >= 0)
    keys, pair = np.unique(target[shared] * len(label_ids) + label[shared], return_inverse=True)
    # A reference without label objects has no keys, and no divisor.
    columns = max(len(label_ids), 1)
    return Contingency(
        label_ids,
        reference_ids,
        _sum_by(label + 1, lengths, len(label_ids) + 1)[1:],
        _sum_by(target + 1, lengths, len(reference_ids) + 1)[1:],
        keys % columns,
        keys // columns,
        _sum_by(pair, lengths[shared], len(keys)),
    )


def _checked(labels: ArrayLike, name: str) -> NDArray[np.integer]:
    array = np.asarray(labels)
    if array.dtype.kind not in "iu":
        raise LabelError(f"The {name} are of type {array.dtype}.", "Give a label image of integers, one id an object.")
    if array.size == 0:
        raise LabelError(f"The {name} have shape {array.shape}, without a pixel.", "Give a label image with pixels.")
    if array.min() < 0 or array.max() > _LARGEST_ID:
        wrong = array.min() if array.min() < 0 else array.max()
        raise LabelError(f"The {name} have the id {wrong}.", f"Use 0 for background and ids from 1 to {_LARGEST_ID}.")
    return array


def _in_scan_order(runs: NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """Ids other than 0 by first occurrence, and for each run its position among them, -1 for background."""
    ids, first, inverse = np.unique(runs, return_index=True, return_inverse=True)
    order = np.argsort(first)
    order = order[ids[order] != 0]
    rank = np.full(len(ids), -1, dtype=np.int64)
    rank[order] = np.arange(len(order))
    return ids[order].astype(np.int64), rank[inverse]


def _sum_by(index: IntArray, amounts: IntArray, n: int) -> IntArray:
    # bincount adds in float64, exact for counts below 2**53.
    return np.bincount(index, weights=amounts, minlength=n).astype(np.int64)
