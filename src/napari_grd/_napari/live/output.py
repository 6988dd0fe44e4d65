"""The Labels layer of live results."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.labels_layers import labels_layer

if TYPE_CHECKING:
    from napari_grd.live.session import LiveUpdate


class LiveOutput:
    """Keeps one layer in sync with the engine's canvas.

    Parameters
    ----------
    layers : LayerList
        Of the viewer.

    Attributes
    ----------
    layer : Labels or None
        None until there is a first result, and after the layer was removed.
    """

    def __init__(self, layers: Any) -> None:
        self.layer: Labels | None = None
        self._layers = layers
        self._canvas: NDArray[np.uint32] | None = None

    def show(self, update: "LiveUpdate", made_by: Mapping[str, Any], contour: int) -> None:
        """Show new labels; a new canvas replaces the layer."""
        if self.layer is not None and update.labels is self._canvas:
            self.layer.metadata["napari_grd"] = dict(made_by)
            self.layer.refresh(extent=False, highlight=False, thumbnail=not update.idle)
            return
        source: Any = update.source
        layer = labels_layer(
            source, update.view.level, update.labels, name=f"live instances of {source.layer.name}", made_by=made_by
        )
        layer.contour = contour
        before, self.layer = self.layer, None
        in_hand = self._layers.selection.active
        if before is not None:
            layer.opacity, layer.visible = before.opacity, before.visible
            self._layers.remove(before)
        self._layers.append(layer)
        self.layer, self._canvas = layer, update.labels
        if in_hand is not None and in_hand is not before:
            self._layers.selection.active = in_hand

    def set_contour(self, width: int) -> None:
        """Show outlines of a width in pixels; 0 fills the objects."""
        if self.layer is not None:
            self.layer.contour = width

    def forget(self, layer: Layer) -> bool:
        """Called when a layer was removed; True if it was this one."""
        if layer is not self.layer or layer is None:
            return False
        self.layer = self._canvas = None
        return True
