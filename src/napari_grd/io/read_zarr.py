"""OME-Zarr images as :class:`~napari_grd.io.image_data.ImageData`."""

from pathlib import Path
from typing import Any

from napari_grd.io.image_data import ImageData
from napari_grd.io.layout import lay_out
from napari_grd.io.names import image_name
from napari_grd.io.ome_zarr import OmeZarr, ZarrImage
from napari_grd.io.tiff_metadata import Steps

_ALIASES = {"time": "t", "frame": "t", "channel": "c", "depth": "z", "row": "y", "column": "x"}


def list_zarr(path: Path) -> tuple[str, ...]:
    """What the images in an OME-Zarr are called."""
    return OmeZarr(path).names


def read_zarr(path: Path, series: int, *, axes: str | None) -> ImageData:
    """Read one image of an OME-Zarr, its finest level, with its label images; the pixels are dask arrays."""
    found = OmeZarr(path)
    image = found.image(series)
    name = image_name(found.path, series, found.names)
    return _data(image, name, found, series, axes)


def _data(image: ZarrImage, name: str, found: OmeZarr, series: int, axes: str | None) -> ImageData:
    import dask.array as da

    named = image.calibration.axes
    letters = [_ALIASES.get(axis.lower(), axis.lower()) for axis in named]
    laid = lay_out(da.from_zarr(image.levels[0]), letters, axes, name)
    calibration = image.calibration
    known: dict[str, dict[str, Any]] = {"scale": {}, "units": {}, "translate": {}}
    for place, letter in enumerate(letters):
        known["scale"][letter] = calibration.scale[place]
        known["translate"][letter] = calibration.translate[place]
        known["units"][letter] = calibration.units[place]
    return ImageData(
        pixels=laid.pixels,
        axes=laid.axes,
        calibration=Steps(**known).calibration(laid.axes),
        channels=image.channels,
        name=name,
        path=found.path,
        series=series,
        series_names=found.names,
        axes_known=laid.known,
        notes=tuple(note for note in (*found.notes, *image.notes, laid.note) if note),
        labels=tuple(_data(child, child.name, found, series, None) for child in image.labels),
    )
