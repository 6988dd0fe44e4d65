"""The Labels layer that live results appear in."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.outputs import output_options
from napari_grd._napari.source import ImageSource

if TYPE_CHECKING:
    from napari_grd.live.session import LiveUpdate

_PLAIN = 2048**2  # pixels of a plane above which napari gets a pyramid, so that it draws only what is visible
_COARSEST = 512  # rows or columns at which a pyramid may end


class LiveOutput:
    """Keeps one layer in step with the engine's canvas.

    Parameters
    ----------
    layers : LayerList
        Of the viewer.

    Attributes
    ----------
    layer : Labels or None
        None until there is a first result, and after somebody removed it.
    """

    def __init__(self, layers: Any) -> None:
        self.layer: Labels | None = None
        self._layers = layers
        self._canvas: NDArray[np.uint32] | None = None

    def show(self, update: "LiveUpdate", made_by: Mapping[str, Any], contour: int) -> None:
        """Show new labels; another canvas gets a new layer in the place of the old one."""
        if self.layer is not None and update.labels is self._canvas:
            self.layer.metadata["napari_grd"] = dict(made_by)
            self.layer.refresh(extent=False, highlight=False, thumbnail=not update.idle)
            return
        source: Any = update.source
        layer = labels_layer(
            source, update.view.level, update.labels, name=f"{source.layer.name} live", made_by=made_by
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


def labels_layer(
    source: ImageSource, level: int, labels: NDArray[np.uint32], *, name: str, made_by: Mapping[str, Any]
) -> Labels:
    """A layer that shows labels of a source where the source lies.

    Parameters
    ----------
    source : ImageSource
        What was segmented.
    level : int
        The level of its pyramid that the labels belong to.
    labels : (*planes, H, W) uint32
        They are shown, not copied: what is written there is seen at the next refresh.
    name : str
        Name of the layer.
    made_by : mapping
        Provenance, see :func:`napari_grd._napari.outputs.provenance`.
    """
    layer, channels = source.layer, source.channel_axis
    axes = [axis for axis in range(layer.ndim) if axis != channels]
    data = np.moveaxis(labels, (-2, -1), [axes.index(axis) for axis in source.spatial_axes])
    factors = [source.factors(level)[axis] if axis in source.spatial_axes else 1.0 for axis in axes]
    if channels:
        # Axes of layers are matched from the last one, so this one has to be
        # kept if others lie before it: as a single position as long as all channels.
        data = np.expand_dims(data, channels)
        axes.insert(channels, channels)
        factors.insert(channels, _length(source, channels))
    options = output_options(layer, axes=axes, factors=factors, made_by=made_by)
    spatial = [axes.index(axis) for axis in source.spatial_axes]
    pyramid = _pyramid(data, spatial)
    several = len(pyramid) > 1
    return Labels(pyramid if several else data, multiscale=several, name=name, **options)


def _length(source: ImageSource, axis: int) -> int:
    data = source.layer.data[0] if source.layer.multiscale else source.layer.data
    return int(data.shape[axis])


def _pyramid(data: NDArray[np.uint32], spatial: list[int]) -> list[NDArray[np.uint32]]:
    """Every second, fourth, ... pixel of the same memory, down to what fits a screen."""
    levels = [data]
    if data.shape[spatial[0]] * data.shape[spatial[1]] > _PLAIN:
        while max(levels[-1].shape[axis] for axis in spatial) > 2 * _COARSEST:
            every_second = tuple(slice(None, None, 2 if axis in spatial else 1) for axis in range(data.ndim))
            levels.append(levels[-1][every_second])
    return levels
