"""Names and explanations of the scores."""

from napari_grd.metrics.scores import IOU_THRESHOLDS

_WORDS = {
    "sbd": ("SBD", "Symmetric best Dice: how well each object is covered by its best match. 1 is perfect."),
    "dic": ("|DiC|", "Difference in count: number of surplus or missing objects. 0 is perfect."),
    "aji": (
        "AJI",
        "Aggregated Jaccard index: overlap of matched objects; missed and extra pixels are penalized. 1 is perfect.",
    ),
    "dice": ("Dice", "Overlap of the foregrounds, regardless of how they are divided into objects. 1 is perfect."),
    "f1": ("F1", "Detection score; missed and extra objects count equally (IoU 0.5). 1 is perfect."),
    "pq": ("PQ", "Panoptic quality: detection score times mean IoU of the matches. 1 is perfect."),
    "voi_split": (
        "VOI split",
        "Variation of information, in bits: how strongly objects are split. 0 is perfect.",
    ),
    "voi_merge": ("VOI merge", "Variation of information, in bits: how strongly objects are merged. 0 is perfect."),
    "arand": ("ARAND", "Adapted Rand error: how often two pixels are wrongly merged or split. 0 is perfect."),
    "ap_mean": ("AP mean", "Mean of AP over all thresholds. 1 is perfect."),
}
_AP = "Correct objects as a share of all correct, extra and missed ones; correct means an IoU of at least {:g}."


def score_descriptions() -> dict[str, tuple[str, str]]:
    """Short name and explanation of every score, by its key in ``Scores.as_dict()``.

    Examples
    --------
    >>> score_descriptions()["ap50"][0]
    'AP@0.5'
    """
    precision = {f"ap{round(100 * iou)}": (f"AP@{iou:g}", _AP.format(iou)) for iou in IOU_THRESHOLDS}
    return _WORDS | precision
