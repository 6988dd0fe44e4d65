"""Labels in OME-TIFF as napari layers."""

from pathlib import Path

from napari_grd._napari.files.calibrated import LayerData, layer_options
from napari_grd.errors import DataError
from napari_grd.io.images import read_stored
from napari_grd.io.ome_tiff import read_provenance


def tiff_layers(path: str | Path) -> tuple[list[LayerData], list[str]]:
    """Open an OME-TIFF of labels, with its calibration and provenance.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    layers : list of (data, keyword arguments, kind)
        As napari's readers return them: one layer, or one for each position along the channel axis.
    notes : list of str
        Messages about how the file was read.

    Raises
    ------
    DataError
        If it cannot be read, or its pixels are not integers.
    """
    image = read_stored(path)
    if image.pixels.dtype.kind not in "iu":
        raise DataError(f"{str(path)!r} has pixels of type {image.pixels.dtype}, not labels.", "Open it as an image.")
    made = read_provenance(path)
    metadata = {"napari_grd": made} if made else {}
    if "c" not in image.axes:
        options = layer_options(image.calibration) | {"name": image.name, "metadata": metadata}
        return [(image.pixels, options, "labels")], list(image.notes)
    axis = image.axes.index("c")
    options = layer_options(image.calibration.without(axis))
    parts = [image.pixels[(slice(None),) * axis + (number,)] for number in range(image.shape[axis])]
    return [
        (part, options | {"name": f"{image.name} {number}", "metadata": dict(metadata)}, "labels")
        for number, part in enumerate(parts)
    ], list(image.notes)
