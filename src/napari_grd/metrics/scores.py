"""All scores of a set of images in one call."""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from numpy.typing import ArrayLike

from napari_grd.errors import LabelError
from napari_grd.metrics.clustering import adapted_rand_error, variation_of_information
from napari_grd.metrics.contingency import Contingency, contingency
from napari_grd.metrics.matching import matched_pairs
from napari_grd.metrics.overlap import aggregated_jaccard, foreground_dice, symmetric_best_dice

# i / 20 is the same float as the literal (0.6, not 0.6000000000000001), so that ap[0.6] finds its value.
IOU_THRESHOLDS = tuple(i / 20 for i in range(10, 19))


@dataclass(frozen=True)
class Scores:
    """Agreement of segmentations with their references (method.md, section 13).

    Attributes
    ----------
    sbd : float
        Symmetric best Dice (CVPPP, definition until 2021), mean over images.
    dic : float
        |DiC|, absolute difference in object count, mean over images; 0 is best.
    aji : float
        Aggregated Jaccard index, mean over images.
    dice : float
        Dice of the foregrounds, the paper's pixel F1, mean over images.
    f1 : float
        Object F1 at IoU 0.5, 2 TP / (2 TP + FP + FN), over all objects of all
        images: the detection quality of PQ, which the paper's code prints as "Dice".
    ap : mapping of float to float
        Average precision TP / (TP + FP + FN) at each of ``IOU_THRESHOLDS``, over all objects of all images.
    pq : float
        Panoptic quality at IoU 0.5, over all objects of all images.
    voi_split, voi_merge : float
        Variation of information in bits, mean over images; 0 is best.
    arand : float
        Adapted Rand error, mean over images; 0 is best.
    """

    sbd: float
    dic: float
    aji: float
    dice: float
    f1: float
    ap: Mapping[float, float]
    pq: float
    voi_split: float
    voi_merge: float
    arand: float

    @property
    def ap50(self) -> float:
        """Average precision at IoU 0.5."""
        return self.ap[0.5]

    @property
    def ap75(self) -> float:
        """Average precision at IoU 0.75."""
        return self.ap[0.75]

    @property
    def ap_mean(self) -> float:
        """Average precision, mean over all thresholds."""
        return fmean(self.ap.values())

    def as_dict(self) -> dict[str, float]:
        """All scores by name; AP as ``ap50``, ``ap55``, ... and ``ap_mean``."""
        flat = {name: value for name, value in vars(self).items() if name != "ap"}
        flat |= {f"ap{round(100 * iou)}": value for iou, value in self.ap.items()}
        return flat | {"ap_mean": self.ap_mean}


def evaluate(reference: ArrayLike, labels: ArrayLike, *, min_size: int = 0) -> Scores:
    """Compare segmentations with reference segmentations.

    Counts of objects (AP, F1, PQ) are pooled over all images before the ratio
    is taken, so that an object has the same weight in every image; the other
    scores are means over images. An object is a true positive if its IoU with its one-to-one match is at least the
    threshold. Scores of pixel clusterings (VOI, ARAND) ignore reference background.

    Parameters
    ----------
    reference, labels : array_like of int, or a list or tuple of them
        Label images of any number of axes, 0 is background, ids need not be
        consecutive. One bare array is one image; of a list each entry is one
        image, as long as the other list, and shapes may differ from image to image.
    min_size : int
        Objects of fewer pixels (of an id, connected or not) are erased from
        both sides before anything is compared, as if they had been background
        in the files. A small reference object is then not missed and
        a small label object not spurious; of a pair that straddles the limit
        the larger object stays, without its partner.

    Returns
    -------
    Scores
        An image without objects on both sides is a perfect one. With objects on one side only, SBD, AJI, Dice and the
        counts are 0; VOI and ARAND evaluate reference objects only and are 0 (no error) without any.

    Raises
    ------
    LabelError
        If an array is not a label image (integers, ids >= 0), the shapes of
        a pair differ, or the lists differ in length or are empty.
    ConfigError
        If ``min_size`` is negative.

    See Also
    --------
    find_errors : The errors of single objects.
    skimage.metrics.variation_of_information, skimage.metrics.adapted_rand_error

    Examples
    --------
    >>> import numpy as np
    >>> scores = evaluate(reference=np.array([[5, 5, 0, 0]]), labels=np.array([[1, 1, 0, 2]]))
    >>> scores.ap50, scores.dic, round(scores.f1, 3)
    (0.5, 1.0, 0.667)
    """
    tables = [
        contingency(reference=expected, labels=segmented).without_small(min_size)
        for expected, segmented in _image_pairs(reference, labels)
    ]
    objects = sum(len(table.label_ids) + len(table.reference_ids) for table in tables)
    pairs_by_iou = {iou: [matched_pairs(table, iou) for table in tables] for iou in IOU_THRESHOLDS}
    hits = {iou: sum(map(len, pairs)) for iou, pairs in pairs_by_iou.items()}
    quality = sum(float(table.iou[pairs].sum()) for table, pairs in zip(tables, pairs_by_iou[0.5], strict=True))
    voi = [variation_of_information(table) for table in tables]
    return Scores(
        sbd=fmean(map(symmetric_best_dice, tables)),
        dic=fmean(map(_count_difference, tables)),
        aji=fmean(map(aggregated_jaccard, tables)),
        dice=fmean(map(foreground_dice, tables)),
        f1=_ratio(2 * hits[0.5], objects),
        # TP + FP + FN: a match is one true positive for two objects.
        ap={iou: _ratio(tp, objects - tp) for iou, tp in hits.items()},
        pq=_ratio(2 * quality, objects),
        voi_split=fmean(split for split, _ in voi),
        voi_merge=fmean(merge for _, merge in voi),
        arand=fmean(map(adapted_rand_error, tables)),
    )


def _image_pairs(reference: ArrayLike, labels: ArrayLike) -> list[tuple[ArrayLike, ArrayLike]]:
    if isinstance(labels, list | tuple) and isinstance(reference, list | tuple):
        if len(labels) != len(reference) or not labels:
            raise LabelError(
                f"There are {len(labels)} label images and {len(reference)} references.",
                "Give one reference for each label image, and at least one.",
            )
        return list(zip(reference, labels, strict=True))
    if isinstance(labels, list | tuple) or isinstance(reference, list | tuple):
        raise LabelError(
            f"The labels are a {type(labels).__name__} and the reference is a {type(reference).__name__}.",
            "Give two arrays, or two lists of arrays.",
        )
    return [(reference, labels)]


def _count_difference(table: Contingency) -> int:
    return abs(len(table.label_ids) - len(table.reference_ids))


def _ratio(part: float, whole: float) -> float:
    """Share of correct objects; 1 if there are none on both sides."""
    return part / whole if whole else 1.0
