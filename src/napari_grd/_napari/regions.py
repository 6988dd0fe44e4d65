"""Shapes drawn over an image, as pixels of the image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_grd._napari.source import ImageSource
from napari_grd.errors import ImageError

Outline = NDArray[np.float64]


def outlines(shapes: Shapes, source: ImageSource) -> list[Outline]:
    """The areas of a Shapes layer in coordinates of a plane of a source; lines are ignored.

    Fast enough for the GUI thread; :func:`mask_of` is for a worker.

    Returns
    -------
    list of (N, 2) float64
        Corners (y, x) in pixels of level 0.

    Raises
    ------
    ImageError
        If there is no area.
    """
    polygons = []
    for kind, corners in zip(shapes.shape_type, shapes.data, strict=True):
        if kind in ("line", "path"):
            continue
        around = _ellipse(corners) if kind == "ellipse" else corners
        points = [source.layer.world_to_data(shapes.data_to_world(corner)) for corner in around]
        polygons.append(np.array(points, np.float64)[:, list(source.spatial_axes)])
    if not polygons:
        raise ImageError(f"The layer {shapes.name!r} has no areas.", "Draw one around the objects you mean.")
    return polygons


def mask_of(areas: Sequence[Outline], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels inside any of several areas.

    Raises
    ------
    ImageError
        If there are none.

    Examples
    --------
    >>> mask_of([np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 2.0], [1.0, 0.0]])], (3, 4)).astype(int)
    array([[1, 1, 1, 0],
           [1, 1, 1, 0],
           [0, 0, 0, 0]])
    """
    from skimage.draw import polygon

    mask = np.zeros(shape, bool)
    for area in areas:
        mask[polygon(area[:, 0], area[:, 1], shape)] = True  # type: ignore[no-untyped-call]
    if not mask.any():
        raise ImageError("The shapes cover no pixel of the image.", "Draw an area over the image.")
    return mask


def _ellipse(corners: NDArray[Any]) -> NDArray[Any]:
    """Points on the ellipse inscribed in a parallelogram with these four corners."""
    middle = np.mean(corners, axis=0)
    first, second = (corners[1] - corners[0]) / 2, (corners[3] - corners[0]) / 2
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)[:, None]
    points: NDArray[Any] = middle + np.cos(angles) * first + np.sin(angles) * second
    return points
