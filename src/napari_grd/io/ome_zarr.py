"""OME-Zarr images and label images, read lazily: versions 0.1 to 0.5, single images and collections.

A folder is read as its metadata says. What is missing there has a plain
default, and nothing but metadata is read until a pixel is asked for.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_grd.errors import DataError
from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel
from napari_grd.io.names import image_stem, named
from napari_grd.io.units import unit_name

METADATA_FILES = ("zarr.json", ".zattrs")
ZIPPED = ".ozx"
PROVENANCE = "napari_grd"

_AXES = "tczyx"  # what versions before 0.3 always had
_COLLECTION = "bioformats2raw.layout"


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
    colors : dict of int to (int, int, int, int)
        Red, green, blue and opacity, 0 to 255, of label values that the file gives a color.
    notes : tuple of str
        What could not be read, in full sentences.
    """

    name: str
    levels: tuple[Any, ...]
    calibration: Calibration
    channels: tuple[Channel, ...]
    is_labels: bool
    labels: tuple["ZarrImage", ...]
    provenance: dict[str, Any]
    colors: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

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
    return bool(ome_metadata(path).keys() & {"multiscales", "labels", "plate", "well", _COLLECTION})


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
        except (OSError, ValueError, RecursionError):
            continue
        if name == "zarr.json" and isinstance(content, dict):
            content = content.get("attributes")
        if isinstance(content, dict):
            return content
    return {}


class OmeZarr:
    """The images of an OME-Zarr; each is opened when it is asked for, for a plate has thousands.

    Parameters
    ----------
    path : str or Path
        The folder of an image, of label images, of a collection of images (as
        bioformats2raw writes them), of a plate or of one of its wells; the
        metadata file in it; or a zipped one (``.ozx``).

    Attributes
    ----------
    path : Path
        The folder, or the zipped file.
    names : tuple of str
        What the images are called in the folder, ``A/1/0`` on a plate; at least one.
    notes : tuple of str
        What is listed and not there, in full sentences.

    Raises
    ------
    DataError
        If there is no such folder, or its metadata is missing or wrong.
    """

    def __init__(self, path: str | Path) -> None:
        import zarr  # half a second, which those who only ask what a folder is need not wait
        from zarr.storage import ZipStore

        self.path = group_folder(path)
        if not self.path.exists():
            raise DataError(f"There is no OME-Zarr {str(self.path)!r}.", "Check the path.")
        with _explained(self.path):
            store = ZipStore(self.path, mode="r") if self.path.is_file() else self.path
            self._group = zarr.open_group(store, mode="r")
            listed, self._is_labels, self._prefix = _listed(self._group, self.path)
            there = [key for key in listed if key == "" or _has(self._group, key)]
        lost = [key for key in listed if key not in there]
        self.names = tuple(key or image_stem(self.path) for key in there)
        self._keys = there
        self.notes: tuple[str, ...] = ()
        if lost:
            self.notes = (f"{self.path.name} lists {len(lost)} image(s) that are not there: {named(lost)}.",)
        if not there:
            raise DataError(f"The OME-Zarr {str(self.path)!r} holds no image.", "Choose another folder.")

    def image(self, number: int) -> ZarrImage:
        """One of the images.

        Raises
        ------
        DataError
            If its metadata is wrong.
        """
        key = self._keys[number]
        name = f"{self._prefix} {key}" if self._prefix else self.names[number]
        with _explained(self.path / key):
            return _image(self._group[key] if key else self._group, name, is_labels=self._is_labels)


def read_ome_zarr(path: str | Path) -> tuple[ZarrImage, ...]:
    """Open all images of an OME-Zarr, see :class:`OmeZarr`."""
    found = OmeZarr(path)
    return tuple(found.image(number) for number in range(len(found.names)))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    # Metadata is whatever somebody wrote: the lists and dictionaries in it may be anything.
    except Exception as error:
        raise DataError(
            f"The OME-Zarr {str(path)!r} cannot be read ({type(error).__name__}: {error}).",
            "Its metadata may be damaged or cut off: copy the whole folder again.",
        ) from error


