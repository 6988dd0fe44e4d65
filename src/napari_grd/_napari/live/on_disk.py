"""Segmentation block by block into an OME-Zarr, for images whose labels do not fit into memory."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from napari.layers import Labels

from napari_grd._napari.files.calibrated import layer_calibration
from napari_grd._napari.labels_layers import labels_layer
from napari_grd._napari.outputs import provenance
from napari_grd._napari.source import ImageSource
from napari_grd.config import SegmentConfig
from napari_grd.errors import ImageError
from napari_grd.io.calibration import Calibration
from napari_grd.io.names import file_name
from napari_grd.io.ome_zarr import OmeZarr
from napari_grd.io.ome_zarr_metadata import attributes_of, ome_of
from napari_grd.jobs import Job, PreviewImages

if TYPE_CHECKING:
    from napari_grd.models.model import Model

LARGE = 1 << 28
"""Pixels of all planes from which labels, of 4 bytes each, are written to disk."""


def pixels_of(source: ImageSource) -> int:
    """Pixels of all planes."""
    return int(np.prod([*source.plane_shape, *source.shape()], dtype=np.int64))


def proposed_path(source: ImageSource, model: str) -> Path:
    """Where the labels of an image are expected: within a local OME-Zarr, else beside the file."""
    path = Path(source.layer.source.path) if source.layer.source.path else None
    if path is not None and "multiscales" in ome_of(attributes_of(path)):  # not a plate, nor a folder of other images
        return path / "labels" / file_name(model)
    folder = Path.home() if path is None else path.parent
    return folder / f"{file_name(f'{source.layer.name} {model}')}.ome.zarr"


def iter_segment_on_disk(source: ImageSource, model: "Model", config: SegmentConfig, path: Path) -> Job[Labels]:
    """Segment every plane into an OME-Zarr, and open it, as a job.

    Parameters
    ----------
    source : ImageSource
        The image; rows and columns are its last axes.
    model : Model
        For planes.
    config : SegmentConfig
        Settings; objects are not linked through planes.
    path : Path
        The folder. A job that was stopped goes on.

    Returns
    -------
    Job of Labels
        Yields the finished blocks as `PreviewImages`, see :func:`preview_layer`.

    Raises
    ------
    ImageError
        If rows and columns are not the last axes.
    GrdError
        As :func:`napari_grd.segment_zarr`.
    """
    from napari_grd.blockwise.segment_source import iter_segment_source

    if source.spatial_axes != (source.layer.ndim - 2, source.layer.ndim - 1):
        raise ImageError("The view shows other planes than those of y and x.", "Show y and x to write their labels.")
    config = config.replace(link=False)
    job = iter_segment_source(
        model, source, path, config, calibration=_calibration(source), name=source.layer.name, previews=True
    )
    written = OmeZarr((yield from job)).image(0)
    levels = [da.from_zarr(level) for level in written.levels]
    resolved = SegmentConfig.model_validate(written.provenance["config"])  # with the values that were estimated
    return labels_layer(
        source, 0, levels, name=f"instances of {source.layer.name}", made_by=provenance(model, resolved)
    )


def preview_layer(source: ImageSource, event: PreviewImages) -> Labels:
    """A layer of the blocks that are finished; it changes with the next ones."""
    labels, spacing = event.images["labels"], event.images["spacing"]
    return labels_layer(
        source, 0, labels, name=f"unfinished instances of {source.layer.name}", made_by={}, spacing=spacing
    )


def _calibration(source: ImageSource) -> Calibration:
    layer = source.layer
    meta: dict[str, Any] = {name: getattr(layer, name) for name in ("scale", "translate", "units", "axis_labels")}
    calibration = layer_calibration(meta, layer.ndim)
    return calibration if source.channel_axis is None else calibration.without(source.channel_axis)
