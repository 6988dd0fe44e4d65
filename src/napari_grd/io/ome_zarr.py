"""OME-Zarr images and label images, read lazily: versions 0.1 to 0.5, single images and collections.

A folder is read according to its metadata, with defaults for missing entries. Only metadata are read until pixels are
requested.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_grd.errors import DataError
from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel
from napari_grd.io.names import image_stem, named
from napari_grd.io.ome_zarr_metadata import (
    COLLECTION,
    calibration_of,
    channels_of,
    group_folder,
    label_colors_of,
    ome_metadata,
    ome_of,
)
from napari_grd.io.remote import UNREACHABLE, address_of

PROVENANCE = "napari_grd"


@dataclass(frozen=True)
class ZarrImage:
    """An image, or a label image, with its pyramid.

    Attributes
    ----------
    name : str
        Its own name, or that of its folder.
    levels : tuple of zarr.Array
        Finest first, each with the axes of the calibration.
    calibration : Calibration
        Of the finest level.
    channels : tuple of Channel
        One for each position of the axis ``c``; one if there is no such axis.
    is_labels : bool
        Whether the values are labels.
    labels : tuple of ZarrImage
        Label images of this image.
    provenance : dict
        Provenance, if written by napari-grd; else empty.
    colors : dict of int to (int, int, int, int)
        Red, green, blue and opacity, 0 to 255, of label values with a color in the file.
    notes : tuple of str
        Messages about unreadable parts, in full sentences.
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


class OmeZarr:
    """The images of an OME-Zarr; each is opened on request, because a plate has thousands.

    Parameters
    ----------
    path : str or Path
        The folder of an image, of label images, of a collection of images (as
        bioformats2raw writes them), of a plate or of one of its wells; the
        metadata file in it; or a zipped one (``.ozx``). Or an address that fsspec knows, as ``https://...``.

    Attributes
    ----------
    path : Path
        The folder, or the zipped file.
    names : tuple of str
        Names of the images in the folder, ``A/1/0`` on a plate; at least one.
    is_plate : bool
        Whether it is a plate, whose images are the fields of its wells.
    notes : tuple of str
        Messages about missing images, in full sentences.

    Raises
    ------
    DataError
        If there is no such folder, or its metadata is missing or wrong.
    """

    def __init__(self, path: str | Path) -> None:
        import zarr  # takes half a second, not needed to identify a folder
        from zarr.storage import ZipStore

        self.path = group_folder(path)
        address = address_of(self.path)
        if address is None and not self.path.exists():
            raise DataError(f"There is no OME-Zarr {str(self.path)!r}.", "Check the path.")
        with _explained(self.path):
            store = ZipStore(self.path, mode="r") if self.path.is_file() else address or self.path
            self._group = zarr.open_group(store, mode="r")
            listed, self._is_labels, self._prefix = _listed(self._group, self.path)
            self.is_plate = "plate" in ome_of(dict(self._group.attrs))
            there = [key for key in listed if key == "" or _has(self._group, self.path, key)]
        lost = [key for key in listed if key not in there]
        self.names = tuple(key or image_stem(self.path) for key in there)
        self._keys = there
        self.notes: tuple[str, ...] = ()
        if lost:
            self.notes = (f"{self.path.name} lists {len(lost)} image(s) that are missing: {named(lost)}.",)
        if not there:
            raise DataError(f"The OME-Zarr {str(self.path)!r} contains no image.", "Choose another folder.")

    def image(self, number: int, level: int = 0) -> ZarrImage:
        """One of the images.

        Parameters
        ----------
        number : int
            Its place in ``names``.
        level : int
            Level of the pyramid that takes the place of the finest.

        Raises
        ------
        DataError
            If its metadata is wrong, or there is no such level.
        """
        key = self._keys[number]
        name = f"{self._prefix} {key}" if self._prefix else self.names[number]
        with _explained(self.path / key):
            group = self._group[key] if key else self._group
            return _image(group, name, level, is_labels=self._is_labels)


