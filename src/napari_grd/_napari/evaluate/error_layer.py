"""Segmentation errors as a colored layer, and its legend."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from napari.utils.colormaps.standardize_color import transform_color
from numpy.typing import NDArray
from qtpy.QtWidgets import QGridLayout, QLabel, QWidget

from napari_grd._napari.object_table.labels_layer import finest
from napari_grd._napari.outputs import add_unselected, output_options
from napari_grd._napari.outputs import made_by as known
from napari_grd.metrics.errors import ErrorKind

# A palette that is safe for color-blind readers (Okabe and Ito).
_COLORS = {
    ErrorKind.MISSED: "#0072b2",
    ErrorKind.SPURIOUS: "#e69f00",
    ErrorKind.MERGED: "#cc79a7",
    ErrorKind.SPLIT: "#009e73",
}
_OPACITY = 0.7
_MEANING = {
    ErrorKind.MISSED: "A reference object without a match.",
    ErrorKind.SPURIOUS: "A segmented object without a match in the reference.",
    ErrorKind.MERGED: "One segmented object that covers most of two or more reference objects.",
    ErrorKind.SPLIT: "A reference object that covers most of two or more segmented objects.",
}


def show_errors(
    viewer: Any, layer: Labels, reference: Labels, picture: NDArray[np.uint8], made_by: Mapping[str, Any]
) -> Labels:
    """Add the errors of a Labels layer as a layer above it, or update the existing one.

    It lies right above the two layers that were compared, so that it hides nothing that lies over both. When it is
    added, these are hidden: four translucent colors are not seen among theirs. The selected layer stays selected.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer, reference : Labels
        The evaluated layer, and the one it was compared with.
    picture : (*S) uint8
        ErrorKind of each pixel of its finest level.
    made_by : mapping
        Provenance.
    """
    name = f"errors of {layer.name}"
    shown = next(
        (candidate for candidate in viewer.layers if candidate.name == name and "judged" in known(candidate)), None
    )
    options = output_options(layer, made_by=made_by)
    if shown is not None and finest(shown).shape == picture.shape:
        shown.data = picture
        shown.metadata = options["metadata"]
        return shown
    features = {"index": [int(kind) for kind in _COLORS], "kind": [kind.name.lower() for kind in _COLORS]}
    # Row n is for kind n. For a colormap by number napari would compile code in the window, for seconds.
    colormap = CyclicLabelColormap(colors=transform_color(["transparent", *_COLORS.values()]))
    made = Labels(picture, name=name, colormap=colormap, features=features, opacity=_OPACITY, **options)
    add_unselected(viewer.layers, made, max(viewer.layers.index(candidate) for candidate in (layer, reference)) + 1)
    layer.visible = reference.visible = False
    return made


class ErrorLegend(QWidget):
    """A color, a name and a count for every kind of error."""

    def __init__(self) -> None:
        super().__init__()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setColumnStretch(1, 1)
        self.counts: dict[ErrorKind, QLabel] = {}
        for row, (kind, color) in enumerate(_COLORS.items()):
            patch, name, count = QLabel(), QLabel(kind.name.lower()), QLabel("–")
            patch.setFixedSize(14, 14)
            patch.setStyleSheet(f"background-color: {color}; border: 1px solid gray; border-radius: 3px;")
            for column, part in enumerate((patch, name, count)):
                part.setToolTip(_MEANING[kind])
                grid.addWidget(part, row, column)
            self.counts[kind] = count

    def show_counts(self, counts: Mapping[ErrorKind, int]) -> None:
        """Show the number of errors of each kind."""
        for kind, label in self.counts.items():
            label.setText(f"{counts[kind]:,}")
