"""The visible part of an image, in the image's coordinates."""

from itertools import product
from typing import Any

import numpy as np
from napari.layers import Image

from napari_grd._napari.source import ImageSource
from napari_grd.errors import ImageError
from napari_grd.live.viewport import Viewport


def displayed_axes(viewer: Any, layer: Image) -> tuple[int, int] | None:
    """The layer's axes that are rows and columns on the canvas; None if the canvas shows others, or three."""
    if viewer.dims.ndisplay != 2:
        return None
    row, column = (int(axis) - (viewer.dims.ndim - layer.ndim) for axis in viewer.dims.displayed)
    return (row, column) if min(row, column) >= 0 else None


def viewport_of(viewer: Any, source: ImageSource) -> Viewport:
    """The visible part of a source, with the plane at the sliders."""
    low, high = _corners(viewer, source.layer, list(source.spatial_axes))
    return Viewport(source.current_plane(viewer), low, high)


def volume_viewport_of(viewer: Any, source: ImageSource) -> Viewport:
    """The visible part of a volume: of the last axis of planes of a source, its rows and its columns.

    Raises
    ------
    ImageError
        If the canvas does not show two of these three axes.
    """
    axes = [source.plane_axes[-1], *source.spatial_axes]
    across = [number for number, axis in enumerate(axes) if axis not in (displayed_axes(viewer, source.layer) or ())]
    if len(across) != 1:
        raise ImageError(f"The view does not show planes of {source.layer.name!r}.", "Show two of z, y and x.")
    low, high = (list(corner) for corner in _corners(viewer, source.layer, axes))
    low[across[0]] = high[across[0]] = round(low[across[0]])  # the same for all corners
    return Viewport(source.current_plane(viewer)[:-1], tuple(low), tuple(high), across[0])


def _corners(viewer: Any, layer: Image, axes: list[int]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Lowest and highest data coordinates of the canvas along axes of a layer.

    They are computed from the camera and not taken from ``layer.corner_pixels``,
    which lags behind until the next draw and is rounded to chunks in pyramids.
    """
    zoom = max(float(viewer.scene.camera.zoom), 1e-12)
    middle = viewer.scene.camera.center[-2:]
    half = [size / zoom / 2 for size in viewer.canvas.size]
    displayed = list(viewer.dims.displayed)
    corners = []
    for signs in product((-1, 1), repeat=2):
        place = np.array(viewer.dims.point, float)
        place[displayed] = [center + sign * reach for center, sign, reach in zip(middle, signs, half, strict=True)]
        # All four corners, as the layer may be rotated.
        corners.append(np.asarray(layer.world_to_data(place), float)[axes])
    return tuple(np.min(corners, axis=0).tolist()), tuple(np.max(corners, axis=0).tolist())
