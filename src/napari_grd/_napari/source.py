"""A model's input: chosen channels of image layers, one plane or region at a time.

napari represents channels in three ways: as layers of one shape, as an axis of one
layer, and as the last axis of an RGB layer. They all become ``(C, h, w)`` here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.outputs import is_view
from napari_grd.errors import ImageError
from napari_grd.io.tiff_axes import StoredChannels, stored_channels

PlaneIndex = tuple[int, ...]
Region = tuple[slice, slice]

_RGB = ("red", "green", "blue")
_GRAY_WEIGHTS = np.array([0.2125, 0.7154, 0.0721], np.float32)  # as scikit-image's rgb2gray
_CHANNEL_NAMES = {"c", "channel", "channels"}


@dataclass(frozen=True, eq=False)
class Channel:
    """One input channel.

    Attributes
    ----------
    layer : Image
    index : int or None
        Position along the layer's channel axis or RGB component; None: the
        layer itself, or the gray value of an RGB layer.
    label : str
        For pickers.
    """

    layer: Image
    index: int | None
    label: str


class ImageSource:
    """Planes of one or more channels, read lazily.

    Parameters
    ----------
    layer : Image
        Provides shape, transform and pyramid.
    channels : tuple of Channel, optional
        Default: the layer itself (its gray value if it is RGB).
    displayed : (int, int), optional
        The layer's axes that are rows and columns of a plane. Default: the last two.

    Raises
    ------
    ImageError
        If a channel's layer is of another shape, or the layer has no plane.
    """

    def __init__(
        self, layer: Image, channels: tuple[Channel, ...] | None = None, displayed: tuple[int, int] | None = None
    ) -> None:
        if layer.ndim < 2:
            raise ImageError(f"The layer {layer.name!r} has {layer.ndim} dimensions.", "Choose an image.")
        self.layer = layer
        self.channels = channels or (Channel(layer, None, layer.name),)
        self.spatial_axes = displayed or (layer.ndim - 2, layer.ndim - 1)
        self.channel_axis = (
            channel_axis(layer) if any(c.index is not None and not c.layer.rgb for c in self.channels) else None
        )
        if self.channel_axis in self.spatial_axes:
            raise ImageError("The view shows the channel axis.", "Show the plane of y and x.")
        for channel in self.channels:
            if _levels(channel.layer)[0].shape[: layer.ndim] != _levels(layer)[0].shape[: layer.ndim]:
                raise ImageError(
                    f"The layers {layer.name!r} and {channel.layer.name!r} differ in shape.",
                    "Choose channels of one image.",
                )
        self.plane_axes = tuple(a for a in range(layer.ndim) if a not in (*self.spatial_axes, self.channel_axis))

    @property
    def z_axis(self) -> int | None:
        """Which of the axes of planes is z; None if none has this name, as in a series."""
        names = [self.layer.axis_labels[axis].lower() for axis in self.plane_axes]
        return names.index("z") if "z" in names else None

    @property
    def anisotropy(self) -> float | None:
        """Distance of planes in pixels; None if the layer is not calibrated in x, y and z, in one unit."""
        return None if self.z_axis is None else self.distance(self.z_axis)

    def distance(self, axis: int) -> float | None:
        """Distance of the planes along one of the axes of planes, in pixels.

        None if it is not known: the layer has several units, pixels that are not square, or napari's default scale.
        """
        axes = (self.plane_axes[axis], *self.spatial_axes)
        depth, height, width = (float(self.layer.scale[each]) for each in axes)
        units = {str(self.layer.units[each]) for each in axes}
        comparable = len(units) == 1 and height == width and (units != {"pixel"} or depth != width)
        return depth / width if comparable else None

    @property
    def key(self) -> tuple[Any, ...]:
        """Identifies the source: layers, data, channels and axes."""
        return (
            self.spatial_axes,
            *((c.layer.unique_id, id(_levels(c.layer)[0]), c.index) for c in self.channels),
        )

    @property
    def levels(self) -> int:
        """Levels of the pyramid, at least 1; level 0 is the finest."""
        return len(_levels(self.layer))

    def shape(self, level: int = 0) -> tuple[int, int]:
        """Rows and columns of a plane."""
        full = _levels(self.layer)[level].shape
        return int(full[self.spatial_axes[0]]), int(full[self.spatial_axes[1]])

    def factors(self, level: int) -> tuple[float, ...]:
        """Downsampling factor of each axis of the layer at a level, relative to level 0."""
        finest, coarse = _levels(self.layer)[0].shape, _levels(self.layer)[level].shape
        return tuple(finest[axis] / coarse[axis] for axis in range(self.layer.ndim))

    def downsample(self, level: int) -> float:
        """Downsampling factors of a plane at a level, relative to level 0."""
        factors = self.factors(level)
        return float(np.sqrt(factors[self.spatial_axes[0]] * factors[self.spatial_axes[1]]))

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Length of each axis that is neither displayed nor channels, at level 0."""
        full = _levels(self.layer)[0].shape
        return tuple(int(full[axis]) for axis in self.plane_axes)

    def planes(self) -> Iterator[PlaneIndex]:
        """Every plane of the layer: an index for each axis that is neither displayed nor channels."""
        return product(*(range(size) for size in self.plane_shape))

    def current_plane(self, viewer: Any) -> PlaneIndex:
        """The plane at the viewer's sliders, clipped to the layer."""
        full = _levels(self.layer)[0].shape
        place = self.layer.world_to_data(viewer.dims.point)
        return tuple(int(np.clip(round(place[axis]), 0, full[axis] - 1)) for axis in self.plane_axes)

    def index(self, plane: PlaneIndex, region: Region = (slice(None), slice(None)), level: int = 0) -> tuple[Any, ...]:
        """Index of a plane's region into the data of an output that keeps the layer's axes but channels."""
        factors = self.factors(level)
        place: dict[int, Any] = {
            axis: int(position / factors[axis]) for axis, position in zip(self.plane_axes, plane, strict=True)
        }
        place |= dict(zip(self.spatial_axes, region, strict=True))
        return tuple(place[axis] for axis in range(self.layer.ndim) if axis != self.channel_axis)

    def read(self, level: int, plane: PlaneIndex, region: Region = (slice(None), slice(None))) -> NDArray[Any]:
        """Read pixels into memory.

        Parameters
        ----------
        level : int
            Level of the pyramid.
        plane : tuple of int
            In positions of level 0.
        region : (slice, slice)
            Rows and columns, in pixels of the level.

        Returns
        -------
        (C, h, w) array
            In the image's own type; float32 for the gray value of an RGB layer.
        """
        parts = [self._read_channel(channel, level, plane, region) for channel in self.channels]
        return np.stack(parts)

    def _read_channel(self, channel: Channel, level: int, plane: PlaneIndex, region: Region) -> NDArray[Any]:
        data = _levels(channel.layer)[level]
        index = list(self.index(plane, region, level))
        if self.channel_axis is not None:
            index.insert(self.channel_axis, channel.index or 0)
        if channel.layer.rgb and channel.index is not None:
            index.append(channel.index)
        pixels = np.asarray(data[tuple(index)])
        self._check_size(pixels, index, plane, level)
        if channel.layer.rgb and channel.index is None:
            pixels = pixels[..., :3].astype(np.float32) @ _GRAY_WEIGHTS
        return pixels.T if self.spatial_axes[0] > self.spatial_axes[1] else pixels

    def _check_size(self, pixels: NDArray[Any], index: list[Any], plane: PlaneIndex, level: int) -> None:
        """Reject a plane of another size: napari stacks the files of a folder as if all were like the first."""
        height, width = self.shape(level)
        parts = [place for place in index if isinstance(place, slice)]
        sizes = (height, width) if self.spatial_axes[0] < self.spatial_axes[1] else (width, height)
        wanted = tuple(len(range(*part.indices(size))) for part, size in zip(parts, sizes, strict=True))
        if pixels.shape[:2] != wanted:
            number = ", ".join(str(coordinate + 1) for coordinate in plane)
            raise ImageError(
                f"Plane {number} of {self.layer.name!r} is not of {height} x {width} pixels, as the first is.",
                "Open images of different sizes one by one, not as a stack, or segment their folder with"
                " 'napari-grd segment'.",
            )


