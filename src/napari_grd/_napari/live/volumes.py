"""Segmentation of volumes with a 3D model: everything at once, as there is no visible plane to begin with."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.source import ImageSource
from napari_grd.config import SegmentConfig
from napari_grd.errors import ImageError
from napari_grd.jobs import Job, Stopwatch

if TYPE_CHECKING:
    from napari_grd.models.model import Model


def iter_segment_volumes(source: ImageSource, model: "Model", config: SegmentConfig) -> Job[NDArray[np.uint32]]:
    """Segment an image layer as a volume, or as a series of volumes.

    Parameters
    ----------
    source : ImageSource
        The image; the last of its axes that is neither displayed nor channels is z.
    model : Model
        A 3D model.
    config : SegmentConfig
        Settings.

    Returns
    -------
    Job of (*planes, H, W) uint32
        Objects extend through z, and have other numbers at every time.

    Raises
    ------
    ImageError
        If the layer has no z, or more axes than t and z.
    """
    axes = volume_axes(source)
    shape = (*source.plane_shape, len(source.channels), *source.shape())
    pixels: NDArray[Any] | None = None
    watch = Stopwatch("Reading the volume", int(np.prod(source.plane_shape)))
    for number, plane in enumerate(source.planes()):
        yield watch.progress(number)
        part = source.read(0, plane)
        if pixels is None:
            pixels = np.empty(shape, part.dtype)
        pixels[plane] = part
    from napari_grd.inference.segment import iter_segment  # imports torch

    labels: NDArray[np.uint32] = yield from iter_segment(model, pixels, config, axes=axes)
    return labels


def volume_axes(source: ImageSource) -> str:
    """Letters of the axes of the planes of a layer, as they are read: "zcyx" or "tzcyx".

    Raises
    ------
    ImageError
        If the layer has no z, or more axes than t and z.
    """
    name = source.layer.name
    labels = [str(source.layer.axis_labels[axis]).lower() for axis in source.plane_axes]
    if len(labels) not in (1, 2) or labels[-1] in ("t", "time"):
        found = ", ".join([*labels, "y", "x"])
        raise ImageError(
            f"The model takes volumes, and {name!r} has the axes {found}.",
            "Open a stack of planes along z, or choose a model for planes.",
        )
    return "tzcyx"[-3 - len(labels) :]
