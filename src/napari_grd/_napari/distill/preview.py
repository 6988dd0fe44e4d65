"""Layers that show what the student has learned so far, beside its teacher."""

from functools import partial
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.deferred import DeferredCalls
from napari_grd._napari.distill.data import PREVIEW
from napari_grd._napari.distill.pieces import Piece
from napari_grd._napari.outputs import output_options, provenance
from napari_grd.jobs import PreviewImages

_OUTLINE = 2  # pixels


class PreviewLayers:
    """Keeps "preview: image", "preview: student" and "preview: teacher" up to date.

    The teacher's objects are outlines around the student's. The layers are
    added, still empty, when a run is started, and one at a time, as adding and
    removing each takes napari a while. One that the user deletes stays away until the next run.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where they go.
    deferred : DeferredCalls
        When they are added and changed.
    """

    def __init__(self, viewer: Any, deferred: DeferredCalls) -> None:
        self._viewer = viewer
        self._deferred = deferred
        self._layers: dict[str, Layer] = {}
        self._leaving: list[Layer] = []
        self._options: dict[str, Any] = {}
        self._reference = "teacher"
        self._planned = False
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
            self._plan(shown.shape)

    def show(self, event: PreviewImages) -> None:
        """Show the pictures of an event."""
        image = np.asarray(event.images["image"])
        if not self._planned:
            self._plan(image.shape[1:])
        if self._empty:  # these stay as they are for a whole run
            self._empty = False
            # Several channels are shown as one gray image: this is to recognize the place, not to judge it.
            gray = image.mean(0) if len(image) > 1 else image[0]
            self._deferred.add(partial(self._show_image, gray))
            self._deferred.add(partial(self._show_labels, "reference", outlines(event.images["reference"])))
        self._deferred.add(partial(self._show_labels, "student", event.images["labels"]))

    def finish(self) -> None:
        """The run has ended: layers that nothing was shown in go away."""
        if self._empty:
            self.remove()

    def remove(self) -> None:
        """Take the layers away."""
        self._deferred.clear()
        self._leaving += self._layers.values()
        self._layers.clear()
        for layer in self._leaving:
            self._deferred.add(partial(self._drop, layer))
        self._planned, self._empty = False, True

    def _drop(self, layer: Layer) -> None:
        self._leaving.remove(layer)
        if layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _plan(self, shape: tuple[int, ...]) -> None:
        self._planned = True
        for key in ("image", "student", "reference"):
            self._deferred.add(partial(self._add, key, shape))

    def _add(self, key: str, shape: tuple[int, ...]) -> None:
        layer: Layer
        if key == "image":  # seen through until there is something to see
            layer = Image(np.zeros(shape, np.float32), name="preview: image", opacity=0.0, **self._options)
        else:
            name = self._reference if key == "reference" else key
            layer = Labels(np.zeros(shape, np.uint32), name=f"preview: {name}", **self._options)
        layer.editable = False
        active = self._viewer.layers.selection.active
        self._layers[key] = self._viewer.add_layer(layer)
        # The user goes on working on what was selected.
        self._viewer.layers.selection.active = active

    def _show_image(self, image: NDArray[Any]) -> None:
        layer = self._layers["image"]
        layer.data = image
        layer.reset_contrast_limits()
        layer.opacity = 1.0

    def _show_labels(self, key: str, labels: NDArray[np.uint32]) -> None:
        self._layers[key].data = labels


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
