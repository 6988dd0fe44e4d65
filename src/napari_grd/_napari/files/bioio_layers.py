"""Microscopes' own file formats as napari layers, read with bioio."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_warning

from napari_grd._napari.files.calibrated import LayerData, layer_options
from napari_grd._napari.files.zarr_layers import channel_options, pyramid
from napari_grd.errors import DataError
from napari_grd.io.calibration import Calibration
from napari_grd.io.ome_zarr import Channel

# Formats that napari itself cannot open, and the package that teaches bioio each of them.
FORMATS = {
    ".czi": "bioio-czi",
    ".nd2": "bioio-nd2",
    ".lif": "bioio-lif",
    ".xlif": "bioio-lif",
    ".lof": "bioio-lif",
    ".dv": "bioio-dv",
    ".r3d": "bioio-dv",
    ".oib": "bioio-bioformats",
    ".oif": "bioio-bioformats",
    ".oir": "bioio-bioformats",
    ".vsi": "bioio-bioformats",
    ".zvi": "bioio-bioformats",
    ".ims": "bioio-bioformats",
}
MOST_SCENES = 16

_MICROMETER = "micrometer"  # what bioio gives sizes in


def bioio_layers(path: str | Path) -> list[LayerData]:
    """Open an image file lazily: one layer a channel, with its name, pixel sizes and pyramid.

    Parameters
    ----------
    path : str or Path
        The file. Of one with several scenes (positions) the first is shown and
        the others are hidden; no more than 16 become layers.

    Returns
    -------
    list of (data, keyword arguments, kind)
        As napari's readers return them; data are dask arrays.

    Raises
    ------
    DataError
        If a package is missing (the remedy names it), or the file cannot be read.
    """
    path = Path(path)
    try:
        from bioio import BioImage
    except Exception as error:  # an optional package may fail in any way
        raise DataError(
            f"{path.suffix} files are opened with the package bioio, which is not installed ({error}).",
            f'Install it: pip install "napari-grd[bioio]" {FORMATS.get(path.suffix.lower(), "")}'.rstrip(),
        ) from error
    try:
        image = BioImage(path)
        layers: list[LayerData] = []
        for number, scene in enumerate(image.scenes[:MOST_SCENES]):
            image.set_scene(scene)
            several = len(image.scenes) > 1
            layers += _scene(image, f"{path.stem} {scene}" if several else path.stem, several, visible=number == 0)
    except Exception as error:  # each format has its own reader, with its own errors
        reason = str(error).partition(". ")[0]  # bioio goes on with what a programmer could do
        raise DataError(f"{str(path)!r} cannot be read ({reason}).", _remedy(path)) from error
    if len(image.scenes) > MOST_SCENES:
        show_warning(f"{path.name} holds {len(image.scenes)} scenes; the first {MOST_SCENES} were opened.")
    return layers


def _scene(image: Any, name: str, several: bool, *, visible: bool) -> list[LayerData]:
    order: str = image.dims.order
    levels = []
    for level in image.resolution_levels:
        image.set_resolution_level(level)
        levels.append(image.dask_data)
    image.set_resolution_level(image.resolution_levels[0])
    single = [axis for axis in "TZ" if levels[0].shape[order.index(axis)] == 1]
    axes = [axis.lower() for axis in order if axis not in {*single, "C", "S"}]
    calibration = _calibration(image, axes)
    names = [str(channel) for channel in image.channel_names or ()]
    count = levels[0].shape[order.index("C")]
    layers: list[LayerData] = []
    for index in range(count):
        own = names[index] if index < len(names) else f"channel {index}"
        options = layer_options(calibration) | channel_options(Channel(visible=visible), index, count)
        options["name"] = f"{name}: {own}" if several or count == 1 else own
        if "S" in order:
            options |= {"rgb": True}
            del options["colormap"]
        data = pyramid([_taken(level, order, {"C": index} | dict.fromkeys(single, 0)) for level in levels])
        layers.append((data, options, "image"))
    return layers


def _taken(data: Any, order: str, at: dict[str, int]) -> Any:
    return data[tuple(at.get(axis, slice(None)) for axis in order)]


def _calibration(image: Any, axes: list[str]) -> Calibration:
    sizes = image.physical_pixel_sizes
    interval = image.time_interval
    seconds = interval.total_seconds() if hasattr(interval, "total_seconds") else interval
    steps = {
        "z": (sizes.Z, _MICROMETER),
        "y": (sizes.Y, _MICROMETER),
        "x": (sizes.X, _MICROMETER),
        "t": (seconds, "second"),
    }
    known = [steps[axis] if steps[axis][0] else (1.0, None) for axis in axes]
    return Calibration.of(axes, [step for step, _ in known], units=[unit for _, unit in known])


def _remedy(path: Path) -> str:
    package = FORMATS.get(path.suffix.lower())
    if package and find_spec(package.replace("-", "_")) is None:
        return f"bioio needs another package for {path.suffix} files: pip install {package}"
    return "The file may be cut off or damaged: copy it again, or export it as OME-TIFF."
