"""Proprietary microscope formats, read with bioio if installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from napari_grd.errors import DataError
from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel, ImageData, Pick
from napari_grd.io.layout import lay_out
from napari_grd.io.names import VENDOR, image_name, series_names

_MICROMETER = "micrometer"  # unit of bioio's sizes


def open_vendor(path: Path) -> Any:
    """A bioio.BioImage of a file.

    Raises
    ------
    DataError
        If a package is missing (the remedy names it), or the file cannot be read.
    """
    try:
        from bioio import BioImage
    except Exception as error:  # an optional package may fail in any way
        raise DataError(
            f"{path.suffix} files are opened with the package bioio, which is not installed ({error}).",
            f'Install it: pip install "napari-grd[bioio]" {VENDOR.get(path.suffix.lower(), "")}'.rstrip(),
        ) from error
    try:
        return BioImage(path)
    except Exception as error:  # each format's reader raises errors of its own
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that bioio cannot read."""
    reason = str(error).partition(". ")[0]  # the rest is advice for programmers
    package = VENDOR.get(path.suffix.lower())
    remedy = "The file may be cut off or damaged: copy it again, or export it as OME-TIFF."
    if package and find_spec(package.replace("-", "_")) is None:
        remedy = f"bioio needs another package for {path.suffix} files: pip install {package}"
    return DataError(f"{str(path)!r} cannot be read ({reason}).", remedy)


def scene_calibration(image: Any, axes: str) -> Calibration:
    """The calibration of a BioImage's current scene, for axes of ``tczyx``."""
    sizes = image.physical_pixel_sizes
    interval = image.time_interval
    seconds = interval.total_seconds() if hasattr(interval, "total_seconds") else interval
    steps = {
        "z": (sizes.Z, _MICROMETER),
        "y": (sizes.Y, _MICROMETER),
        "x": (sizes.X, _MICROMETER),
        "t": (seconds, "second"),
    }
    calibrated = [steps[axis] if steps.get(axis, (None,))[0] else (1.0, None) for axis in axes]
    return Calibration.of(axes, [step for step, _ in calibrated], units=[unit for _, unit in calibrated])


def list_vendor(path: Path) -> tuple[str, ...]:
    """Names of the scenes (positions) of a file."""
    return series_names([str(scene) for scene in open_vendor(path).scenes])


def read_vendor(path: Path, pick: Pick, *, axes: str | None, lazy_bytes: int) -> ImageData:
    """Read one scene; above ``lazy_bytes`` the pixels are a dask array."""
    image = open_vendor(path)
    names = series_names([str(scene) for scene in image.scenes])
    series = pick(names)
    try:
        image.set_scene(series)
        lazy = image.dask_data
        pixels: Any = lazy if lazy.nbytes > lazy_bytes else np.asarray(lazy)
        named = [str(channel) for channel in image.channel_names or ()]
        laid = lay_out(pixels, image.dims.order.lower(), axes, path.name)
        is_rgb = "S" in image.dims.order and "c" in laid.axes and laid.pixels.shape[laid.axes.index("c")] == 3
        count = laid.pixels.shape[laid.axes.index("c")] if "c" in laid.axes else 1
        channels = tuple(Channel(name) for name in named) if len(named) == count else (Channel(),) * count
        return ImageData(
            pixels=laid.pixels,
            axes=laid.axes,
            calibration=scene_calibration(image, laid.axes),
            channels=channels,
            name=image_name(path, series, names),
            path=path,
            series=series,
            series_names=names,
            is_rgb=is_rgb,
            axes_known=laid.axes_known,
            notes=(laid.note,) if laid.note else (),
        )
    except DataError:
        raise
    except Exception as error:
        raise unreadable(path, error) from error
