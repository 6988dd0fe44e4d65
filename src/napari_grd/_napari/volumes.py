"""Segmentation of volumes with a 3D model: everything at once, as there is no visible plane to begin with."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.source import ImageSource, volume_axes
from napari_grd.config import SegmentConfig
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
