"""Writers of Labels layers, with calibration and provenance."""

import json
from typing import Any

from napari.utils.notifications import show_warning

from napari_grd._napari.files.calibrated import image_name, is_turned, layer_calibration
from napari_grd.io.objects.formats import SUFFIXES as OBJECT_SUFFIXES
from napari_grd.io.objects.formats import ObjectFormat, export_objects
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
        The labels, or their pyramid; its finest level is saved.
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


def write_labels_imagej(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save the objects of a Labels layer as ImageJ ROIs, ``.zip`` or of a single object ``.roi``.

    Outlines are in pixels of the layer's data; the layer's rotation and translation are ignored.
    """
    return _write_objects(path, data, meta, "imagej")


def write_labels_geojson(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save the objects of a Labels layer as GeoJSON for QuPath; in pixels, as :func:`write_labels_imagej`."""
    return _write_objects(path, data, meta, "geojson")


def write_labels_coco(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Save the objects of a Labels layer as COCO annotations; in pixels, as :func:`write_labels_imagej`."""
    return _write_objects(path, data, meta, "coco")


def _write_objects(path: str, data: Any, meta: dict[str, Any], form: ObjectFormat) -> list[str]:
    finest = data[0] if meta.get("multiscale") or isinstance(data, list | tuple) else data
    suffixes = (OBJECT_SUFFIXES[form], ".roi") if form == "imagej" else (OBJECT_SUFFIXES[form],)
    target = path if path.lower().endswith(suffixes) else f"{path}{suffixes[0]}"
    image = image_name(str(meta.get("name", "")), meta.get("metadata"))
    return [str(export_objects(finest, target, form, image=image, calibration=layer_calibration(meta, finest.ndim)))]


def _finest(data: Any, meta: dict[str, Any]) -> Any:
    if is_turned(meta):
        show_warning(f"{meta.get('name', 'The layer')} is rotated or sheared in the viewer; the file cannot keep that.")
    return data[0] if meta.get("multiscale") or isinstance(data, list | tuple) else data


def _provenance(meta: dict[str, Any]) -> dict[str, Any]:
    made = {"name": meta.get("name", ""), **(meta.get("metadata") or {}).get("napari_grd", {})}
    made.pop("live", None)  # what is in a file follows no view
    # Any code can write a layer's metadata: values that JSON does not support become text.
    return dict(json.loads(json.dumps(made, default=str)))
