"""Showing an object in the viewer, and finding the object that was clicked."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from weakref import WeakMethod

from napari.layers import Labels


def show_object(viewer: Any, layer: Labels, label: int, place: Sequence[int]) -> None:
    """Select an object and bring it to the center of the view.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : Labels
    label : int
        Its id.
    place : sequence of int
        A pixel of it, as an index into the layer's data.
    """
    world = layer.data_to_world(place)
    first = viewer.dims.ndim - layer.ndim  # a layer with fewer axes has the last ones of the viewer
    points = {first + axis: position for axis, position in enumerate(world)}
    hidden = [axis for axis in points if axis not in viewer.dims.displayed]
    if hidden:
        viewer.dims.set_point(hidden, [points[axis] for axis in hidden])
    viewer.scene.camera.center = tuple(points.get(axis, viewer.dims.point[axis]) for axis in viewer.dims.displayed)
    layer.selected_label = label


def index_of(layer: Labels, position: Sequence[float]) -> tuple[int, ...]:
    """The pixel of a layer at a world position; it may be outside the layer."""
    return tuple(round(float(coordinate)) for coordinate in layer.world_to_data(position))


def on_click(picked: Callable[[Any], None]) -> Callable[[Any, Any], Iterator[None]]:
    """A mouse callback for napari that calls a method with the event of a click, but not after a drag.

    The method's owner is not kept alive: napari keeps mouse callbacks in a plain list.
    """
    method = WeakMethod(picked)

    def callback(_viewer: Any, event: Any) -> Iterator[None]:
        dragged = False
        yield
        while event.type == "mouse_move":
            dragged = True
            yield
        call = method()
        if call is not None and not dragged:
            call(event)

    return callback


def label_at(layer: Labels, event: Any) -> int:
    """The label under the mouse, 0 if there is none."""
    value = layer.get_value(
        event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
    )
    if layer.multiscale and value is not None:
        value = value[1]
    return int(value or 0)
