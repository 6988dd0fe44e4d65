"""A region of a plane, or of a volume, of an image layer, and its coordinate transforms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_grd._napari.outputs import output_options
from napari_grd._napari.source import ImageSource, PlaneIndex, volume_axes
from napari_grd._napari.viewport import displayed_axes, viewport_of
from napari_grd.errors import ImageError, LabelError
from napari_grd.inference.boxes import Box
from napari_grd.live.viewport import central_part, visible_region

_LIMIT = 2048 * 2048  # pixels inspected at once: an embedding takes 64 bytes each
_PLANES = 9  # of a volume that is too large: around the one that is shown
_STRAIGHT = 1e-6  # pixels tolerance for rows of two layers to coincide


@dataclass(frozen=True)
class ImageRegion:
    """A region of one plane of an image, or of one volume, at full resolution.

    Results have all axes of the image but its channels; the axes that index the plane have length 1 and the plane's
    position, so a result is visible on its plane only.

    Attributes
    ----------
    source : ImageSource
    plane : tuple of int
        As returned by :meth:`ImageSource.current_plane`; of a volume, without the last one, which is its first axis.
    region : tuple of slice
        Rows and columns, with start and stop; of a volume, its planes before them.
    """

    source: ImageSource
    plane: PlaneIndex
    region: tuple[slice, ...]

    @classmethod
    def of_view(cls, viewer: Any, layer: Image, *, whole: bool, limit: int = _LIMIT) -> "ImageRegion":
        """The plane of an image that a viewer shows, or its visible part.

        Parameters
        ----------
        viewer : ViewerModel
        layer : Image
        whole : bool
            Take the whole plane, if it has at most ``limit`` pixels.
        limit : int
            Maximum number of pixels; of more, the middle is taken.
        """
        axes = displayed_axes(viewer, layer)
        if axes is None:
            raise ImageError(
                "The view does not show rows and columns of the image.", "Switch to 2D, with y and x shown."
            )
        source = ImageSource(layer, displayed=axes)
        shape = source.shape()
        region = (slice(0, shape[0]), slice(0, shape[1]))
        if not whole or math.prod(shape) > limit:
            region = _visible(viewer, source)
        return cls(source, source.current_plane(viewer), central_part(region, limit))

    @classmethod
    def of_volume(cls, viewer: Any, layer: Image, *, whole: bool, limit: int = _LIMIT) -> "ImageRegion":
        """The volume of an image that a viewer shows, or the visible part of the planes around the one that is shown.

        Parameters
        ----------
        viewer, layer
            As for :meth:`of_view`; the view may be 3D.
        whole : bool
            Take the whole volume, if it has at most ``limit`` voxels.
        limit : int
            Maximum number of voxels; of more, the middle is taken.

        Raises
        ------
        ImageError
            If the layer has no z, or no part of it is visible.
        """
        source = ImageSource(layer)
        volume_axes(source)
        *plane, z = source.current_plane(viewer)
        depth, (height, width) = source.plane_shape[-1], source.shape()
        if whole and depth * height * width <= limit:
            return cls(source, tuple(plane), (slice(0, depth), slice(0, height), slice(0, width)))
        start = min(max(0, z - _PLANES // 2), max(0, depth - _PLANES))
        planes = slice(start, min(start + _PLANES, depth))
        shown = displayed_axes(viewer, layer) == source.spatial_axes
        region = _visible(viewer, source) if shown else (slice(0, height), slice(0, width))
        return cls(source, tuple(plane), (planes, *central_part(region, limit // (planes.stop - planes.start))))

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns; of a volume, planes before them."""
        return tuple(span.stop - span.start for span in self.region)

    @property
    def full_shape(self) -> tuple[int, ...]:
        """The same of the whole plane or volume."""
        return (*self.source.plane_shape[len(self.plane) :], *self.source.shape())

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole plane or volume."""
        return self.shape == self.full_shape

    @property
    def spatial_axes(self) -> tuple[int, ...]:
        """The layer's axes that the region extends along, in its order."""
        return (*self.source.plane_axes[len(self.plane) :], *self.source.spatial_axes)

    @property
    def plane_axes(self) -> tuple[int, ...]:
        """The layer's axes that :attr:`plane` indexes."""
        return self.source.plane_axes[: len(self.plane)]

    @property
    def key(self) -> tuple[Any, ...]:
        """Identifies the region."""
        return (self.source.key, self.plane, *((part.start, part.stop) for part in self.region))

    @property
    def axes(self) -> list[int]:
        """Axes of the layer that results keep."""
        return [axis for axis in range(self.source.layer.ndim) if axis != self.source.channel_axis]

    @property
    def start(self) -> NDArray[np.float64]:
        """The first pixel, in data coordinates of the layer; 0 along the channel axis."""
        place = np.zeros(self.source.layer.ndim)
        place[list(self.plane_axes)] = self.plane
        place[list(self.spatial_axes)] = [part.start for part in self.region]
        return place

    def options(self, made_by: Mapping[str, Any], *, new_axes: Sequence[str] = (), step: int = 1) -> dict[str, Any]:
        """Keyword arguments for a layer computed from the region; see :func:`output_options`.

        Parameters
        ----------
        made_by : mapping
            For the layer's metadata.
        new_axes : sequence of str
            Labels of axes in front of the image's.
        step : int
            The layer has every ``step``-th row and column.
        """
        axes = self.axes
        options = output_options(
            self.source.layer,
            # Naming all of them would cost the layer's rotation.
            axes=None if self.source.channel_axis is None and not new_axes else axes,
            new_axes=new_axes,
            start=self.start[axes].tolist(),
            made_by=made_by,
        )
        if step > 1:
            scale = np.asarray(options["scale"], float)
            scale[[len(new_axes) + axes.index(axis) for axis in self.source.spatial_axes]] *= step
            options["scale"] = tuple(scale)
        return options

    def lift(self, picture: NDArray[Any], *, leading: int = 0) -> NDArray[Any]:
        """An array with an axis of length 1 for each that indexes the plane.

        Parameters
        ----------
        picture : (..., *shape, ...) array
            With ``leading`` axes in front of those of the region, and maybe colors behind.
        leading : int
            Number of leading axes.
        """
        order = np.argsort([self.axes.index(axis) for axis in self.spatial_axes])
        picture = np.moveaxis(picture, (leading + order).tolist(), range(leading, leading + len(order)))
        flat = [leading + self.axes.index(axis) for axis in self.plane_axes]
        return np.expand_dims(picture, tuple(flat))

    def lift_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates in the region, (..., 2) or (..., 3), as (..., axes) in a layer with :meth:`options`."""
        lifted = np.zeros((*points.shape[:-1], len(self.axes)))
        for position, axis in enumerate(self.spatial_axes):
            lifted[..., self.axes.index(axis)] = points[..., position]
        return lifted

    def pixel(self, world: Sequence[float]) -> tuple[int, ...] | None:
        """The pixel of the region at a point of the world; None outside the region, or on another plane."""
        place = np.round(np.asarray(self.source.layer.world_to_data(world)) - self.start).astype(int)
        pixel = tuple(int(place[axis]) for axis in self.spatial_axes)
        on_plane = not place[list(self.plane_axes)].any()
        inside = all(0 <= coordinate < size for coordinate, size in zip(pixel, self.shape, strict=True))
        return pixel if on_plane and inside else None

    def labels(self, layer: Labels) -> NDArray[np.int64]:
        """The label under each pixel, in world coordinates.

        Returns
        -------
        int64 array of the region's shape
            0 outside the Labels layer.

        Raises
        ------
        LabelError
            If the layer is rotated relative to the image, or does not overlap the region.
        """
        data = layer.data[0] if layer.multiscale else layer.data
        first = self._in(layer, np.zeros(len(self.shape)))
        steps = [self._in(layer, unit) - first for unit in np.eye(len(self.shape))]
        moving = [int(np.abs(step).argmax()) for step in steps]
        index: list[Any] = [int(place) for place in np.round(first)]
        inside = [np.array(0 <= place < size) for place, size in zip(index, data.shape, strict=True)]
        for step, axis, length in zip(steps, moving, self.shape, strict=True):
            places = np.round(first[axis] + step[axis] * np.arange(length)).astype(int)
            inside[axis] = (places >= 0) & (places < data.shape[axis])
            index[axis] = np.clip(places, 0, data.shape[axis] - 1)
            if np.abs(np.delete(step, axis)).max(initial=0) * max(self.shape) > _STRAIGHT:
                raise LabelError(f"The labels {layer.name!r} are rotated against the image.", "Choose other labels.")
        still = [axis for axis in range(data.ndim) if axis not in moving]
        covered = [inside[axis] for axis in moving]
        fits = all(along.any() for along in covered) and len(set(moving)) == len(moving)
        if not (all(inside[axis] for axis in still) and fits):
            raise LabelError(
                f"The labels {layer.name!r} do not cover this part of {self.source.layer.name!r}.",
                "Choose labels of this image, or move the view to them.",
            )
        # Lazy arrays do not support indexing with two arrays at once.
        box = tuple(slice(int(np.min(place)), int(np.max(place)) + 1) for place in index)
        block = np.squeeze(np.asarray(data[box]), axis=tuple(still))
        block = block.transpose(np.argsort(np.argsort(moving)))
        labels = block[np.ix_(*(index[axis] - box[axis].start for axis in moving))]
        return np.where(reduce(np.logical_and.outer, covered), labels, 0).astype(np.int64)

    def _in(self, layer: Labels, offset: NDArray[np.float64]) -> NDArray[np.float64]:
        """Data coordinates, in another layer, of a pixel that is ``offset`` from the region's first."""
        place = self.start
        place[list(self.spatial_axes)] += offset
        world = np.asarray(self.source.layer.data_to_world(place))[self.axes]
        return np.asarray(layer.world_to_data(world), float)


def _visible(viewer: Any, source: ImageSource) -> Box:
    region = visible_region(viewport_of(viewer, source), 1, source.shape())
    if region is None:
        raise ImageError(f"No part of {source.layer.name!r} is visible.", "Move the view onto the image.")
    return region
