"""Parsing of untrusted OME-Zarr metadata, versions 0.1 to 0.5."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel
from napari_grd.io.names import ZARR
from napari_grd.io.units import unit_name

METADATA_FILES = ("zarr.json", ".zattrs")
COLLECTION = "bioformats2raw.layout"
ZIPPED = ZARR[1]

_AXES = "tczyx"  # the fixed axes of versions before 0.3


def ome_metadata(path: str | Path) -> dict[str, Any]:
    """The OME metadata of a Zarr group on disk, without opening it as one.

    Parameters
    ----------
    path : str or Path
        A folder, or the metadata file in it.

    Returns
    -------
    dict
        The content of ``ome`` (0.5), or all attributes (before). Empty if it is not a Zarr group, or has no readable
        metadata.

    Examples
    --------
    >>> ome_metadata("no/such/folder")
    {}
    """
    return ome_of(attributes_of(group_folder(path)))


def is_ome_zarr(path: str | Path) -> bool:
    """Whether :class:`napari_grd.io.ome_zarr.OmeZarr` can read the folder; fast, because nothing is opened."""
    path = Path(path)
    if path.suffix.lower() == ZIPPED:
        return path.is_file()
    return bool(ome_metadata(path).keys() & {"multiscales", "labels", "plate", "well", COLLECTION})


def is_array(folder: Path) -> bool:
    """Whether a folder is a Zarr array, not a group of them."""
    if (folder / ".zarray").is_file():
        return True
    try:
        content = json.loads((folder / "zarr.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.get("node_type") == "array"


def group_folder(path: str | Path) -> Path:
    """The folder of a group, from itself or its metadata file."""
    path = Path(path)
    return path.parent if path.name in METADATA_FILES else path


def attributes_of(folder: str | Path) -> dict[str, Any]:
    """All attributes of a Zarr group on disk; empty if it is not a group, or unreadable."""
    folder = Path(folder)
    for name in METADATA_FILES:
        try:
            content = json.loads((folder / name).read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if name == "zarr.json" and isinstance(content, dict):
            content = content.get("attributes")
        if isinstance(content, dict):
            return content
    return {}


def calibration_of(scales: Mapping[str, Any], shapes: Sequence[Sequence[int]]) -> Calibration:
    """The calibration of the last of these levels of an entry of ``multiscales``; the finest is the first."""
    ndim, level = len(shapes[0]), len(shapes) - 1
    listed = scales.get("axes") or list(_AXES[-ndim:])
    axes = [axis if isinstance(axis, str) else axis["name"] for axis in listed]
    if len(axes) != ndim:
        raise ValueError(f"{len(axes)} axes are named for an array of {ndim}")
    units = [None if isinstance(axis, str) else unit_name(str(axis.get("unit") or "")) for axis in listed]
    scale, translate = [1.0] * ndim, [0.0] * ndim
    # Transforms of the whole pyramid are applied after those of its level.
    steps = list(scales["datasets"][level].get("coordinateTransformations") or [])
    if not steps and level:  # versions before 0.4
        steps = [{"scale": [fine / coarse for fine, coarse in zip(shapes[0], shapes[-1], strict=True)]}]
    steps += scales.get("coordinateTransformations") or []
    for step in steps:
        if "scale" in step:
            scale = [a * b for a, b in zip(step["scale"], scale, strict=True)]
            translate = [a * b for a, b in zip(step["scale"], translate, strict=True)]
        elif "translation" in step:
            translate = [a + b for a, b in zip(step["translation"], translate, strict=True)]
    return Calibration.of(axes, scale, translate, units)


def channels_of(omero: Mapping[str, Any], count: int) -> tuple[Channel, ...]:
    """Names, colors and limits of ``count`` channels."""
    stored = list(omero.get("channels") or ())
    if len(stored) != count:  # inconsistent: no names are better than wrong ones
        return (Channel(),) * count
    return tuple(_channel(channel) for channel in stored)


def _channel(stored: Mapping[str, Any]) -> Channel:
    color = str(stored.get("color") or "").lstrip("#")[:6]
    window = stored.get("window") or {}
    low, high = window.get("start"), window.get("end")
    return Channel(
        name=str(stored.get("label") or ""),
        color=color if len(color) == 6 and all(digit in "0123456789abcdefABCDEF" for digit in color) else None,
        limits=(float(low), float(high)) if low is not None and high is not None and low < high else None,
        visible=bool(stored.get("active", True)),
    )


def label_colors_of(stored: Any) -> dict[int, tuple[int, int, int, int]]:
    """Red, green, blue and opacity of label values, of ``image-label``."""
    colors: dict[int, tuple[int, int, int, int]] = {}
    for entry in (stored.get("colors") if isinstance(stored, Mapping) else None) or ():
        try:
            red, green, blue, opacity = (min(255, max(0, int(value))) for value in entry["rgba"])
            colors[int(entry["label-value"])] = (red, green, blue, opacity)
        except (KeyError, TypeError, ValueError):
            continue
    return colors


def ome_of(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The OME attributes, which version 0.5 stores under one key."""
    ome = attributes.get("ome", attributes)
    return dict(ome) if isinstance(ome, Mapping) else {}
