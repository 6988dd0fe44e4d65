"""Layer specifications become layers; existing layers are reused."""

from typing import Any

import numpy as np
from napari.layers import Image, Layer, Points, Vectors

from napari_grd._napari import outputs
from napari_grd._napari.inspect.image_region import ImageRegion
from napari_grd._napari.inspect.request import LayerSpec
from napari_grd._napari.inspect.text import offset_text
from napari_grd.io.units import MICROMETERS

_KINDS: dict[str, type[Layer]] = {"image": Image, "points": Points, "vectors": Vectors}
_PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "metadata")


def show_layer(viewer: Any, frame: ImageRegion, name: str, picture: LayerSpec, made_by: dict[str, Any]) -> Layer:
    """Show a layer specification at the region it was computed from.

    An existing layer of that name and view gets the new data and keeps its colors, its place in the list and its
    visibility.

    Parameters
    ----------
    viewer : ViewerModel
    frame : ImageRegion
        The region it was computed from.
    name : str
        Of the layer.
    picture : LayerSpec
    made_by : dict
        From :func:`napari_grd._napari.outputs.provenance`.

    Returns
    -------
    Layer
        In the viewer.
    """
    options = frame.options(
        made_by | {"view": picture.view, **picture.notes}, new_axes=picture.new_axes if picture.kind == "image" else ()
    )
    if picture.kind == "image":
        data = frame.lift(picture.data, leading=len(picture.new_axes))
    else:
        data = frame.lift_points(picture.data)
    return put_layer(viewer, _KINDS[picture.kind], name, data, options, dict(picture.look))


def put_layer(
    viewer: Any, kind: type[Layer], name: str, data: Any, place: dict[str, Any], look: dict[str, Any]
) -> Layer:
    """Add a layer, or give new data to the one of that name and view; see :func:`show_layer`."""
    before = next((layer for layer in viewer.layers if layer.name == name), None)
    if before is not None and _is_ours(before, kind, data, look, place):
        before.data = data
        if "features" in look:
            _recolor(before, look)
        for attribute in _PLACE:
            if attribute in place:
                setattr(before, attribute, place[attribute])
        return before
    layer: Layer = kind(data, name=name, **place, **look)
    return viewer.add_layer(layer)


def offset_shown(viewer: Any) -> str:
    """Description of the current offset of the topmost visible affinity stack; empty without one."""
    for layer in reversed(viewer.layers):
        offsets = outputs.made_by(layer).get("offsets")
        if layer.visible and offsets:
            number = round(float(layer.world_to_data(viewer.dims.point)[0]))
            if 0 <= number < len(offsets):
                offset = tuple(offsets[number])
                axes = range(layer.ndim - len(offset), layer.ndim)
                size = tuple(float(layer.scale[axis]) * MICROMETERS.get(str(layer.units[axis]), 0.0) for axis in axes)
                return offset_text(offset, number, len(offsets), size)
    return ""


def _is_ours(layer: Layer, kind: type[Layer], data: Any, look: dict[str, Any], place: dict[str, Any]) -> bool:
    dimensions = data.ndim - bool(look.get("rgb")) if kind is Image else data.shape[-1]
    return (
        type(layer) is kind
        and outputs.made_by(layer).get("view") == place["metadata"]["napari_grd"]["view"]
        and layer.ndim == dimensions
        and getattr(layer, "rgb", False) == bool(look.get("rgb"))
    )


def _recolor(layer: Layer, look: dict[str, Any]) -> None:
    """Features and colors must change length together."""
    layer.features = look["features"]
    if isinstance(layer, Points):
        layer.size = np.full(len(layer.data), look["size"])
    else:
        layer.edge_width = look["edge_width"]
        layer.edge_color = look["edge_color"]
        layer.edge_contrast_limits = look["edge_contrast_limits"]
