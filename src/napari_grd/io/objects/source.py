"""A label image for exporters: planes, and the objects in each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.errors import ConfigError, LabelError
from napari_grd.io.calibration import Calibration
from napari_grd.io.outlines import Polygon, mask_polygons

LEADING = "tcz"
"""Axes that index planes."""

_TABLE = 1 << 22  # maximum label for a lookup table


@dataclass(frozen=True)
class PlaneObject:
    """The pixels of one object in one plane.

    Attributes
    ----------
    label : int
        Its label.
    origin : (int, int)
        Row and column of the first pixel of the mask.
    mask : (h, w) bool
        Its pixels within their bounding box.
    """

    label: int
    origin: tuple[int, int]
    mask: NDArray[np.bool_]

    @cached_property
    def area(self) -> int:
        """Pixels."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def polygons(self) -> list[Polygon]:
        """Polygons of :func:`napari_grd.io.outlines.mask_polygons`, in x, y of the image."""
        return mask_polygons(self.mask, self.origin)

    @property
    def has_holes(self) -> bool:
        """Whether a part of it has a hole."""
        return any(len(polygon) > 1 for polygon in self.polygons)


@dataclass(frozen=True)
class LabelSource:
    """A label image with its axes and its image; created by :func:`label_source`.

    Attributes
    ----------
    labels : numpy, dask or zarr array of int
        Read plane by plane.
    axes : str
        One letter per axis; the last two are "yx", the others of :data:`LEADING`.
    image : str
        File name of the image, for files that refer to it.
    micrometers : (float, float) or None
        Height and width of a pixel; None if the labels have no unit of length.
    """

    labels: Any
    axes: str
    image: str
    micrometers: tuple[float, float] | None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a plane."""
        height, width = self.labels.shape[-2:]
        return int(height), int(width)

    @property
    def lengths(self) -> dict[str, int]:
        """Number of planes along each leading axis."""
        return {axis: int(size) for axis, size in zip(self.axes[:-2], self.labels.shape[:-2], strict=True)}

    def planes(self) -> list[dict[str, int]]:
        """The index of each plane by axis; empty for a single plane."""
        return [dict(zip(self.axes[:-2], index, strict=True)) for index in np.ndindex(*self.labels.shape[:-2])]

    def objects(self, plane: Mapping[str, int]) -> Iterator[PlaneObject]:
        """The objects of one plane, by ascending number.

        Raises
        ------
        LabelError
            If the plane contains invalid labels.
        """
        values = np.asarray(self.labels[tuple(plane.values())])
        if values.dtype == np.bool_:
            raise LabelError(
                "The labels are a mask (bool), which does not distinguish instances.",
                "Number its connected parts with skimage.measure.label.",
            )
        if values.dtype.kind not in "iu":
            raise LabelError(f"The labels are of type {values.dtype}.", "Pass an array of integers.")
        if (low := int(values.min())) < 0:
            raise LabelError(f"The labels hold the negative number {low}.", "Use 0 for background and count from 1.")
        ids = None
        if int(values.max()) > _TABLE:
            ids, values = np.unique(values, return_inverse=True)
            if ids[0] != 0:
                ids, values = np.insert(ids, 0, 0), values + 1
        for number, box in enumerate(ndimage.find_objects(values), start=1):
            if box is not None:
                label = number if ids is None else int(ids[number])
                yield PlaneObject(label, (box[0].start, box[1].start), values[box] == number)


def label_source(
    labels: Any, *, image: str = "", axes: Sequence[str] | None = None, calibration: Calibration | None = None
) -> LabelSource:
    """Check a label image that is to be written as objects.

    Raises
    ------
    LabelError
        If it has fewer than two axes, no pixel, or an axis other than t, c, z, y and x.
    ConfigError
        If the names of the axes do not fit it.
    """
    labels = labels if hasattr(labels, "shape") and hasattr(labels, "dtype") else np.asarray(labels)
    shape = tuple(int(size) for size in labels.shape)
    if len(shape) < 2 or 0 in shape:
        raise LabelError(f"The labels have shape {shape}.", "Pass a label image with at least two axes and a pixel.")
    names = _default_axes(len(shape), calibration) if axes is None else tuple(axes)
    if len(names) != len(shape) or len(set(names)) != len(names):
        raise ConfigError(
            f"The axes {names} do not name the {len(shape)} axes of labels of shape {shape}.", "Name every axis once."
        )
    if names[-2:] != ("y", "x") or not set(names[:-2]) <= set(LEADING):
        raise LabelError(
            f"The labels have the axes {names}; objects can be written of t, c, z, y and x, with y and x last.",
            "Write the parts along other axes one by one.",
        )
    return LabelSource(labels, "".join(names), image, None if calibration is None else calibration.micrometers)


def _default_axes(count: int, calibration: Calibration | None) -> tuple[str, ...]:
    if calibration is None:
        return tuple("tczyx" if count > 4 else "tzyx"[-count:])
    # That of an image with channels fits its labels, which have none.
    channels = "c" in calibration.axes and len(calibration.axes) == count + 1
    return tuple(axis for axis in calibration.axes if not (channels and axis == "c"))
