"""Preview layers: the student's current result and its teacher's."""

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

    The teacher's objects are outlines around the student's. The layers are added, still empty, when a run starts, one
    at a time because adding and removing layers is slow. A layer that the user deletes is not added again until the
    next run.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer that shows them.
    deferred : DeferredCalls
        Schedules additions and changes.
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
        """Start a run whose validation image is this region of a layer, or not known yet (None)."""
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
        """Show the images of an event."""
        image = np.asarray(event.images["image"])
        if not self._planned:
            self._plan(image.shape[1:])
        if self._empty:  # constant during a run
            self._empty = False
            # Several channels are shown as one gray image, sufficient to recognize the region.
            gray = image.mean(0) if len(image) > 1 else image[0]
            self._deferred.add(partial(self._show_image, gray))
            self._deferred.add(partial(self._show_labels, "reference", outlines(event.images["reference"])))
        self._deferred.add(partial(self._show_labels, "student", event.images["labels"]))

    def finish(self) -> None:
        """The run has ended: remove the layers that are still empty."""
        if self._empty:
            self.remove()

    def remove(self) -> None:
        """Remove the layers."""
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
        if key == "image":  # transparent until there is content
            layer = Image(np.zeros(shape, np.float32), name="preview: image", opacity=0.0, **self._options)
        else:
            name = self._reference if key == "reference" else key
            layer = Labels(np.zeros(shape, np.uint32), name=f"preview: {name}", **self._options)
        layer.editable = False
        active = self._viewer.layers.selection.active
        self._layers[key] = self._viewer.add_layer(layer)
        # Keep the user's selection.
        self._viewer.layers.selection.active = active

    def _show_image(self, image: NDArray[Any]) -> None:
        layer = self._layers["image"]
        layer.data = image
        layer.reset_contrast_limits()
        layer.opacity = 1.0

    def _show_labels(self, key: str, labels: NDArray[np.uint32]) -> None:
        self._layers[key].data = labels


def outlines(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Objects reduced to outlines two pixels wide.

    napari recomputes its own contours at every draw, which takes 0.1 s for half a million pixels.

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
