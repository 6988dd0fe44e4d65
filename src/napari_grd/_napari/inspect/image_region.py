"""A region of a plane of an image layer, and its coordinate transforms."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_grd._napari.outputs import output_options
from napari_grd._napari.source import ImageSource, PlaneIndex, Region
from napari_grd._napari.viewport import displayed_axes, viewport_of
from napari_grd.errors import ImageError, LabelError
from napari_grd.live.viewport import central_part, visible_region

_LIMIT = 2048 * 2048  # pixels inspected at once: an embedding takes 64 bytes each
_STRAIGHT = 1e-6  # pixels tolerance for rows of two layers to coincide


@dataclass(frozen=True)
class ImageRegion:
    """A region of one plane of an image, at full resolution.

    Results have all axes of the image but its channels; the axes that index the plane have length 1 and the plane's
    position, so a result is visible on its plane only.

    Attributes
    ----------
    source : ImageSource
    plane : tuple of int
        As returned by :meth:`ImageSource.current_plane`.
    region : (slice, slice)
        Rows and columns, with start and stop.
    """

    source: ImageSource
    plane: PlaneIndex
    region: Region

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
        region: Region | None = (slice(0, shape[0]), slice(0, shape[1]))
        if not whole or math.prod(shape) > limit:
            region = visible_region(viewport_of(viewer, source), 1, shape)
        if region is None:
            raise ImageError(f"No part of {layer.name!r} is visible.", "Move the view onto the image.")
        return cls(source, source.current_plane(viewer), central_part(region, limit))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.region
        return rows.stop - rows.start, columns.stop - columns.start

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole plane."""
        return self.shape == self.source.shape()

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
        place[list(self.source.plane_axes)] = self.plane
        place[list(self.source.spatial_axes)] = [part.start for part in self.region]
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
        picture : (..., h, w, ...) array
            With ``leading`` axes in front of rows and columns, and maybe colors behind.
        leading : int
            Number of leading axes.
        """
        row_axis, column_axis = (self.axes.index(axis) for axis in self.source.spatial_axes)
        if row_axis > column_axis:
            picture = np.swapaxes(picture, leading, leading + 1)
        flat = [leading + self.axes.index(axis) for axis in self.source.plane_axes]
        return np.expand_dims(picture, tuple(flat))

    def lift_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) rows and columns as (..., axes) coordinates in a layer with :meth:`options`."""
        lifted = np.zeros((*points.shape[:-1], len(self.axes)))
        for position, axis in enumerate(self.source.spatial_axes):
            lifted[..., self.axes.index(axis)] = points[..., position]
        return lifted

    def pixel(self, world: Sequence[float]) -> tuple[int, int] | None:
        """Row and column of a point of the world; None outside the region, or on another plane."""
        place = np.round(np.asarray(self.source.layer.world_to_data(world)) - self.start).astype(int)
        row, column = (int(place[axis]) for axis in self.source.spatial_axes)
        on_plane = not place[list(self.source.plane_axes)].any()
        inside = 0 <= row < self.shape[0] and 0 <= column < self.shape[1]
        return (row, column) if on_plane and inside else None

    def labels(self, layer: Labels) -> NDArray[np.int64]:
        """The label under each pixel, in world coordinates.

        Returns
        -------
        (h, w) int64
            0 outside the Labels layer.

        Raises
        ------
        LabelError
            If the layer is rotated relative to the image, or does not overlap the region.
        """
        data = layer.data[0] if layer.multiscale else layer.data
        first = self._in(layer, (0, 0))
        steps = [self._in(layer, (1, 0)) - first, self._in(layer, (0, 1)) - first]
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
        rows, columns = (inside[axis] for axis in moving)
        if not (all(inside[axis] for axis in still) and rows.any() and columns.any() and len(set(moving)) == 2):
            raise LabelError(
                f"The labels {layer.name!r} do not cover this part of {self.source.layer.name!r}.",
                "Choose labels of this image, or move the view to them.",
            )
        # Lazy arrays do not support indexing with two arrays at once.
        box = tuple(slice(int(np.min(place)), int(np.max(place)) + 1) for place in index)
        block = np.squeeze(np.asarray(data[box]), axis=tuple(still))
        block = block if moving[0] < moving[1] else block.T
        found = block[np.ix_(*(index[axis] - box[axis].start for axis in moving))]
        return np.where(rows[:, None] & columns, found, 0).astype(np.int64)

    def _in(self, layer: Labels, offset: tuple[int, int]) -> NDArray[np.float64]:
        """Data coordinates, in another layer, of a pixel that is ``offset`` from the region's first."""
        place = self.start
        place[list(self.source.spatial_axes)] += offset
        world = np.asarray(self.source.layer.data_to_world(place))[self.axes]
        return np.asarray(layer.world_to_data(world), float)
