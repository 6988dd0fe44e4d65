"""Size, place and shape of one object, in calibrated units."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops

from napari_grd.measurements.geometry import Geometry
from napari_grd.measurements.surface import surface_area


def number_objects(labels: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids in ascending order, and the labels with the ids' positions, from 1, in their place.

    Examples
    --------
    >>> number_objects(np.array([0, 900, 3]))
    (array([  3, 900]), array([0, 2, 1]))
    """
    ids, numbered = np.unique(labels, return_inverse=True)
    if ids[0] != 0:
        return ids.astype(np.int64), numbered + 1
    return ids[1:].astype(np.int64), numbered


def regions(numbered: NDArray[np.int64], scale: Sequence[float] | None = None) -> Iterator[Any]:
    """Objects as skimage's regions, in the order of their labels; properties are computed on access.

    A region keeps what was computed, so none is kept here: for many objects that would be the most of the memory.
    """
    properties: list[Any] = regionprops(numbered, spacing=scale)  # type: ignore[no-untyped-call]
    properties.reverse()
    while properties:
        yield properties.pop()


def describe(region: Any, geometry: Geometry) -> dict[str, float]:
    """Size, place and shape of one object, under the keys of :func:`skimage.measure.regionprops_table` if available.

    Parameters
    ----------
    region : skimage.measure._regionprops.RegionProperties
        From :func:`regions`, with the geometry's scale.
    geometry : Geometry

    Returns
    -------
    dict of str to float
    """
    centroid = region.coords.mean(axis=0) * np.array(geometry.scale) + np.array(geometry.translate)
    row = {"area": region.area, "equivalent_diameter_area": region.equivalent_diameter_area}
    row |= {f"centroid-{axis}": position for axis, position in enumerate(centroid)}
    row |= {f"bbox-{side}": index for side, index in enumerate(region.bbox)}
    row |= {"axis_major_length": region.axis_major_length, "axis_minor_length": region.axis_minor_length}
    if geometry.ndim == 2:
        row |= {
            "eccentricity": region.eccentricity,
            "solidity": region.solidity,
            "perimeter": outline(region.image, geometry.scale),
        }
    else:
        surface = surface_area(region.image, geometry.scale)
        row |= {
            "surface_area": surface,
            "sphericity": min(1.0, math.pi ** (1 / 3) * (6 * region.area) ** (2 / 3) / surface),
        }
        row |= {
            f"extent-{axis}": size * step
            for axis, (size, step) in enumerate(zip(region.image.shape, geometry.scale, strict=True))
        }
    return {name: float(value) for name, value in row.items()}


def units_of_shape(geometry: Geometry) -> dict[str, str]:
    """The keys of :func:`describe`, in its order, each with its unit; empty for dimensionless ones."""
    (region,) = regions(np.ones((1,) * geometry.ndim, np.int64), geometry.scale)
    power = "²" if geometry.ndim == 2 else "³"
    fixed = {
        "area": geometry.unit + power,
        "eccentricity": "",
        "solidity": "",
        "surface_area": f"{geometry.unit}²",
        "sphericity": "",
    }
    return {
        key: "px" if key.startswith("bbox") else fixed.get(key, geometry.unit) for key in describe(region, geometry)
    }


def touches_border(columns: Mapping[str, NDArray[Any]], geometry: Geometry) -> NDArray[np.bool_]:
    """Whether objects touch the border of the image in y and x, by their bounding boxes.

    As :func:`~napari_grd.measurements.filtering.filter_objects` does by default, the first and last planes of a volume
    are left out of account.

    Examples
    --------
    >>> boxes = {"bbox-0": [0, 2], "bbox-1": [3, 3], "bbox-2": [2, 4], "bbox-3": [5, 5]}
    >>> geometry = Geometry((9, 9), ("y", "x"), 2, (1.0, 1.0), (0.0, 0.0), "px")
    >>> touches_border({key: np.array(value) for key, value in boxes.items()}, geometry)
    array([ True, False])
    """
    touching: NDArray[np.bool_] = np.zeros(len(columns["bbox-0"]), np.bool_)
    for axis in (geometry.ndim - 2, geometry.ndim - 1):
        size = geometry.shape[len(geometry.frame_axes) + axis]
        touching |= (columns[f"bbox-{axis}"] == 0) | (columns[f"bbox-{axis + geometry.ndim}"] == size)
    return touching


def anchor(region: Any) -> NDArray[np.int64]:
    """The pixel of an object that is nearest to its centroid: ``(ndim,)``, an index into its plane or volume."""
    away = region.coords - region.coords.mean(axis=0)
    nearest: NDArray[np.int64] = region.coords[np.argmin((away**2).sum(axis=1))].astype(np.int64)
    return nearest


def outline(mask: NDArray[np.bool_], scale: Sequence[float]) -> float:
    """Perimeter of a 2D object, by Crofton's formula.

    Parameters
    ----------
    mask : (H, W) bool
    scale : (float, float)
        Length of a pixel along y and x.

    Returns
    -------
    float
        In units of the scale; including the outlines of holes.

    Notes
    -----
    The length of a curve is half the integral, over all directions, of the number of its intersections with the lines
    of that direction. The lines through pixel centers along rows, columns and the two diagonals sample all lines, each
    direction for the angles nearest to it. Pixels may have any aspect ratio. The error is within 3 % for discs; long
    straight sides along an axis are underestimated by up to 10 %.

    References
    ----------
    Lehmann and Legland, "Efficient N-Dimensional surface estimation using Crofton formula and run-length
    encoding", Insight Journal, 2012.

    Examples
    --------
    >>> y, x = np.indices((41, 41)) - 20.3
    >>> round(float(outline(y**2 + x**2 <= 15**2, (0.1, 0.1))), 1), round(2 * np.pi * 1.5, 1)
    (9.4, 9.4)
    """
    inside = np.pad(mask, 1)
    height, width = scale
    diagonal = math.atan2(height, width)
    distance = height * width / math.hypot(height, width)  # of two lines along a diagonal
    along_rows = np.count_nonzero(inside[:, 1:] != inside[:, :-1])
    along_columns = np.count_nonzero(inside[1:] != inside[:-1])
    falling = np.count_nonzero(inside[1:, 1:] != inside[:-1, :-1])
    rising = np.count_nonzero(inside[1:, :-1] != inside[:-1, 1:])
    return 0.5 * (
        diagonal * height * along_rows
        + (math.pi / 2 - diagonal) * width * along_columns
        + math.pi / 4 * distance * (falling + rising)
    )