def volume_axes(source: ImageSource) -> str:
    """Letters of the axes of the planes of a layer, as they are read: "zcyx" or "tzcyx".

    Raises
    ------
    ImageError
        If the layer has no z, or more axes than t and z.
    """
    name = source.layer.name
    labels = [str(source.layer.axis_labels[axis]).lower() for axis in source.plane_axes]
    if len(labels) not in (1, 2) or labels[-1] in ("t", "time"):
        letters = ", ".join([*labels, "y", "x"])
        raise ImageError(
            f"The model takes volumes, and {name!r} has the axes {letters}.",
            "Open a stack of planes along z, or choose a model for planes.",
        )
    return "tzcyx"[-3 - len(labels) :]


def channel_axis(layer: Image) -> int | None:
    """The channel axis of a layer, by its name, or by the file that napari read without naming axes; None if none."""
    for axis, label in enumerate(layer.axis_labels):
        if label.lower() in _CHANNEL_NAMES and axis < layer.ndim - 2:
            return axis
    stored = _stored(layer)
    return None if stored is None else stored.axis


def _stored(layer: Image) -> StoredChannels | None:
    """The channels that the layer's file declares, if napari did not name its axes."""
    unnamed = layer.axis_labels == tuple(str(axis) for axis in range(-layer.ndim, 0))
    if layer.rgb or layer.source.path is None or not unnamed:
        return None
    stored = stored_channels(layer.source.path)
    return stored if stored is not None and stored.shape == tuple(_levels(layer)[0].shape) else None


def channel_choices(viewer: Any, layer: Image) -> list[Channel]:
    """The possible input channels of an image layer.

    RGB components and their gray value; positions along the :func:`channel_axis`; else the layer and all others of its
    shape.
    """
    if layer.rgb:
        return [Channel(layer, None, "gray"), *(Channel(layer, i, name) for i, name in enumerate(_RGB))]
    axis = channel_axis(layer)
    if axis is not None:
        count, stored = _levels(layer)[0].shape[axis], _stored(layer)
        names = [""] * count if stored is None else stored.names
        return [Channel(layer, i, names[i] or f"channel {i}") for i in range(count)]
    same = [
        other
        for other in image_layers(viewer)
        if other is not layer
        and not other.rgb
        and channel_axis(other) is None
        and _levels(other)[0].shape == _levels(layer)[0].shape
    ]
    return [Channel(other, None, other.name) for other in (layer, *same)]


def image_layers(viewer: Any) -> list[Image]:
    """Image layers of the viewer, the topmost first, without views that were computed of them."""
    return [layer for layer in reversed(viewer.layers) if isinstance(layer, Image) and not is_view(layer)]


def label_layers(viewer: Any) -> list[Labels]:
    """Labels layers of the viewer, the topmost first."""
    return [layer for layer in reversed(viewer.layers) if isinstance(layer, Labels)]


def _levels(layer: Layer) -> list[Any]:
    return list(layer.data) if layer.multiscale else [layer.data]
