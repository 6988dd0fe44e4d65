"""What is shown under the pointer: the outline of what a click would pick, or the stroke so far."""

from typing import Any

import numpy as np
from napari.layers import Vectors

from napari_grd._napari.correct.gestures import Sketch
from napari_grd._napari.correct.objects import Plane, edges, path_edges
from napari_grd._napari.correct.subject import Subject

_WIDTH = 2.5  # points of the screen
_NAME = "correcting"


class Preview:
    """A layer of lines above all others, only there while a tool is in hand.

    Lines as Vectors: new ones every few milliseconds are too much for Shapes.

    Parameters
    ----------
    viewer : ViewerModel
    subject : Subject
    """

    def __init__(self, viewer: Any, subject: Subject) -> None:
        self._viewer = viewer
        self._subject = subject
        self._shown = False
        self.layer: Vectors | None = None

    def show(self, sketch: Sketch, plane: Plane, color: str) -> None:
        """Draw a sketch in place of the one before."""
        parts = []
        if sketch.region is not None:
            parts.append(edges(sketch.region))
        if len(sketch.line) > 1:
            parts.append(path_edges(sketch.line))
        if not parts and not self._shown:
            return
        layer = self._there()
        self._shown = bool(parts)
        found = np.concatenate(parts) if parts else np.zeros((0, 2, 2))
        lifted = self._subject.lift(found, plane)
        if len(lifted):
            lifted[:, 1, list(self._subject.plane_axes)] = 0  # steps stay in the plane
        layer.data = lifted
        if len(lifted):
            zoom = max(float(self._viewer.scene.camera.zoom), 1e-9)
            layer.edge_color = color
            layer.edge_width = _WIDTH / zoom / max(self._subject.pixel_size, 1e-9)

    def clear(self) -> None:
        """Show nothing."""
        self.show(Sketch(), (0,) * len(self._subject.plane_axes), "white")

    def remove(self) -> None:
        """Take the layer away."""
        layer, self.layer, self._shown = self.layer, None, False
        if layer is not None and layer in self._viewer.layers:
            self._viewer.layers.remove(layer)

    def _there(self) -> Vectors:
        if self.layer is None or self.layer not in self._viewer.layers:
            active = self._viewer.layers.selection.active
            empty = np.zeros((0, 2, self._subject.layer.ndim))
            self.layer = Vectors(empty, name=_NAME, vector_style="line", **self._subject.options())
            self._viewer.layers.append(self.layer)
            self._viewer.layers.selection.active = active
        return self.layer
