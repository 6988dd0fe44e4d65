"""Layers that show what the student has learned so far, beside its teacher."""

from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.distil.data import PREVIEW
from napari_grd._napari.distil.pieces import Piece
from napari_grd._napari.outputs import output_options, provenance
from napari_grd.jobs import Preview

_OUTLINE = 2  # pixels


class PreviewLayers:
    """Keeps "preview: image", "preview: student" and "preview: teacher" up to date.

    The teacher's objects are outlines around the student's. The layers are
    added, still empty, when a run is started, as that takes napari a while. One
    that the user deletes stays away until the next run.

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
        self._empty = True

    def start(self, shown: Piece | None) -> None:
        """A new run begins, whose validation image is this region of a layer, or is not known yet (None)."""
        self.remove()
        made_by = provenance() | {PREVIEW: True}
        self._options = {"metadata": {"napari_grd": made_by}}
        self._reference = "teacher" if shown is None or shown.labels is None else "ground truth"
        if shown is not None:
            source = shown.source
            start = [span.start for span in shown.region]
            self._options = output_options(source.layer, axes=source.spatial_axes, start=start, made_by=made_by)
            self._add(shown.shape)

    def show(self, event: Preview) -> None:
        """Show the pictures of an event."""
        image = np.asarray(event.images["image"])
        if not self._layers:
            self._add(image.shape[1:])
        self._layers["student"].data = event.images["labels"]
        if self._empty:  # the rest stays as it is for a whole run
            self._empty = False
            # Several channels are shown as one grey image: this is to recognise the place, not to judge it.
            self._layers["image"].data = image.mean(0) if len(image) > 1 else image[0]
            self._layers["image"].reset_contrast_limits()
            self._layers["image"].opacity = 1.0
            self._layers["reference"].data = outlines(event.images["reference"])

    def finish(self) -> None:
        """The run has ended: layers that nothing was shown in go away."""
        if self._empty:
            self.remove()

    def remove(self) -> None:
        """Take the layers away."""
        for layer in self._layers.values():
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)
        self._layers.clear()
        self._empty = True

    def _add(self, shape: tuple[int, ...]) -> None:
        nothing: NDArray[np.uint32] = np.zeros(shape, np.uint32)
        # Seen through until there is something to see.
        image = Image(np.zeros(shape, np.float32), name="preview: image", opacity=0.0, **self._options)
        student = Labels(nothing, name="preview: student", **self._options)
        reference = Labels(nothing, name=f"preview: {self._reference}", **self._options)
        active = self._viewer.layers.selection.active
        for key, layer in (("image", image), ("student", student), ("reference", reference)):
            layer.editable = False
            self._layers[key] = self._viewer.add_layer(layer)
        # The user goes on working on what was selected.
        self._viewer.layers.selection.active = active


def outlines(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Objects reduced to their outermost pixels, two wide.

    napari's own contours are computed anew at every draw, which takes a tenth
    of a second for half a million pixels.

    Examples
    --------
    >>> outlines(np.array([[0, 7, 7, 7, 7, 7, 0]], np.uint32))
    array([[0, 7, 7, 0, 7, 7, 0]], dtype=uint32)
    """
    inside = np.ones(labels.shape, bool)
    for axis in range(labels.ndim):
        lines, within = np.moveaxis(labels, axis, 0), np.moveaxis(inside, axis, 0)
        for step in range(1, _OUTLINE + 1):
            same = lines[step:] == lines[:-step]
            within[step:] &= same
            within[:-step] &= same
    return np.where(inside, 0, labels).astype(np.uint32)
