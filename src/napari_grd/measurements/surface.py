"""Surface area of objects in volumes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import marching_cubes, mesh_surface_area

_SMOOTH = 0.7  # standard deviation of the smoothing, in lengths of the longest side of a voxel
_MOST = 3.0  # its maximum in voxels
_KEPT = 0.6  # minimum share of the volume inside the smoothed surface: thin objects are not smoothed


def surface_area(mask: NDArray[np.bool_], scale: Sequence[float]) -> float:
    """Area of the surface of an object, by marching cubes.

    Parameters
    ----------
    mask : (D, H, W) bool
        With at least one voxel.
    scale : (float, float, float)
        Length of a voxel along z, y and x.

    Returns
    -------
    float
        In units of the scale, squared; including the surfaces of cavities.

    Notes
    -----
    The steps of voxels would add 10 to 20 %: the mask is smoothed, and the mesh is scaled to the object's volume.
    The error is within 4 % for balls and ellipsoids with half axes of ten pixels, also if slices are four times as
    thick as pixels are wide. Edges are rounded: a box has up to 10 % less, one of four slices 13 %.

    Examples
    --------
    >>> z, y, x = np.indices((13, 25, 25)) - 12.0
    >>> ball = (2 * (z + 6)) ** 2 + y**2 + x**2 <= 10**2
    >>> round(surface_area(ball, (2, 1, 1)) / (4 * np.pi * 10**2), 1)
    1.0
    """
    volume = float(np.count_nonzero(mask) * np.prod(scale))
    padded = np.pad(mask, 1 + int(np.ceil(4 * _MOST))).astype(np.float32)
    length = _SMOOTH * max(scale)
    smooth = ndimage.gaussian_filter(padded, [min(length / step, _MOST) for step in scale])
    if smooth.max() > 0.5:
        area, inside = _mesh(smooth, scale)
        if inside >= _KEPT * volume:
            return float(area * (volume / inside) ** (2 / 3))
    return _mesh(padded, scale)[0]


def _mesh(values: NDArray[np.float32], scale: Sequence[float]) -> tuple[float, float]:
    """Area of the surface at half of the maximum value, and the volume inside."""
    vertices, faces, _, _ = marching_cubes(values, 0.5, spacing=tuple(scale))  # type: ignore[no-untyped-call]
    area = float(mesh_surface_area(vertices, faces))  # type: ignore[no-untyped-call]
    corners = vertices[faces]
    inside = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    return area, abs(float(inside))
