"""OME-Zarr images and label images, read lazily: versions 0.1 to 0.5, single images and collections.

A folder is read as its metadata says. What is missing there has a plain
default, and nothing but metadata is read until a pixel is asked for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_grd.errors import DataError
from napari_grd.io.calibration import Calibration

METADATA_FILES = ("zarr.json", ".zattrs")
ZIPPED = ".ozx"
PROVENANCE = "napari_grd"

_AXES = "tczyx"  # what versions before 0.3 always had
_COLLECTION = "bioformats2raw.layout"


@dataclass(frozen=True)
class Channel:
    """How a channel is to be shown.

    Attributes
    ----------
    name : str
        As the file calls it; empty if it does not.
    color : str or None
        Six hexadecimal digits, ``"00FF00"`` is green.
    limits : (float, float) or None
        Intensities shown as black and as full colour.
    visible : bool
        Whether it is to be seen at first.
    """

    name: str = ""
    color: str | None = None
    limits: tuple[float, float] | None = None
    visible: bool = True


@dataclass(frozen=True)
class ZarrImage:
    """An image, or a label image, with its pyramid.

    Attributes
    ----------
    name : str
        Its own name, or that of its folder.
    levels : tuple of zarr.Array
        Finest first, each with one axis for every one of the calibration.
    calibration : Calibration
        Of the finest level.
    channels : tuple of Channel
        One for each position of the axis ``c``; one if there is no such axis.
    is_labels : bool
        Whether the values are object numbers.
    labels : tuple of ZarrImage
        Label images that belong to it.
    provenance : dict
        What wrote it, if napari-grd did; else empty.
    """

    name: str
    levels: tuple[Any, ...]
    calibration: Calibration
    channels: tuple[Channel, ...]
    is_labels: bool
    labels: tuple["ZarrImage", ...]
    provenance: dict[str, Any]

    @property
    def channel_axis(self) -> int | None:
        """Position of the axis ``c``, None if there is none."""
        return self.calibration.axes.index("c") if "c" in self.calibration.axes else None


def ome_metadata(path: str | Path) -> dict[str, Any]:
    """The OME metadata of a Zarr group on disk, without opening it as one.

    Parameters
    ----------
    path : str or Path
        A folder, or the metadata file in it.

    Returns
    -------
    dict
        The content of ``ome`` (0.5), or all attributes (before). Empty if it
        is no Zarr group, or has no metadata that can be read.

    Examples
    --------
    >>> ome_metadata("no/such/folder")
    {}
    """
    return _ome(attributes_of(group_folder(path)))


def is_ome_zarr(path: str | Path) -> bool:
    """Whether :func:`read_ome_zarr` has something to read there; quick, for it looks at metadata alone."""
    path = Path(path)
    if path.suffix.lower() == ZIPPED:
        return path.is_file()
    return bool(ome_metadata(path).keys() & {"multiscales", "labels", "plate", _COLLECTION})


def group_folder(path: str | Path) -> Path:
    """The folder of a group, given that or the metadata file in it."""
    path = Path(path)
    return path.parent if path.name in METADATA_FILES else path


def attributes_of(folder: str | Path) -> dict[str, Any]:
    """All attributes of a Zarr group on disk; empty if it is none, or cannot be read."""
    folder = Path(folder)
    for name in METADATA_FILES:
        try:
            content = json.loads((folder / name).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if name == "zarr.json" and isinstance(content, dict):
            content = content.get("attributes")
        if isinstance(content, dict):
            return content
    return {}


def stem(path: Path) -> str:
    """What an OME-Zarr is called without its suffixes."""
    return path.name.removesuffix(ZIPPED).removesuffix(".zarr").removesuffix(".ome")


def read_ome_zarr(path: str | Path) -> tuple[ZarrImage, ...]:
    """Open the images of an OME-Zarr.

    Parameters
    ----------
    path : str or Path
        The folder of an image, of label images or of a collection of images
        (as bioformats2raw writes them), the metadata file in it, or a zipped
        one (``.ozx``).

    Returns
    -------
    tuple of ZarrImage
        At least one.

    Raises
    ------
    DataError
        If there is no such folder, its metadata is missing or wrong, or it is a plate.
    """
    import zarr  # half a second, which those who only ask what a folder is need not wait
    from zarr.storage import ZipStore

    path = group_folder(path)
    if not path.exists():
        raise DataError(f"There is no OME-Zarr {str(path)!r}.", "Check the path.")
    try:
        store = ZipStore(path, mode="r") if path.is_file() else path
        group = zarr.open_group(store, mode="r")
        images = tuple(_images(group, path))
    except DataError:
        raise
    # Metadata is whatever somebody wrote: the lists and dictionaries in it may be anything.
    except Exception as error:
        raise DataError(
            f"The OME-Zarr {str(path)!r} cannot be read ({type(error).__name__}: {error}).",
            "Its metadata may be damaged or cut off: copy the whole folder again.",
        ) from error
    if not images:
        raise DataError(f"The OME-Zarr {str(path)!r} holds no image.", "Choose another folder.")
    return images


def _images(group: Any, path: Path) -> list[ZarrImage]:
    attributes = dict(group.attrs)
    ome = _ome(attributes)
    name = stem(path)
    if "plate" in ome:
        raise DataError(
            f"{str(path)!r} is a plate of many images.", "Open the folder of one of them, for example 'A/1/0' in it."
        )
    if "multiscales" in ome:
        return [_image(group, name)]
    if "labels" in ome:
        return [_image(group[key], key, is_labels=True) for key in ome["labels"]]
    if _COLLECTION in ome:
        series = _ome(dict(group["OME"].attrs)).get("series") if "OME" in group else None
        keys = series or sorted((key for key in group.group_keys() if key.isdecimal()), key=int)
        return [_image(group[key], f"{name} {key}") for key in keys]
    raise DataError(f"{str(path)!r} is a Zarr, but holds no OME metadata.", "Open one of the arrays in it.")


def _image(group: Any, name: str, *, is_labels: bool = False) -> ZarrImage:
    attributes = dict(group.attrs)
    ome = _ome(attributes)
    scales: Mapping[str, Any] = ome["multiscales"][0]
    levels = tuple(group[dataset["path"]] for dataset in scales["datasets"])
    calibration = _calibration(scales, levels[0].ndim)
    children = _ome(dict(group["labels"].attrs)).get("labels", ()) if "labels" in group else ()
    count = levels[0].shape[calibration.axes.index("c")] if "c" in calibration.axes else 1
    return ZarrImage(
        name=name,
        levels=levels,
        calibration=calibration,
        channels=_channels(ome.get("omero") or {}, count),
        is_labels=is_labels or "image-label" in ome,
        labels=tuple(_image(group["labels"][key], key, is_labels=True) for key in children),
        provenance=dict(attributes.get(PROVENANCE) or {}),
    )


def _calibration(scales: Mapping[str, Any], ndim: int) -> Calibration:
    listed = scales.get("axes") or list(_AXES[-ndim:])
    axes = [axis if isinstance(axis, str) else axis["name"] for axis in listed]
    if len(axes) != ndim:
        raise ValueError(f"{len(axes)} axes are named for an array of {ndim}")
    units = [None if isinstance(axis, str) else axis.get("unit") for axis in listed]
    scale, translate = [1.0] * ndim, [0.0] * ndim
    # Those of the whole pyramid come after those of its level.
    steps = (scales["datasets"][0].get("coordinateTransformations") or []) + (
        scales.get("coordinateTransformations") or []
    )
    for step in steps:
        if "scale" in step:
            scale = [a * b for a, b in zip(step["scale"], scale, strict=True)]
            translate = [a * b for a, b in zip(step["scale"], translate, strict=True)]
        elif "translation" in step:
            translate = [a + b for a, b in zip(step["translation"], translate, strict=True)]
    return Calibration.of(axes, scale, translate, units)


def _channels(omero: Mapping[str, Any], count: int) -> tuple[Channel, ...]:
    stored = list(omero.get("channels") or ())
    if len(stored) != count:  # of another image, or of none: better no names than wrong ones
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


def _ome(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Version 0.5 puts everything under one key; earlier ones do not."""
    ome = attributes.get("ome", attributes)
    return dict(ome) if isinstance(ome, Mapping) else {}
