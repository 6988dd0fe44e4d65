"""OME-Zarr images as :class:`~napari_grd.io.image_data.ImageData`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel, ImageData, Pick
from napari_grd.io.layout import lay_out
from napari_grd.io.lazy import lazy_array
from napari_grd.io.names import image_name
from napari_grd.io.ome_zarr import OmeZarr, ZarrImage
from napari_grd.io.tiff_metadata import Steps

_ALIASES = {"time": "t", "frame": "t", "channel": "c", "depth": "z", "row": "y", "column": "x"}


def list_zarr(path: Path) -> tuple[str, ...]:
    """Names of the images in an OME-Zarr."""
    return OmeZarr(path).names


def read_array(path: Path, *, axes: str | None) -> ImageData:
    """Read a single array in a Zarr folder, with its axes if it names them."""
    import zarr

    array: Any = zarr.open_array(path, mode="r")
    named = getattr(array.metadata, "dimension_names", None) or ()
    letters = [_ALIASES.get(str(name).lower(), str(name).lower()) for name in named]
    if not {"y", "x"} <= set(letters):
        letters = ["q"] * (array.ndim - 2) + ["y", "x"]
    name = image_name(path, 0, ("0",))
    laid = lay_out(lazy_array(array, path, _plane(letters)), letters, axes, path.name)
    count = laid.pixels.shape[laid.axes.index("c")] if "c" in laid.axes else 1
    return ImageData(
        pixels=laid.pixels,
        axes=laid.axes,
        calibration=Calibration.of(laid.axes),
        channels=(Channel(),) * count,
        name=name,
        path=path,
        axes_known=laid.axes_known,
        notes=(laid.note,) if laid.note else (),
    )


def read_zarr(path: Path, pick: Pick, *, axes: str | None, level: int = 0) -> ImageData:
    """Read a level of one image of an OME-Zarr, with its label images; the pixels are dask arrays."""
    group = OmeZarr(path)
    series = pick(group.names)
    image = group.image(series, level)
    name = image_name(group.path, series, group.names)
    return _data(image, name, group, series, axes)


def _data(image: ZarrImage, name: str, group: OmeZarr, series: int, axes: str | None) -> ImageData:
    named = image.calibration.axes
    letters = [_ALIASES.get(axis.lower(), axis.lower()) for axis in named]
    laid = lay_out(lazy_array(image.levels[0], group.path, _plane(letters)), letters, axes, name)
    calibration = image.calibration
    calibrated: dict[str, dict[str, Any]] = {"scale": {}, "units": {}, "translate": {}}
    for place, letter in enumerate(letters):
        calibrated["scale"][letter] = calibration.scale[place]
        calibrated["translate"][letter] = calibration.translate[place]
        calibrated["units"][letter] = calibration.units[place]
    return ImageData(
        pixels=laid.pixels,
        axes=laid.axes,
        calibration=Steps(**calibrated).calibration(laid.axes),
        channels=image.channels,
        name=name,
        path=group.path,
        series=series,
        series_names=group.names,
        axes_known=laid.axes_known,
        notes=tuple(note for note in (*group.notes, *image.notes, laid.note) if note),
        labels=tuple(_data(child, child.name, group, series, None) for child in image.labels),
        made_by=_made_by(image.provenance),
    )


def _made_by(provenance: Mapping[str, Any]) -> str:
    model = provenance.get("model")
    if isinstance(model, Mapping):  # a whole card, of labels that were saved in the window
        model = model.get("name")
    return str(model) if model and not provenance.get("corrected") else ""


def _plane(letters: list[str]) -> tuple[int, int]:
    return (letters.index("y"), letters.index("x")) if {"y", "x"} <= set(letters) else (-2, -1)
