"""Segmentation of an image of any size into an OME-Zarr label image."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from napari_grd.blockwise.segment_source import iter_segment_source
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, DataError
from napari_grd.hub import ModelLike, as_model
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.fit import fit_channels
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.view import with_anisotropy, with_pixel_size
from napari_grd.io.calibration import Calibration
from napari_grd.io.images import read_image
from napari_grd.io.names import named
from napari_grd.jobs import Event, Job, Notice, drain


def iter_segment_zarr(
    model: ModelLike,
    source: Any,
    target: str | Path,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    series: str | int | None = None,
    level: int = 0,
    channels: Sequence[str] | None = None,
    client: Any = None,
    workers: int = 0,
    scheduler: str | None = None,
    overwrite: bool = False,
) -> Job[Path]:
    """Segment an image of any size into an OME-Zarr label image, as a job.

    Parameters
    ----------
    model, source, target, config, axes, series, level, channels, client, workers, scheduler, overwrite
        As for :func:`segment_zarr`.

    Returns
    -------
    Job of Path
        Yields progress at least twice a second; its result is the folder. If the job is stopped, the same call goes on.

    Raises
    ------
    GrdError
        As :func:`segment_zarr`, when the job is run.

    See Also
    --------
    segment_zarr : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, _ = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> with TemporaryDirectory() as folder:
    ...     drain(iter_segment_zarr("nuclei", image, Path(folder) / "labels.ome.zarr")).name
    'labels.ome.zarr'
    """
    model = as_model(model)
    config = config or SegmentConfig()
    name, calibration = "array", None
    if isinstance(source, str | Path):
        image = read_image(source, series=series, axes=axes, level=level)
        if series is None and len(image.series_names) > 1:
            raise DataError(
                f"{str(source)!r} contains {len(image.series_names)} images: {named(image.series_names)}.",
                "Choose one by its name or index (series).",
            )
        names = ("red", "green", "blue") if image.is_rgb else [channel.name for channel in image.channels]
        fitted = fit_channels(model, image.pixels, image.axes, names=names, is_rgb=image.is_rgb, wanted=channels)
        yield from (Notice(note) for note in (*image.notes, fitted.note and f"{image.name}: {fitted.note}.") if note)
        source, axes, name, calibration = fitted.pixels, fitted.axes, image.name, image.calibration
        config = with_pixel_size(config, model.config, calibration.pixel_size)
        config = with_anisotropy(config, calibration.anisotropy)
    elif level:
        raise ConfigError(f"level is {level}, but the image is an array.", "Pass the array of that level.")
    ndim = model.config.ndim
    planes = ArraySource(source, axes, ndim=ndim, in_channels=model.config.in_channels)
    spatial = list("zyx"[-ndim:])
    letters = [axis for axis in planes.axes if axis not in ("c", *spatial)] + spatial
    return (
        yield from iter_segment_source(
            model,
            cast(PlaneSource, planes),
            target,
            config,
            calibration=_calibration(calibration, letters),
            name=name,
            client=client,
            workers=workers,
            scheduler=scheduler,
            overwrite=overwrite,
        )
    )


def _calibration(calibration: Calibration | None, letters: Sequence[str]) -> Calibration:
    if calibration is None:
        return Calibration.of(letters)
    places = [calibration.axes.index(letter) for letter in letters]
    return Calibration(
        tuple(letters),
        *(
            tuple(values[axis] for axis in places)
            for values in (calibration.scale, calibration.translate, calibration.units)
        ),  # type: ignore[arg-type]
    )


def segment_zarr(
    model: ModelLike,
    source: Any,
    target: str | Path,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
    series: str | int | None = None,
    level: int = 0,
    channels: Sequence[str] | None = None,
    client: Any = None,
    workers: int = 0,
    scheduler: str | None = None,
    overwrite: bool = False,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Segment an image of any size into an OME-Zarr label image, block by block.

    Each block is segmented with its surroundings, and objects that continue in the next block are joined. Memory does
    not grow with the image. A call that was stopped, or whose process was killed, goes on when it is repeated; of a
    finished one, the result is returned and nothing is computed again.

    Parameters
    ----------
    model : Model, str or Path
        A model, or its name or file, as for :func:`napari_grd.load_model`.
    source : str, Path, or numpy, dask or zarr array
        The image: a file or OME-Zarr, read part by part, or an array. An OME-Zarr may be an address that fsspec knows,
        as ``https://...`` or ``s3://...``. A model for planes segments stacks
        and series plane by plane; one for volumes, in blocks that are joined along all axes.
    target : str or Path
        Folder of the label image, OME-Zarr 0.5, conventionally ``name.ome.zarr``. In ``image.zarr/labels/name`` it is
        added to the list of that image's label images.
    config : SegmentConfig, optional
        As for :func:`napari_grd.segment`; ``link`` has no effect.
    axes : str, optional
        Axes of the image, as for :func:`napari_grd.segment`. Default: from the file.
    series : str or int, optional
        Of a file with several images, the name or index of one.
    level : int, default 0
        Level of the pyramid of an OME-Zarr; 0 is the finest. The labels are of that level.
    channels : sequence of str, optional
        Channels to segment, by name or zero-based index. Default: those that match the model.
    client : dask.distributed.Client, optional
        Runs the blocks in the workers of a cluster, which need access to image and target.
    workers : int, default 0
        Start so many processes on this computer; 0: none, the blocks run in this process.
    scheduler : str, optional
        Address of a running dask scheduler, as ``tcp://host:8786``.
    overwrite : bool, default False
        Replace a label image that was written by this function, also one by the same call.
    on_event : callable, optional
        Called with every event.
    cancelled : callable, optional
        Polled at every event, at least twice a second.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    GrdError
        If image, model and settings are incompatible, the target holds anything but the result of the same call or
        cannot be written, or a block cannot be read: the message names the block, and the others are kept.
    Cancelled
        If ``cancelled`` returned true.

    See Also
    --------
    segment : In memory.

    Notes
    -----
    Intensities, noise and object size are those of the whole image, not of a block. The result equals that of
    :func:`napari_grd.segment` except where the partition near a border of blocks depends on pixels more than 64 pixels
    away.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> import zarr
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, _ = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> with TemporaryDirectory() as folder:
    ...     path = segment_zarr("nuclei", image, Path(folder) / "labels.ome.zarr")
    ...     zarr.open_array(path / "0").shape
    (128, 128)
    """
    job = iter_segment_zarr(
        model,
        source,
        target,
        config,
        axes=axes,
        series=series,
        level=level,
        channels=channels,
        client=client,
        workers=workers,
        scheduler=scheduler,
        overwrite=overwrite,
    )
    return drain(job, on_event, cancelled)
