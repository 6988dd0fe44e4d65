"""What the scores are called, and what they say in plain words."""

from napari_grd.metrics import IOU_THRESHOLDS

_WORDS = {
    "sbd": ("SBD", "Symmetric best Dice: how well each object's shape is covered by its best partner. 1 is perfect."),
    "dic": ("|DiC|", "Difference in count: how many objects too many or too few. 0 is perfect."),
    "aji": ("AJI", "Aggregated Jaccard index: overlap of matched objects; missed and extra pixels cost. 1 is perfect."),
    "dice": ("Dice", "Overlap of all objects together, however they are divided: right pixels. 1 is perfect."),
    "f1": ("F1", "Share of objects found, with missed and extra ones counted alike (IoU 0.5). 1 is perfect."),
    "pq": ("PQ", "Panoptic quality: share of objects found, times how well their shapes fit. 1 is perfect."),
    "voi_split": (
        "VOI split",
        "Variation of information, in bits: how far objects are cut up. 0 is perfect.",
    ),
    "voi_merge": ("VOI merge", "Variation of information, in bits: how far objects run together. 0 is perfect."),
    "arand": ("ARAND", "Adapted Rand error: how often two pixels are wrongly joined or parted. 0 is perfect."),
    "ap_mean": ("AP mean", "Mean of AP over all thresholds. 1 is perfect."),
}
_AP = "Share of right objects among all that are right, extra or missed, where right means an IoU of at least {:g}."


def score_descriptions() -> dict[str, tuple[str, str]]:
    """Short name and explanation of every score, by its key in ``Scores.as_dict()``.

    Examples
    --------
    >>> score_descriptions()["ap50"][0]
    'AP@0.5'
    """
    precision = {f"ap{round(100 * iou)}": (f"AP@{iou:g}", _AP.format(iou)) for iou in IOU_THRESHOLDS}
    return _WORDS | precision
