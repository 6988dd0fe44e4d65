"""The objects of one plane or volume."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from napari_grd.data.inputs import as_image, as_labels
from napari_grd.errors import ImageError
from napari_grd.inference.background import in_background
from napari_grd.inference.prediction import Prediction
from napari_grd.jobs import Event, Job, Stopwatch, relay
from napari_grd.measurements.geometry import Frame, Geometry
from napari_grd.measurements.relations import RelationSums
from napari_grd.measurements.shape import anchor, describe, number_objects, regions, touches_border, units_of_shape

STEPS = 100
"""Units of progress per plane or volume."""

_INTENSITIES = ("intensity_mean", "intensity_min", "intensity_max", "intensity_std")
_TOTAL = "integrated_intensity"
Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PredictionSource:
    """Predictions of an image, one plane or volume at a time.

    Attributes
    ----------
    ndim : {2, 3}
        Number of axes of the labels that a prediction covers, the last ones.
    channels : int
        Length of a pixel's embedding.
    predict : callable
        Creates the job that predicts the plane or volume at an index of the other axes.
    """

    ndim: int
    channels: int
    predict: Callable[[Frame], Job[Prediction]]


def measure_frame(
    labels: Any,
    images: Mapping[str, Any],
    geometry: Geometry,
    frame: Frame,
    source: PredictionSource | None,
    watch: Stopwatch,
    done: int,
) -> Job[tuple[Columns, NDArray[np.int64]]]:
    """Measure the objects of one plane or volume.

    Arguments are those of :func:`napari_grd.measurements.objects.iter_measure`.

    Returns
    -------
    columns : dict of str to (N,) array
        By key.
    anchors : (N, ndim) int64
        A pixel of each object in the whole label image.
    """
    ids, numbered = yield from in_background(
        lambda: number_objects(as_labels(labels[frame], geometry.shape[-geometry.ndim :])),
        partial(watch.progress, done),
    )
    columns: Columns = {"label": ids}
    columns |= {name: np.full(len(ids), index) for name, index in zip(geometry.frame_axes, frame, strict=True)}
    rows, anchors = [], np.zeros((len(ids), len(geometry.shape)), np.int64)
    for row, region in enumerate(regions(numbered, geometry.scale)):
        rows.append(describe(region, geometry))
        anchors[row] = (*frame, *anchor(region))
        yield watch.progress(done + STEPS // 2 * row // len(ids))
    columns |= {name: np.array([row[name] for row in rows], np.float64) for name in units_of_shape(geometry)}
    columns["touches_border"] = touches_border(columns, geometry)
    columns |= yield from in_background(
        partial(_intensities, images, frame, numbered), partial(watch.progress, done + STEPS // 2)
    )
    if source is not None:
        columns |= yield from _relations(numbered, len(ids), frame, source, watch, done + STEPS // 2)
    return columns, anchors


def joined(tables: Sequence[Columns]) -> Columns:
    """Tables below each other; their columns are removed from them, so that memory holds one of the two."""
    return {name: np.concatenate([table.pop(name) for table in tables]) for name in list(tables[0])}


def _intensities(images: Mapping[str, Any], frame: Frame, numbered: NDArray[np.int64]) -> Columns:
    columns: Columns = {}
    for name, image in images.items():
        try:
            (values,) = as_image(image[frame], "zyx"[-numbered.ndim :], ndim=numbered.ndim)
        except ImageError as error:
            raise ImageError(f"{name!r}: {error.problem}", error.remedy) from error
        if not np.isfinite(values[numbered > 0]).all():
            raise ImageError(
                f"{name!r} has pixels in objects that are NaN or infinite.",
                "Remove the objects there, or replace these pixels, e.g. with numpy.nan_to_num.",
            )
        properties = regionprops_table(numbered, values, properties=_INTENSITIES)  # type: ignore[no-untyped-call]
        properties[_TOTAL] = np.bincount(numbered.ravel(), values.ravel(), minlength=numbered.max() + 1)[1:]
        columns |= {f"{key}-{name}": properties[key].astype(np.float64) for key in (*_INTENSITIES, _TOTAL)}
    return columns


def _relations(
    numbered: NDArray[np.int64],
    count: int,
    frame: Frame,
    source: PredictionSource,
    watch: Stopwatch,
    done: int,
) -> Job[Columns]:
    sums = RelationSums(count, source.channels)
    planes = list(np.ndindex(numbered.shape[: numbered.ndim - source.ndim]))
    for number, plane in enumerate(planes):
        now = done + (STEPS - STEPS // 2) * number // len(planes)
        prediction = yield from relay(source.predict((*frame, *plane)), _at(watch, now))
        yield from in_background(partial(sums.add, numbered[plane], prediction), partial(watch.progress, now))
    embedding = sums.embedding()
    columns: Columns = {"certainty": sums.certainty()}
    return columns | {f"embedding-{channel}": embedding[:, channel] for channel in range(source.channels)}


def _at(watch: Stopwatch, done: int) -> Callable[[Event], Event]:
    """Replace an inner job's event by the overall progress."""
    return lambda _event: watch.progress(done)