def read_ome_zarr(path: str | Path) -> tuple[ZarrImage, ...]:
    """Open all images of an OME-Zarr, see :class:`OmeZarr`."""
    group = OmeZarr(path)
    return tuple(group.image(number) for number in range(len(group.names)))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    # Metadata may have any structure.
    except Exception as error:
        address = address_of(path)
        raise DataError(
            f"The OME-Zarr {address or str(path)!r} cannot be read ({type(error).__name__}: {error}).",
            UNREACHABLE if address else "Its metadata may be damaged or cut off: copy the whole folder again.",
        ) from error


def _listed(group: Any, path: Path) -> tuple[list[str], bool, str]:
    """Keys of the images ("" is the group itself), whether they are labels, and the prefix of their names."""
    ome = ome_of(dict(group.attrs))
    stem = image_stem(path)
    if "plate" in ome:
        return _fields(group, path, ome["plate"]), False, stem
    if "well" in ome:
        return [str(image["path"]) for image in ome["well"]["images"]], False, f"{path.parent.name}/{stem}"
    if "multiscales" in ome:
        return [""], False, ""
    if "labels" in ome:
        return [str(key) for key in ome["labels"]], True, ""
    if COLLECTION in ome:
        series = ome_of(dict(group["OME"].attrs)).get("series") if "OME" in group else None
        keys = series or sorted((key for key in group.group_keys() if key.isdecimal()), key=int)
        return [str(key) for key in keys], False, stem
    if "incomplete" in dict(group.attrs.get(PROVENANCE) or {}):
        raise DataError(
            f"The label image {str(path)!r} is being written, or that was interrupted.",
            "Wait, or run the command that wrote it again: it continues.",
        )
    raise DataError(f"{str(path)!r} is a Zarr, but has no OME metadata.", "Open one of the arrays in it.")


def _fields(group: Any, path: Path, plate: Mapping[str, Any]) -> list[str]:
    """Fields of all wells, as paths below the plate; a missing well is included."""
    fields: list[str] = []
    for well in plate.get("wells") or ():
        place = str(well["path"])
        images = _attributes(group, path, place).get("well", {}).get("images")
        fields += [f"{place}/{image['path']}" for image in images] if images else [place]
    return fields


def _has(group: Any, path: Path, key: str) -> bool:
    """Whether there is an image at a path."""
    return "multiscales" in _attributes(group, path, key)


def _attributes(group: Any, path: Path, key: str) -> dict[str, Any]:
    """OME metadata below a group, or empty; read from files without Zarr, because a plate has thousands."""
    if path.is_dir():
        return ome_metadata(path / key)
    try:
        return ome_of(dict(group[key].attrs))
    except Exception:  # the store may raise any error
        return {}


def _image(group: Any, name: str, level: int = 0, *, is_labels: bool = False) -> ZarrImage:
    attributes = dict(group.attrs)
    ome = ome_of(attributes)
    scales: Mapping[str, Any] = ome["multiscales"][0]
    levels = tuple(group[dataset["path"]] for dataset in scales["datasets"])
    if not 0 <= level < len(levels):
        raise DataError(f"{name!r} has no level {level}.", f"Choose one from 0, the finest, to {len(levels) - 1}.")
    calibration = calibration_of(scales, [each.shape for each in levels[: level + 1]])
    levels = levels[level:]
    labels, notes = _labels(group, name)
    count = levels[0].shape[calibration.axes.index("c")] if "c" in calibration.axes else 1
    return ZarrImage(
        name=name,
        levels=levels,
        calibration=calibration,
        channels=channels_of(ome.get("omero") or {}, count),
        is_labels=is_labels or "image-label" in ome,
        labels=labels,
        provenance=dict(attributes.get(PROVENANCE) or {}),
        colors=label_colors_of(ome.get("image-label")),
        notes=notes,
    )


def _labels(group: Any, name: str) -> tuple[tuple[ZarrImage, ...], tuple[str, ...]]:
    """Label images of an image; missing or damaged ones are skipped."""
    try:
        children = [str(key) for key in ome_of(dict(group["labels"].attrs)).get("labels", ())]
    except KeyError:
        return (), ()
    images, lost = [], []
    for key in children:
        try:
            images.append(_image(group["labels"][key], key, is_labels=True))
        except Exception:  # as for the image itself
            lost.append(key)
    notes = (f"{name} lists label images that are missing or damaged: {named(lost)}.",) if lost else ()
    return tuple(images), notes
