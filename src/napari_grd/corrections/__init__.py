"""What a person corrected: its record, its file, what it says to the graph and to the student."""

from napari_grd.corrections.change import Change
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.doubt import Doubt, doubts
from napari_grd.corrections.edges import constraints_of, constraints_of_one
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.evidence import Evidence, PlaneEvidence, Predictions
from napari_grd.corrections.files import load_corrections, save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import Journal, open_journal
from napari_grd.corrections.kinds import (
    Accept,
    Add,
    Correction,
    Cut,
    Draw,
    Erase,
    Join,
    Link,
    Pick,
    Remove,
    Split,
    Unlink,
)
from napari_grd.corrections.lessons import training_labels
from napari_grd.corrections.region import Region
from napari_grd.corrections.replay import replay

__all__ = [
    "Accept",
    "Add",
    "Change",
    "Correction",
    "Corrections",
    "Cut",
    "Doubt",
    "Draw",
    "Editor",
    "Erase",
    "Evidence",
    "ImageRef",
    "Join",
    "Journal",
    "Link",
    "Pick",
    "PlaneEvidence",
    "Predictions",
    "Region",
    "Remove",
    "Split",
    "Unlink",
    "constraints_of",
    "constraints_of_one",
    "doubts",
    "load_corrections",
    "open_journal",
    "replay",
    "save_corrections",
    "training_labels",
]
