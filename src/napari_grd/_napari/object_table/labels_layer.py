"""Input and output of a measurement on a Labels layer: axes and units, matching images, features."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.files.calibrated import layer_calibration
from napari_grd._napari.source import Channel, ImageSource, channel_choices, image_layers
from napari_grd.errors import LabelError
from napari_grd.measurements.table import ObjectTable

_PIXEL = "pixel"


def finest(layer: Layer) -> Any:
    """The data of a layer; for a pyramid, its finest level."""
    return layer.data[0] if layer.multiscale else layer.data


def axis_names(layer: Labels) -> tuple[str, ...]:
    """A name for each axis; unnamed axes get their usual names."""
    return layer_calibration({"axis_labels": layer.axis_labels}, layer.ndim).axes


def is_plane_by_plane(layer: Labels) -> bool:
    """Whether the axis before the planes is time, so that objects are two-dimensional."""
    return layer.ndim > 2 and axis_names(layer)[-3] == "t"


def geometry_options(layer: Labels, per_plane: bool) -> dict[str, Any]:
    """A layer's geometry for :func:`napari_grd.measurements.objects.iter_measure`, in the unit of its last axis.

    Raises
    ------
    LabelError
        If the units of the axes of an object are incompatible.
    """
    ndim = 2 if per_plane else min(3, layer.ndim)
    names, units = axis_names(layer), list(layer.units)
    last = units[-1]
    factors = np.ones(layer.ndim)
    for axis in range(layer.ndim - ndim, layer.ndim):
        if not units[axis].is_compatible_with(last):
            raise LabelError(
                f"The axis {names[axis]!r} of {layer.name!r} is in {units[axis]} and {names[-1]!r} in {last}.",
                "Give all spatial axes a unit of length, or none: right-click the layer, or set layer.units.",
            )
        factors[axis] = (1 * units[axis]).to(last).magnitude
    return {
        "axes": names,
        "ndim": ndim,
        "scale": tuple(np.abs(layer.scale) * factors),
        "translate": tuple(layer.translate * factors),
        "unit": None if str(last) == _PIXEL else f"{last:~P}",
    }


@dataclass(frozen=True)
class ChannelPixels:
    """One channel of an image as a lazy array of the shape of the labels.

    Attributes
    ----------
    source : ImageSource
        Source of this one channel.
    shape : tuple of int
        Planes, rows and columns.
    """

    source: ImageSource
    shape: tuple[int, ...]

    def __getitem__(self, frame: tuple[int, ...]) -> NDArray[Any]:
        """The plane, or the stack of planes, at an index of the leading axes."""
        rest = self.shape[len(frame) :]
        planes = [self.source.read(0, (*frame, *plane))[0] for plane in product(*map(range, rest[:-2]))]
        return np.stack(planes).reshape(rest)


def channels_under(viewer: Any, layer: Labels) -> dict[str, ChannelPixels]:
    """All channels of all images that have the shape of the labels, by name."""
    channels: dict[str, ChannelPixels] = {}
    for image in reversed(image_layers(viewer)):  # in the order they were added
        for channel in _own_channels(viewer, image):
            source = ImageSource(image, (channel,))
            sizes = finest(image).shape
            shape = tuple(int(sizes[axis]) for axis in (*source.plane_axes, *source.spatial_axes))
            if shape == tuple(finest(layer).shape):
                name = image.name if channel.label == image.name else f"{image.name} {channel.label}"
                channels[_unused(name, channels)] = ChannelPixels(source, shape)
    return channels


def set_features(layer: Labels, table: ObjectTable) -> None:
    """Store the columns of a table as features of its layer; napari finds labels by the "index" column.

    Features of other measurements of the same objects are kept.
    """
    import pandas as pd  # napari imports it with the first layer, not at startup

    keys = ["index", *table.frame_axes]
    new = pd.DataFrame({"index": table.columns["label"]} | table.by_heading()).drop(columns="label")
    old = layer.features
    if set(keys) <= set(old.columns) and not old.duplicated(keys).any():
        kept = old.drop(columns=[name for name in new.columns if name in old.columns and name not in keys])
        new = new.merge(kept, on=keys, how="left")
    layer.features = new


def _own_channels(viewer: Any, image: Image) -> Iterator[Channel]:
    if image.rgb:
        yield from channel_choices(viewer, image)
        return
    yield Channel(image, None, image.name)  # fits labels that keep the channel axis too
    yield from (channel for channel in channel_choices(viewer, image) if channel.index is not None)


def _unused(name: str, used: dict[str, Any]) -> str:
    unique, number = name, 2
    while unique in used:
        unique, number = f"{name} ({number})", number + 1
    return unique
