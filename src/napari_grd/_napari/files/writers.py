"""Labels layers saved with their calibration, and with what made them."""

import json
from typing import Any

from napari.utils.notifications import show_warning

from napari_grd._napari.files.calibrated import is_turned, layer_calibration
from napari_grd.io.ome_tiff import SUFFIXES
from napari_grd.io.ome_tiff import write_labels_ome_tiff as write_tiff
from napari_grd.io.ome_zarr_labels import write_labels_zarr


def write_labels_ome_zarr(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a Labels layer as an OME-Zarr.

    Parameters
    ----------
    path : str
        The folder; ``.ome.zarr`` is added unless the name ends in ``.zarr``.
    data : array or list of arrays
        The labels, or their pyramid, of which the finest level is taken.
    meta : dict
        The layer's keyword arguments.

    Returns
    -------
    list of str
        The folder.

    Raises
    ------
    GrdError
        If it cannot be written; napari shows the message.
    """
    finest = _finest(data, meta)
    target = path if path.lower().endswith(".zarr") else f"{path}.ome.zarr"
    return [str(write_labels_zarr(target, finest, layer_calibration(meta, finest.ndim), _provenance(meta)))]


def write_labels_ome_tiff(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save a Labels layer as an OME-TIFF; as :func:`write_labels_ome_zarr`, but for ``.ome.tif``."""
    finest = _finest(data, meta)
    target = path if path.lower().endswith(SUFFIXES) else f"{path}{SUFFIXES[0]}"
    return [str(write_tiff(target, finest, layer_calibration(meta, finest.ndim), _provenance(meta)))]


def _finest(data: Any, meta: dict[str, Any]) -> Any:
    if is_turned(meta):
        show_warning(f"{meta.get('name', 'The layer')} is rotated or sheared in the viewer; the file cannot keep that.")
    return data[0] if meta.get("multiscale") or isinstance(data, list | tuple) else data


def _provenance(meta: dict[str, Any]) -> dict[str, Any]:
    made = {"name": meta.get("name", ""), **(meta.get("metadata") or {}).get("napari_grd", {})}
    # Metadata of layers is anybody's to write: what JSON does not know becomes text.
    return dict(json.loads(json.dumps(made, default=str)))
