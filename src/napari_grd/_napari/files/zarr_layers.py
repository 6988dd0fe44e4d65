"""OME-Zarr images as napari layers."""

from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np

from napari_grd._napari.files.calibrated import LayerData, layer_options
from napari_grd.io.image_data import Channel
from napari_grd.io.ome_zarr import ZarrImage

_COLOURS = ("cyan", "magenta", "yellow", "red", "green", "blue")  # for channels that name none


def zarr_layers(images: Sequence[ZarrImage]) -> list[LayerData]:
    """One image layer a channel, then the label layers, nothing read but metadata.

    Parameters
    ----------
    images : sequence of ZarrImage
        With more than one, the layers' names begin with the image's.

    Returns
    -------
    list of (data, keyword arguments, kind)
        As napari's readers return them. Pyramids are lists of dask arrays.
    """
    layers: list[LayerData] = []
    for image in images:
        prefix = f"{image.name}: " if len(images) > 1 else ""
        for part in (image, *image.labels):
            layers += _labels(part, prefix) if _is_labels(part) else _channels(part, prefix)
    return layers


def pyramid(levels: Sequence[Any]) -> Any:
    """What napari takes for a layer's data: an array, or a list of arrays that shrink."""
    kept = [levels[0]]
    for level in levels[1:]:
        if np.prod(level.shape) < np.prod(kept[-1].shape):
            kept.append(level)
    return kept if len(kept) > 1 else kept[0]


def channel_options(channel: Channel, index: int, count: int) -> dict[str, Any]:
    """How a channel is shown, as keyword arguments of an image layer."""
    if channel.color is not None:
        colour = f"#{channel.color}"
    else:
        colour = _COLOURS[index % len(_COLOURS)] if count > 1 else "gray"
    options: dict[str, Any] = {
        "colormap": colour,
        "blending": "additive" if count > 1 else "translucent_no_depth",
        "visible": channel.visible,
    }
    if channel.limits is not None:
        options["contrast_limits"] = channel.limits
    return options


def _is_labels(image: ZarrImage) -> bool:
    return image.is_labels and np.issubdtype(image.levels[0].dtype, np.integer)


def _channels(image: ZarrImage, prefix: str) -> list[LayerData]:
    count = len(image.channels)
    layers: list[LayerData] = []
    for index, (data, options) in enumerate(_parts(image)):
        channel = image.channels[index]
        options["name"] = prefix + (channel.name or (f"{image.name} {index}" if count > 1 else image.name))
        layers.append((data, options | channel_options(channel, index, count), "image"))
    return layers


def _labels(image: ZarrImage, prefix: str) -> list[LayerData]:
    parts = _parts(image)
    names = [image.name] if len(parts) == 1 else [f"{image.name} {index}" for index in range(len(parts))]
    return [
        (data, options | {"name": prefix + name}, "labels") for name, (data, options) in zip(names, parts, strict=True)
    ]


def _parts(image: ZarrImage) -> list[tuple[Any, dict[str, Any]]]:
    """Data and place of each channel; the axis of channels is taken out."""
    levels = [da.from_zarr(level) for level in image.levels]
    axis = image.channel_axis
    calibration = image.calibration if axis is None else image.calibration.without(axis)
    metadata = {"napari_grd": image.provenance} if image.provenance else {}
    split = (
        [levels]
        if axis is None
        else [[da.take(level, index, axis=axis) for level in levels] for index in range(levels[0].shape[axis])]
    )
    return [(pyramid(part), layer_options(calibration) | {"metadata": dict(metadata)}) for part in split]
