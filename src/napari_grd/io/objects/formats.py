"""Export of label images as objects, by format name or file suffix."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from napari_grd.errors import ConfigError
from napari_grd.io.calibration import Calibration
from napari_grd.io.objects.coco import iter_write_coco
from napari_grd.io.objects.geojson import iter_write_geojson
from napari_grd.io.objects.imagej import iter_write_imagej
from napari_grd.io.objects.source import LabelSource, label_source
from napari_grd.jobs import Event, Job, drain

ObjectFormat = Literal["imagej", "geojson", "coco"]

SUFFIXES: dict[ObjectFormat, str] = {"imagej": ".zip", "geojson": ".geojson", "coco": ".json"}
"""Suffix of each format."""

_BY_SUFFIX: dict[str, ObjectFormat] = {suffix: name for name, suffix in SUFFIXES.items()} | {".roi": "imagej"}
ClassName = str | Mapping[int, str]


def object_format(path: str | Path, given: str | None = None) -> ObjectFormat:
    """The requested format, or else that of the file's suffix.

    Raises
    ------
    ConfigError
        If there is no such format.

    Examples
    --------
    >>> object_format("cells.geojson"), object_format("cells.zip"), object_format("cells.json")
    ('geojson', 'imagej', 'coco')
    """
    names: tuple[ObjectFormat, ...] = get_args(ObjectFormat)
    if given is not None:
        for name in names:
            if given == name:
                return name
        raise ConfigError(f"There is no format {given!r} for objects.", f"Choose one of: {', '.join(names)}.")
    matching = _BY_SUFFIX.get(Path(path).suffix.lower())
    if matching is None:
        raise ConfigError(
            f"The name {Path(path).name!r} has no known suffix of an object format.",
            f"Use the suffix {', '.join(_BY_SUFFIX)}, or give the format: {', '.join(names)}.",
        )
    return matching


def class_function(class_name: ClassName) -> Callable[[int], str]:
    """The class of an object by its label."""
    if isinstance(class_name, str):
        return lambda _label: class_name
    return lambda label: class_name.get(label, "")


def iter_write_objects(path: str | Path, source: LabelSource, form: ObjectFormat, class_name: ClassName) -> Job[Path]:
    """Write the objects of a label image, as a job; see :func:`export_objects`."""
    if form == "imagej":
        return iter_write_imagej(path, source)
    if form == "geojson":
        return iter_write_geojson(path, source, class_function(class_name))
    return iter_write_coco(path, source, class_function(class_name))


def iter_export_objects(
    labels: Any,
    path: str | Path,
    format: ObjectFormat | None = None,
    *,
    image: str | Path = "",
    axes: Sequence[str] | None = None,
    calibration: Calibration | None = None,
    class_name: ClassName = "object",
) -> Job[Path]:
    """Write the objects of a label image for another program, as a job.

    Parameters
    ----------
    labels, path, format, image, axes, calibration, class_name
        As for :func:`export_objects`.

    Returns
    -------
    Job of Path
        Yields progress; its result is the file.

    Raises
    ------
    LabelError, ConfigError, OutputError
        As :func:`export_objects`, when the job is run.

    See Also
    --------
    export_objects : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     drain(iter_export_objects(np.eye(3, dtype=int), Path(folder) / "cells.geojson")).name
    'cells.geojson'
    """
    form = object_format(path, format)
    source = label_source(labels, image=Path(image).name, axes=axes, calibration=calibration)
    return iter_write_objects(path, source, form, class_name)


def export_objects(
    labels: Any,
    path: str | Path,
    format: ObjectFormat | None = None,
    *,
    image: str | Path = "",
    axes: Sequence[str] | None = None,
    calibration: Calibration | None = None,
    class_name: ClassName = "object",
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """Write the objects of a label image for ImageJ, QuPath or readers of COCO.

    Outlines follow the edges of pixels: filled by the other program, they contain exactly the pixels of each object.
    Objects with several parts, or holes, are preserved. An object that extends through the planes of a stack is written
    plane by plane.

    Parameters
    ----------
    labels : numpy, dask or zarr array of int
        2D, or with leading t, c and z axes; 0 is background. Read plane by plane.
    path : str or Path
        The file; its folder must exist. An existing file is replaced.
    format : {"imagej", "geojson", "coco"}, optional
        ImageJ regions (a zip for the ROI Manager, or a .roi for a single object), GeoJSON for QuPath, or COCO. Default:
        from the file's name, .zip or .roi, .geojson, .json.
    image : str or Path, optional
        The image that the labels belong to. COCO files refer to it; ids of GeoJSON features depend on its name.
    axes : sequence of str, optional
        One letter per axis. Default: those of ``calibration``, or the end of "tzyx".
    calibration : Calibration, optional
        Of the labels or of their image, ``grd.read_image(path).calibration``;
        GeoJSON then includes the area in µm².
    class_name : str or mapping of int to str, default "object"
        Class of all objects, or of each by its label: QuPath's classification,
        COCO's category.
    on_event, cancelled : callable, optional
        As for :func:`napari_grd.api.segment`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    LabelError
        If the labels are not a label image, or have other axes.
    ConfigError
        If the format is unknown, or the axes do not fit.
    OutputError
        If the file cannot be written.
    Cancelled
        If ``cancelled`` returned true; no file is written then.

    See Also
    --------
    filter_objects : Remove objects at the border, too small or too large.

    Examples
    --------
    >>> import numpy as np
    >>> from tempfile import TemporaryDirectory
    >>> labels = np.zeros((20, 30), np.uint16)
    >>> labels[2:5, 4:9] = 7
    >>> with TemporaryDirectory() as folder:
    ...     export_objects(labels, Path(folder) / "cells.zip").name
    'cells.zip'
    """
    job = iter_export_objects(
        labels, path, format, image=image, axes=axes, calibration=calibration, class_name=class_name
    )
    return drain(job, on_event, cancelled)
