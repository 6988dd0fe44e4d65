"""Measuring every object of a label image."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from napari_grd.errors import ConfigError, ImageError
from napari_grd.inference.prediction import Prediction
from napari_grd.jobs import Event, Job, Stopwatch, drain
from napari_grd.measurements.frame import STEPS, PredictionSource, joined, measure_frame
from napari_grd.measurements.geometry import Frame, resolve_geometry
from napari_grd.measurements.parts import is_large, measure_parts
from napari_grd.measurements.shape import units_of_shape
from napari_grd.measurements.table import ObjectTable


def iter_measure(
    labels: Any,
    images: Mapping[str, Any] | None = None,
    *,
    axes: Sequence[str] | None = None,
    ndim: int | None = None,
    scale: Sequence[float] | float | None = None,
    translate: Sequence[float] | None = None,
    unit: str | None = None,
    source: PredictionSource | None = None,
) -> Job[ObjectTable]:
    """Measure every object of a label image, as a job.

    Parameters
    ----------
    labels, images, axes, ndim, scale, translate, unit
        As for :func:`measure`.
    source : PredictionSource, optional
        Predicts plane by plane while measuring, in place of a finished prediction.

    Returns
    -------
    Job of ObjectTable
        Yields progress; its result is the table.

    Raises
    ------
    LabelError, ImageError, ConfigError
        As :func:`measure`, when the job is run.

    See Also
    --------
    measure : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> labels = np.array([[1, 1, 0, 2]])
    >>> drain(iter_measure(labels)).columns["area"].tolist()
    [2.0, 1.0]
    """
    images = {} if images is None else images
    if not isinstance(images, Mapping):
        raise ImageError(
            f"The images to measure are a {type(images).__name__}.", "Name them: measure(labels, {'actin': image})."
        )
    geometry = resolve_geometry(tuple(labels.shape), axes=axes, ndim=ndim, scale=scale, translate=translate, unit=unit)
    for name, image in images.items():
        if tuple(image.shape) != geometry.shape:
            raise ImageError(
                f"The image {name!r} has shape {tuple(image.shape)} and the labels have shape {geometry.shape}.",
                "Measure images of the shape of the labels, one channel at a time.",
            )
    if source is not None and source.ndim > geometry.ndim:
        raise ConfigError(
            f"The objects extend over {geometry.ndim} axes and the prediction over {source.ndim}.",
            f"Measure with ndim={source.ndim}, or with the prediction of a model for planes.",
        )
    frames = list(geometry.frames())
    watch = Stopwatch("Measuring", STEPS * len(frames))
    tables = []
    for number, frame in enumerate(frames):
        if source is None and is_large(geometry):
            job = measure_parts(labels, images, geometry, frame, watch, number * STEPS)
        else:
            job = measure_frame(labels, images, geometry, frame, source, watch, number * STEPS)
        tables.append((yield from job))
    yield watch.progress(watch.total)
    anchors = np.concatenate([places for _, places in tables])
    columns = joined([table for table, _ in tables])
    return ObjectTable(columns, anchors, geometry.frame_axes, units_of_shape(geometry))


def measure(
    labels: Any,
    images: Mapping[str, Any] | None = None,
    *,
    axes: Sequence[str] | None = None,
    ndim: int | None = None,
    scale: Sequence[float] | float | None = None,
    translate: Sequence[float] | None = None,
    unit: str | None = None,
    prediction: Prediction | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> ObjectTable:
    """Measure size, shape, intensity, mean embedding and certainty of every object.

    Parameters
    ----------
    labels : numpy, dask or zarr array of int
        2D, 3D, or a series of these along leading axes; 0 is background. Planes and volumes of more than 4096² pixels
        are read part by part, unless there is a prediction.
    images : mapping of str to array, optional
        Channels by name, each with the shape of the labels.
    axes : sequence of str, optional
        A name for each axis of the labels, e.g. "tyx". Default: the end of "tzyx".
    ndim : {2, 3}, optional
        An object extends over this many axes, the last ones; over the others
        it is measured plane by plane (or volume by volume), with a row for
        each. Default: all but "t", at most 3.
    scale : float or sequence of float, optional
        Length of a pixel along each axis. Default: 1.
    translate : sequence of float, optional
        Position of the first pixel along each axis. Default: 0.
    unit : str, optional
        Unit of scale and translate, e.g. "µm". Default: "px", or "unit" if a scale is given without one.
    prediction : Prediction, optional
        Prediction of an image of the shape of the labels; adds mean embedding and certainty.
    on_event, cancelled : callable, optional
        As for :func:`napari_grd.api.segment`.

    Returns
    -------
    ObjectTable
        Sorted by plane, then label. The keys of its columns are those of :func:`skimage.measure.regionprops_table` if
        available:

        * "label", and an index for every leading axis ("t");
        * "area", for a volume its size; "equivalent_diameter_area" of the circle or ball of that size;
        * "centroid-0", ... along each axis of an object, in ``unit``; "bbox-0", ... in pixels, half open;
          "touches_border", whether the object touches the border of the image in y and x and so may be cut off;
        * "axis_major_length" and "axis_minor_length" of the ellipse or ellipsoid of the same second moments;
          of objects in a plane also "eccentricity", "solidity" and "perimeter", by Crofton's formula; of volumes
          "surface_area", by marching cubes, "sphericity", the surface of a ball of the same volume divided by that, at
          most 1, and "extent-0", ..., the lengths of the bounding box in ``unit``;
        * "intensity_mean-DAPI", "intensity_min-DAPI", "intensity_max-DAPI" and "intensity_std-DAPI" of the
          channel named "DAPI", "integrated_intensity-DAPI", the sum over the object's pixels without subtraction of a
          background, and likewise of every other one;
        * "certainty" in [0, 1] and "embedding-0", ... of a prediction.

    Raises
    ------
    LabelError
        If the labels are not a label image.
    ImageError
        If an image has another shape, or contains NaN.
    ConfigError
        If another argument does not fit the labels.
    Cancelled
        If ``cancelled`` returned true.

    See Also
    --------
    filter_objects : Remove objects before they are measured.
    skimage.measure.regionprops_table : The same measurements without units.

    Notes
    -----
    Certainty is, with ``m(p, q) = max(A(p, q), 0) f(p) f(q)`` of affinity A and
    foreground probability f,

        max(0, mean of m over pairs inside the object - mean of m over pairs across its border)

    over the pairs of all offsets of the model. It is low for borders that the network does not predict, and for objects
    that it does not predict as one.

    Examples
    --------
    >>> labels = np.zeros((8, 8), int)
    >>> labels[1:5, 1:4] = 7
    >>> table = measure(labels, {"DAPI": 10 * labels}, scale=0.5, unit="µm")
    >>> {key: table.columns[key].tolist() for key in ("label", "area", "intensity_mean-DAPI")}
    {'label': [7], 'area': [3.0], 'intensity_mean-DAPI': [70.0]}
    >>> table.units["area"]
    'µm²'
    """
    source = None if prediction is None else _source_of(prediction, tuple(labels.shape))
    job = iter_measure(labels, images, axes=axes, ndim=ndim, scale=scale, translate=translate, unit=unit, source=source)
    return drain(job, on_event, cancelled)


def _source_of(prediction: Prediction, shape: tuple[int, ...]) -> PredictionSource:
    """A finished prediction as a source, plane by plane for a stack of planes."""
    if prediction.shape != shape:
        raise ImageError(
            f"The prediction is of an image of shape {prediction.shape} and the labels have shape {shape}.",
            "Pass the prediction of the image that the labels belong to.",
        )
    planes = prediction.planes()

    def predict(frame: Frame) -> Job[Prediction]:
        yield from ()
        return planes[frame[0] if frame else 0]

    return PredictionSource(len(planes[0].shape), len(prediction.embedding), predict)
