"""Layers that show what the student has learned so far, beside its teacher."""

from typing import Any

import numpy as np
from napari.layers import Layer

from napari_grd._napari.distil_data import PREVIEW
from napari_grd._napari.distil_pieces import Piece
from napari_grd._napari.outputs import output_options, provenance
from napari_grd.jobs import Preview


class PreviewLayers:
    """Keeps "preview: image", "preview: teacher" and "preview: student" up to date.

    They are added at the first preview. One that the user deletes stays away
    until the next run.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where they go.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._layers: dict[str, Layer] = {}
        self._options: dict[str, Any] = {}
        self._reference = "teacher"

    def start(self, shown: Piece | None) -> None:
        """A new run begins, whose validation image is this region of a layer, or comes from a file (None)."""
        self.remove()
        made_by = provenance() | {PREVIEW: True}
        self._options = {"metadata": {"napari_grd": made_by}}
        self._reference = "teacher" if shown is None or shown.labels is None else "ground truth"
        if shown is not None:
            source = shown.source
            start = [span.start for span in shown.region]
            self._options = output_options(source.layer, axes=source.spatial_axes, start=start, made_by=made_by)

    def show(self, event: Preview) -> None:
        """Show the pictures of an event."""
        image = np.asarray(event.images["image"])
        # Several channels are shown as one grey image: this is to recognise the place, not to judge it.
        self._put("image", image.mean(0) if len(image) > 1 else image[0])
        self._put(self._reference, np.asarray(event.images["reference"]))
        self._put("student", np.asarray(event.images["labels"]))

    def remove(self) -> None:
        """Take the layers away."""
        for layer in self._layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers.clear()

    def _put(self, what: str, pixels: Any) -> None:
        name = f"preview: {what}"
        if what in self._layers:
            self._layers[what].data = pixels
            return
        active = self._viewer.layers.selection.active
        if what == "image":
            layer = self._viewer.add_image(pixels, name=name, **self._options)
        else:
            layer = self._viewer.add_labels(pixels, name=name, **self._options)
            layer.editable = False
        self._layers[what] = layer
        # The user goes on working on what was selected.
        self._viewer.layers.selection.active = active
