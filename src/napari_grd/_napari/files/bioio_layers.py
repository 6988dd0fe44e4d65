"""Proprietary microscope formats as napari layers, read with bioio."""

from pathlib import Path
from typing import Any

from napari.utils.notifications import show_warning

from napari_grd._napari.files.calibrated import LayerData, layer_options
from napari_grd._napari.files.zarr_layers import channel_options, pyramid
from napari_grd.io.image_data import Channel
from napari_grd.io.names import image_stem
from napari_grd.io.vendor import open_vendor, scene_calibration, unreadable

MOST_SCENES = 16


def bioio_layers(path: str | Path) -> list[LayerData]:
    """Open an image file lazily: one layer a channel, with its name, pixel sizes and pyramid.

    Parameters
    ----------
    path : str or Path
        The file. Of several scenes (positions) the first is shown and the others are hidden; at most 16 become layers.

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
    image = open_vendor(path)
    stem = image_stem(path)
    layers: list[LayerData] = []
    try:
        for number, scene in enumerate(image.scenes[:MOST_SCENES]):
            image.set_scene(scene)
            several = len(image.scenes) > 1
            layers += _scene(image, f"{stem} {scene}" if several else stem, several, visible=number == 0)
    except Exception as error:  # each format's reader raises errors of its own
        raise unreadable(path, error) from error
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
    axes = "".join(axis.lower() for axis in order if axis not in {*single, "C", "S"})
    calibration = scene_calibration(image, axes)
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


def _taken(data: Any, order: str, index: dict[str, int]) -> Any:
    return data[tuple(index.get(axis, slice(None)) for axis in order)]
