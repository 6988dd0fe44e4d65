"""Scores of a segmentation against a reference, for label images of any dimension (method.md, section 13)."""

from napari_grd.metrics.errors import ErrorKind, SegmentationErrors, find_errors
from napari_grd.metrics.matching import Matches, match_objects
from napari_grd.metrics.scores import IOU_THRESHOLDS, Scores, evaluate

__all__ = [
    "IOU_THRESHOLDS",
    "ErrorKind",
    "Matches",
    "Scores",
    "SegmentationErrors",
    "evaluate",
    "find_errors",
    "match_objects",
]