def _listed(group: Any, path: Path) -> tuple[list[str], bool, str]:
    """Keys of the images ("" is the group itself), whether they are labels, and what their names begin with."""
    ome = _ome(dict(group.attrs))
    stem = image_stem(path)
    if "plate" in ome:
        return _fields(group, ome["plate"]), False, stem
    if "well" in ome:
        return [str(image["path"]) for image in ome["well"]["images"]], False, f"{path.parent.name}/{stem}"
    if "multiscales" in ome:
        return [""], False, ""
    if "labels" in ome:
        return [str(key) for key in ome["labels"]], True, ""
    if _COLLECTION in ome:
        series = _ome(dict(group["OME"].attrs)).get("series") if "OME" in group else None
        keys = series or sorted((key for key in group.group_keys() if key.isdecimal()), key=int)
        return [str(key) for key in keys], False, stem
    raise DataError(f"{str(path)!r} is a Zarr, but holds no OME metadata.", "Open one of the arrays in it.")


def _fields(group: Any, plate: Mapping[str, Any]) -> list[str]:
    """Fields of all wells, as paths below the plate; a well that is not there is one of them."""
    found: list[str] = []
    for well in plate.get("wells") or ():
        place = str(well["path"])
        images = _ome(dict(group[place].attrs)).get("well", {}).get("images") if _has(group, place) else None
        found += [f"{place}/{image['path']}" for image in images] if images else [place]
    return found


def _has(group: Any, key: str) -> bool:
    """Whether there is an image, or a group of it, at a path."""
    try:
        return "multiscales" in _ome(dict(group[key].attrs)) or "well" in _ome(dict(group[key].attrs))
    except Exception:  # whatever the store makes of a missing or broken one
        return False


def _image(group: Any, name: str, *, is_labels: bool = False) -> ZarrImage:
    attributes = dict(group.attrs)
    ome = _ome(attributes)
    scales: Mapping[str, Any] = ome["multiscales"][0]
    levels = tuple(group[dataset["path"]] for dataset in scales["datasets"])
    calibration = _calibration(scales, levels[0].ndim)
    labels, notes = _labels(group, name)
    count = levels[0].shape[calibration.axes.index("c")] if "c" in calibration.axes else 1
    return ZarrImage(
        name=name,
        levels=levels,
        calibration=calibration,
        channels=_channels(ome.get("omero") or {}, count),
        is_labels=is_labels or "image-label" in ome,
        labels=labels,
        provenance=dict(attributes.get(PROVENANCE) or {}),
        colors=_label_colors(ome.get("image-label")),
        notes=notes,
    )


def _labels(group: Any, name: str) -> tuple[tuple[ZarrImage, ...], tuple[str, ...]]:
    """Label images of an image; one that is missing or damaged does not keep the others from being read."""
    try:
        children = [str(key) for key in _ome(dict(group["labels"].attrs)).get("labels", ())]
    except KeyError:
        return (), ()
    found, lost = [], []
    for key in children:
        try:
            found.append(_image(group["labels"][key], key, is_labels=True))
        except Exception:  # as for the image itself
            lost.append(key)
    notes = (f"{name} lists label images that are missing or damaged: {named(lost)}.",) if lost else ()
    return tuple(found), notes


def _label_colors(stored: Any) -> dict[int, tuple[int, int, int, int]]:
    colors: dict[int, tuple[int, int, int, int]] = {}
    for entry in (stored.get("colors") if isinstance(stored, Mapping) else None) or ():
        try:
            red, green, blue, opacity = (min(255, max(0, int(value))) for value in entry["rgba"])
            colors[int(entry["label-value"])] = (red, green, blue, opacity)
        except (KeyError, TypeError, ValueError):
            continue
    return colors


def _calibration(scales: Mapping[str, Any], ndim: int) -> Calibration:
    listed = scales.get("axes") or list(_AXES[-ndim:])
    axes = [axis if isinstance(axis, str) else axis["name"] for axis in listed]
    if len(axes) != ndim:
        raise ValueError(f"{len(axes)} axes are named for an array of {ndim}")
    units = [None if isinstance(axis, str) else unit_name(str(axis.get("unit") or "")) for axis in listed]
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
