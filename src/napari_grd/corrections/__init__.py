"""Corrections of a segmentation: records, files, conversion to graph constraints and training labels."""

from napari_grd.corrections.apply import apply_corrections
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.constraint_history import constraints_of
from napari_grd.corrections.editor import Change, Editor
from napari_grd.corrections.files import load_corrections, save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import Journal, open_journal
from napari_grd.corrections.kinds import (
    Accept,
    Add,
    Correction,
    Draw,
    Erase,
    Link,
    Merge,
    Pick,
    Remove,
    Split,
    SplitLine,
    Unlink,
)
from napari_grd.corrections.predictions import PlanePrediction, Predictions, PredictionSource
from napari_grd.corrections.region import Region
from napari_grd.corrections.training_labels import training_labels
from napari_grd.corrections.uncertainty import UncertainObject, uncertain_objects

__all__ = [
    "Accept",
    "Add",
    "Change",
    "Correction",
    "Corrections",
    "Draw",
    "Editor",
    "Erase",
    "ImageRef",
    "Journal",
    "Link",
    "Merge",
    "Pick",
    "PlanePrediction",
    "PredictionSource",
    "Predictions",
    "Region",
    "Remove",
    "Split",
    "SplitLine",
    "UncertainObject",
    "Unlink",
    "apply_corrections",
    "constraints_of",
    "load_corrections",
    "open_journal",
    "save_corrections",
    "training_labels",
    "uncertain_objects",
]
