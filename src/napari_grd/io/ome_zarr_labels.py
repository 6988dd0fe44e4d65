"""Label images as OME-Zarr 0.5, with pyramid and provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from napari_grd.errors import OutputError
from napari_grd.io.atomic import atomic_folder
from napari_grd.io.calibration import Calibration
from napari_grd.io.label_values import regions, stored_type
from napari_grd.io.names import image_stem
from napari_grd.io.ome_zarr import PROVENANCE
from napari_grd.io.ome_zarr_metadata import attributes_of

CHUNK = 512
"""Side in pixels of the chunks of a label image."""

_TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def write_labels_zarr(
    path: str | Path, labels: Any, calibration: Calibration, provenance: Mapping[str, Any] | None = None
) -> Path:
    """Write a label image as an OME-Zarr, atomically.

    Each level of the pyramid has every second pixel along y and x, because labels cannot be averaged.

    Parameters
    ----------
    path : str or Path
        The folder, conventionally ``name.ome.zarr``. Only a folder written by an earlier call is replaced.
    labels : array (*S)
        Integers >= 0 with two to five axes: numpy, or dask or zarr, which are
        read piece by piece. The last two are the image plane.
    calibration : Calibration
        Calibration of these axes.
    provenance : mapping, optional
        Provenance of the labels, JSON-compatible; stored in the attribute
        ``napari_grd``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    LabelError
        If the labels are empty, not integers, negative, or above 2**32 - 1.
    OutputError
        If another file or folder has the name, or the folder cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from napari_grd.io.ome_zarr import read_ome_zarr
    >>> with TemporaryDirectory() as folder:
    ...     path = write_labels_zarr(Path(folder) / "a.ome.zarr", np.eye(4, dtype=int), Calibration.of("yx"))
    ...     read_ome_zarr(path)[0].levels[0].shape
    (4, 4)
    """
    path = Path(path)
    dtype = stored_type(labels)
    with atomic_folder(path, replace=_is_ours(path)) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3)
        levels = [create_level(group, 0, labels.shape, dtype, calibration.axes)]
        for region in regions(labels.shape, CHUNK):
            levels[0][region] = np.asarray(labels[region]).astype(dtype)
        levels += add_pyramid(group, levels[0], calibration.axes)
        group.attrs.update(label_attributes(image_stem(path), calibration, levels, provenance))
    return path


def add_pyramid(group: zarr.Group, finest: Any, axes: Sequence[str]) -> list[Any]:
    """Write the coarser levels of a label image, each with every second pixel along y and x.

    Parameters
    ----------
    group : zarr.Group
        Where they are written, as "1", "2", ...
    finest : zarr.Array
        The level "0".
    axes : sequence of str
        Its axes.

    Returns
    -------
    list of zarr.Array
    """
    levels = [finest]
    while max(levels[-1].shape[-2:]) > CHUNK:
        levels.append(_halved(group, levels[-1], len(levels), axes))
    return levels[1:]


def label_attributes(
    name: str, calibration: Calibration, levels: Sequence[Any], provenance: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The attributes of the group of a label image, OME-Zarr 0.5."""
    return {
        "ome": {
            "version": "0.5",
            "multiscales": [_multiscale(name, calibration, levels)],
            "image-label": {"version": "0.5"},
        },
        PROVENANCE: dict(provenance or {}),
    }


def _is_ours(path: Path) -> bool:
    """Whether a folder was written by this function and may be replaced."""
    if not path.exists():
        return False
    if PROVENANCE not in attributes_of(path):
        raise OutputError(
            f"{str(path)!r} exists already and was not written by napari-grd.", "Choose another name, or remove it."
        )
    return True


def create_level(group: zarr.Group, number: int, shape: Sequence[int], dtype: Any, axes: Sequence[str]) -> Any:
    """Create an empty level of a label image; an existing one is replaced."""
    chunks = (*(1,) * (len(shape) - 2), *(min(size, CHUNK) for size in shape[-2:]))
    return group.create_array(
        str(number), shape=tuple(shape), chunks=chunks, dtype=dtype, dimension_names=list(axes), overwrite=True
    )


def _halved(group: zarr.Group, finer: Any, number: int, axes: Sequence[str]) -> Any:
    shape = (*finer.shape[:-2], *((size + 1) // 2 for size in finer.shape[-2:]))
    level = create_level(group, number, shape, finer.dtype, axes)
    for region in regions(shape, CHUNK):
        rows, columns = (slice(2 * part.start, 2 * part.stop) for part in region[-2:])
        level[region] = np.asarray(finer[(*region[:-2], rows, columns)])[..., ::2, ::2]
    return level


def _multiscale(name: str, calibration: Calibration, levels: Sequence[Any]) -> dict[str, Any]:
    axes = []
    for axis, unit in zip(calibration.axes, calibration.units, strict=True):
        axes.append({"name": axis, "type": _TYPES.get(axis, "custom")} | ({"unit": unit} if unit else {}))
    datasets = []
    for number in range(len(levels)):
        coarser = [1.0] * (len(axes) - 2) + [2.0**number] * 2
        scale = [step * factor for step, factor in zip(calibration.scale, coarser, strict=True)]
        # Pixels are subsampled, so the first one keeps its position.
        transformations = [
            {"type": "scale", "scale": scale},
            {"type": "translation", "translation": list(calibration.translate)},
        ]
        datasets.append({"path": str(number), "coordinateTransformations": transformations})
    return {"name": name, "axes": axes, "datasets": datasets, "type": "nearest"}
