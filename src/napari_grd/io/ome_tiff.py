"""Label images as OME-TIFF, with pixel sizes and provenance."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_grd import __version__
from napari_grd.errors import DataError, LabelError, OutputError
from napari_grd.io.atomic import atomic_path
from napari_grd.io.calibration import Calibration
from napari_grd.io.label_values import stored_type
from napari_grd.io.tiff_metadata import ome_root
from napari_grd.io.units import LENGTHS, TIMES

SUFFIXES = (".ome.tif", ".ome.tiff")

_NAMESPACE = "napari_grd"
_CREATOR = "napari-grd"
_INTEGERS = ("uint8", "uint16", "uint32", "int8", "int16", "int32")
_LABELS = re.compile(r"((instance|object|cell|nuclei|nucleus|segmentation)[ _-])?(labels?|masks?)", re.IGNORECASE)
_SPATIAL = "ZYX"
_LEADING = "TZC"


def write_labels_ome_tiff(
    path: str | Path, labels: Any, calibration: Calibration, provenance: Mapping[str, Any] | None = None
) -> Path:
    """Write a label image as a compressed OME-TIFF, atomically.

    Parameters
    ----------
    path : str or Path
        A file ending in ``.ome.tif`` or ``.ome.tiff``. An existing file is replaced.
    labels : array (*S)
        Integers >= 0 with two to five axes: numpy, or dask or zarr, which are
        read plane by plane. The last two are the image plane. They are stored as uint16 if they fit, else as uint32.
    calibration : Calibration
        Calibration of these axes. OME supports t, c and z beside y and x: an axis of another name uses a free one.
        Units that OME does not support are omitted.
    provenance : mapping, optional
        Provenance of the labels, JSON-compatible; stored as an annotation, see :func:`read_provenance`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LabelError
        If the labels are empty, not integers, negative, above 2**32 - 1, or have too many axes.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    if not path.name.lower().endswith(SUFFIXES):
        raise OutputError(f"Labels cannot be written to {str(path)!r}.", f"Use a file name ending in {SUFFIXES[0]}.")
    return write_ome(path, labels, calibration, provenance)


def write_ome(path: Path, labels: Any, calibration: Calibration, provenance: Mapping[str, Any] | None) -> Path:
    """:func:`write_labels_ome_tiff` under any name."""
    dtype = stored_type(labels)
    axes = _letters(calibration.axes)
    metadata: dict[str, Any] = {"axes": axes, "Creator": f"{_CREATOR} {__version__}"}
    metadata |= _sizes(axes, calibration) | _positions(axes, calibration, labels.shape)
    if provenance:
        metadata["CommentAnnotation"] = {"Namespace": _NAMESPACE, "Value": json.dumps(dict(provenance))}
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            _planes(labels, dtype),
            shape=tuple(labels.shape),
            dtype=dtype,
            ome=True,
            bigtiff=int(np.prod(labels.shape)) * np.dtype(dtype).itemsize >= 2**31,
            compression="zlib",
            photometric="minisblack",
            metadata=metadata,
        )
    return path


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance of labels in an OME-TIFF; empty if there is none.

    Raises
    ------
    DataError
        If the file is not a TIFF.
    """
    root = _described(path)
    if root is None:
        return {}
    for element in root.iter("CommentAnnotation"):
        if element.get("Namespace") == _NAMESPACE:
            with suppress(ValueError):  # edited by other programs
                provenance = json.loads("".join(element.itertext()))
                return dict(provenance) if isinstance(provenance, dict) else {}
    return {}


def holds_labels(path: str | Path) -> bool:
    """Whether an OME-TIFF says that its pixels are labels.

    It does if :func:`write_labels_ome_tiff` wrote it, or if its only image, or the only channel of this, is named as
    labels are (``"labels"``, ``"instance labels"``, ``"cell mask"``, ...) and has integers. Only its head is read.

    Parameters
    ----------
    path : str or Path
        Any file; what is no TIFF holds no labels.
    """
    try:
        root = _described(path)
    except DataError:
        return False
    images = [] if root is None else root.findall("Image")
    pixels = images[0].find("Pixels") if len(images) == 1 else None
    if root is None or pixels is None or pixels.get("Type", "").lower() not in _INTEGERS:
        return False
    if root.get("Creator", "").startswith(_CREATOR):
        return True
    channels = pixels.findall("Channel")
    names = [images[0].get("Name"), channels[0].get("Name") if channels else None]
    return pixels.get("SizeC", "1") == "1" and any(_LABELS.fullmatch(name or "") for name in names)


def _described(path: str | Path) -> ElementTree.Element | None:
    """The OME-XML of a TIFF; None if there is none."""
    try:
        with tifffile.TiffFile(path) as file:
            described = file.ome_metadata
        return ome_root(described) if described else None
    except Exception as error:  # tifffile raises many types for damaged files
        raise DataError(f"The file {str(path)!r} cannot be read ({error}).", "Check the path.") from error


def _letters(axes: tuple[str, ...]) -> str:
    """Axis letters for OME: the axis' own name if valid, else an unused letter."""
    if len(axes) > len(_LEADING) + 2:
        raise LabelError(f"The labels have {len(axes)} axes.", "OME-TIFF supports at most five: save a part of them.")
    named = [name.upper() if name.upper() in _LEADING else None for name in axes[:-2]]
    free = iter([letter for letter in "ZTC" if letter not in named])
    return "".join(letter or next(free) for letter in named) + "YX"


def _sizes(axes: str, calibration: Calibration) -> dict[str, Any]:
    sizes: dict[str, Any] = {}
    for letter, step, unit in zip(axes, calibration.scale, calibration.units, strict=True):
        if letter in _SPATIAL and (symbol := LENGTHS.get(unit or "", "pixel")) and (unit or step != 1):
            sizes |= {f"PhysicalSize{letter}": step, f"PhysicalSize{letter}Unit": symbol}
        elif letter == "T" and unit in TIMES:
            sizes |= {"TimeIncrement": step, "TimeIncrementUnit": TIMES[unit]}
    return sizes


def _positions(axes: str, calibration: Calibration, shape: tuple[int, ...]) -> dict[str, Any]:
    """The positions of planes for OME; only needed if the first pixel is not at the origin."""
    if not any(calibration.translate):
        return {}
    planes: dict[str, list[Any]] = {}
    for index in np.ndindex(*shape[:-2]):
        position = (*index, 0, 0)
        for letter, step, start, unit, number in zip(
            axes, calibration.scale, calibration.translate, calibration.units, position, strict=True
        ):
            if letter in _SPATIAL:
                planes.setdefault(f"Position{letter}", []).append(start + number * step)
                planes.setdefault(f"Position{letter}Unit", []).append(LENGTHS.get(unit or "", "pixel"))
            elif letter == "T" and unit in TIMES:
                planes.setdefault("DeltaT", []).append(start + number * step)
                planes.setdefault("DeltaTUnit", []).append(TIMES[unit])
    return {"Plane": planes}


def _planes(labels: Any, dtype: type[np.generic]) -> Iterator[NDArray[Any]]:
    for index in np.ndindex(*labels.shape[:-2]):
        yield np.asarray(labels[index]).astype(dtype)
