"""OME-Zarr images as napari layers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from napari_grd._napari.files.calibrated import LayerData, layer_options
from napari_grd.io.image_data import Channel
from napari_grd.io.ome_zarr import OmeZarr, ZarrImage

_COLORS = ("cyan", "magenta", "yellow", "red", "green", "blue")  # for channels without a color
_UNNAMED = (0.6, 0.6, 0.6, 1.0)


MOST_IMAGES = 16


def open_zarr(path: str | Path | OmeZarr) -> tuple[list[LayerData], list[str]]:
    """Open an OME-Zarr lazily.

    Parameters
    ----------
    path : str, Path or OmeZarr
        An opened group, or the path of an image, label images, a collection, a plate or a well. Of several images the
        first is shown and the others are hidden; at most 16 become layers.

    Returns
    -------
    layers : list of (data, keyword arguments, kind)
        As napari's readers return them.
    notes : list of str
        Messages about images that could not be, or were not, opened.

    Raises
    ------
    DataError
        If it contains no image that can be opened.
    """
    group = path if isinstance(path, OmeZarr) else OmeZarr(path)
    notes = list(group.notes)
    images = [group.image(number) for number in range(min(len(group.names), MOST_IMAGES))]
    if len(group.names) > MOST_IMAGES:
        notes.append(
            f"{group.path.name} holds {len(group.names)} images; the first {MOST_IMAGES} were opened."
            f" Open the folder of one of them, for example {group.names[-1]!r} in it, to see others."
        )
    notes += [note for image in images for note in image.notes]
    return zarr_layers(images), notes


def zarr_layers(images: Sequence[ZarrImage]) -> list[LayerData]:
    """One image layer per channel, then the label layers; only metadata is read.

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
    for number, image in enumerate(images):
        first = len(layers)
        prefix = f"{image.name}: " if len(images) > 1 else ""
        for part in (image, *image.labels):
            layers += _labels(part, prefix) if _is_labels(part) else _channels(part, prefix)
        if number and not image.is_labels:  # fields of a plate overlap
            for _, options, _ in layers[first:]:
                options["visible"] = False
    return layers


def pyramid(levels: Sequence[Any]) -> Any:
    """A layer's data for napari: an array, or a list of arrays from fine to coarse."""
    kept = [levels[0]]
    for level in levels[1:]:
        if np.prod(level.shape) < np.prod(kept[-1].shape):
            kept.append(level)
    return kept if len(kept) > 1 else kept[0]


def channel_options(channel: Channel, index: int, count: int) -> dict[str, Any]:
    """Display settings of a channel, as keyword arguments of an image layer."""
    default = _COLORS[index % len(_COLORS)] if count > 1 else "gray"
    color = default if channel.color is None else f"#{channel.color}"
    options: dict[str, Any] = {
        "colormap": color,
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
        unnamed = f"{image.name} {index}" if count > 1 else image.name
        options["name"] = prefix + channel.name if channel.name else unnamed
        layers.append((data, options | channel_options(channel, index, count), "image"))
    return layers


def _labels(image: ZarrImage, prefix: str) -> list[LayerData]:
    parts = _parts(image)
    names = [image.name] if len(parts) == 1 else [f"{image.name} {index}" for index in range(len(parts))]
    colors = {"colormap": _label_colors(image.colors)} if image.colors else {}
    return [
        (data, options | colors | {"name": prefix + name}, "labels")
        for name, (data, options) in zip(names, parts, strict=True)
    ]


def _label_colors(colors: Mapping[int, tuple[int, int, int, int]]) -> Any:
    """Labels in the colors of the file; labels without a color are gray."""
    from napari.utils import DirectLabelColormap

    named = {value: [part / 255 for part in color] for value, color in colors.items()}
    return DirectLabelColormap(color_dict={None: _UNNAMED, 0: [0, 0, 0, 0]} | named)


def _parts(image: ZarrImage) -> list[tuple[Any, dict[str, Any]]]:
    """Data and transform of each channel; the channel axis is removed."""
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
