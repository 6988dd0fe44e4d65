"""The visible part of an image, in the image's coordinates."""

from itertools import product
from typing import Any

import numpy as np
from napari.layers import Image

from napari_grd._napari.source import ImageSource
from napari_grd.live.viewport import Viewport


def displayed_axes(viewer: Any, layer: Image) -> tuple[int, int] | None:
    """The layer's axes that are rows and columns on the canvas; None if the canvas shows others, or three."""
    if viewer.dims.ndisplay != 2:
        return None
    row, column = (int(axis) - (viewer.dims.ndim - layer.ndim) for axis in viewer.dims.displayed)
    return (row, column) if min(row, column) >= 0 else None


def viewport_of(viewer: Any, source: ImageSource) -> Viewport:
    """The visible part of a source, with the plane at the sliders.

    It is computed from the camera and not taken from ``layer.corner_pixels``,
    which lags behind until the next draw and is rounded to chunks in pyramids.
    """
    zoom = max(float(viewer.scene.camera.zoom), 1e-12)
    middle = viewer.scene.camera.center[-2:]
    half = [size / zoom / 2 for size in viewer.canvas.size]
    displayed = list(viewer.dims.displayed)
    corners = []
    for signs in product((-1, 1), repeat=2):
        place = np.array(viewer.dims.point, float)
        place[displayed] = [at + sign * reach for at, sign, reach in zip(middle, signs, half, strict=True)]
        # All four corners, as the layer may be rotated.
        corners.append(source.layer.world_to_data(place)[list(source.spatial_axes)])
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    return Viewport(source.current_plane(viewer), (float(low[0]), float(low[1])), (float(high[0]), float(high[1])))
