"""Label images as ImageJ-compatible TIFF, with pixel size and provenance."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_grd.errors import LabelError, OutputError
from napari_grd.io.atomic import atomic_path
from napari_grd.io.calibration import Calibration
from napari_grd.io.label_values import stored_type
from napari_grd.io.names import TIFF
from napari_grd.io.ome_tiff import write_ome
from napari_grd.io.units import MICROMETERS, SECONDS

_CLASSIC = 2**32 - 2**24  # bytes that fit into a file of ImageJ


def write_labels(
    path: str | Path,
    labels: NDArray[Any],
    provenance: Mapping[str, Any] | None = None,
    *,
    calibration: Calibration | None = None,
) -> Path:
    """Write a label image as a compressed TIFF, atomically.

    Parameters
    ----------
    path : str or Path
        A file ending in ``.tif`` or ``.tiff``; its folder must exist.
    labels : numpy.ndarray
        Integers >= 0 with two to four axes.
    provenance : mapping, optional
        Provenance of the labels (model, version, settings), JSON-compatible.
        ImageJ shows it as the image's info.
    calibration : Calibration, optional
        Calibration of the labels' axes, of t, z, y and x. Default: t and z before y and x, with unknown steps.

    Returns
    -------
    Path
        The file: a hyperstack of ImageJ with axes in the order TZYX, sizes in micrometers and seconds, as uint16. With
        labels above 65535, which ImageJ does not support, or more than 4 GB: an OME-TIFF, as uint32.

    Raises
    ------
    LabelError
        If the labels are empty, not integers, negative, above 2**32 - 1, or have other axes.
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in TIFF[:2]:
        raise OutputError(f"Labels cannot be written to {str(path)!r}.", "Choose a file name that ends in .tif.")
    labels = np.asarray(labels)
    dtype = stored_type(labels)
    names = ("zyx"[-labels.ndim :] if labels.ndim < 4 else "tzyx") if calibration is None else calibration.axes
    if len(names) != labels.ndim or not set(names) <= set("tzyx") or not {"y", "x"} <= set(names):
        raise LabelError(
            f"Labels of shape {labels.shape} have the axes {''.join(names)!r}.", "Name t, z, y and x, each once."
        )
    place = Calibration.of(names) if calibration is None else calibration
    order = sorted(range(labels.ndim), key=lambda axis: "tzyx".index(names[axis]))
    stored = labels.transpose(order).astype(dtype, copy=False)
    place = replace(
        place,
        axes=tuple(names[axis] for axis in order),
        scale=tuple(place.scale[axis] for axis in order),
        translate=tuple(place.translate[axis] for axis in order),
        units=tuple(place.units[axis] for axis in order),
    )
    if dtype == np.uint32 or stored.nbytes > _CLASSIC:
        return write_ome(path, stored, place, provenance)
    metadata: dict[str, Any] = {"axes": "".join(place.axes).upper(), "max": float(stored.max(initial=0)), "min": 0.0}
    steps = _steps(place)
    calibrated = "x" in steps and "y" in steps
    if calibrated or "z" in steps:
        metadata |= {"unit": "um" if calibrated else "pixel", "zunit": "um"}
    if "z" in steps:
        metadata["spacing"] = steps["z"]
    if "t" in steps:
        metadata["finterval"] = steps["t"]
    if provenance:
        metadata["Info"] = json.dumps(dict(provenance))
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            stored,
            imagej=True,
            compression="zlib",
            photometric="minisblack",
            resolution=(1 / steps["x"], 1 / steps["y"]) if calibrated else None,
            metadata=metadata,
        )
    return path


def _steps(place: Calibration) -> dict[str, float]:
    """Steps that are known, in micrometers and seconds."""
    steps = {}
    for axis, step, unit in zip(place.axes, place.scale, place.units, strict=True):
        factor = (SECONDS if axis == "t" else MICROMETERS).get(unit or "")
        if factor is not None and step > 0:
            steps[axis] = step * factor
    return steps
