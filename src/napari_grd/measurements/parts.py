"""The objects of a plane or volume that is larger than memory.

The boxes of all objects are found part by part; then each object is measured as a whole, together with others that
begin in the same part. The result is that of measuring everything at once.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.data.inputs import as_labels
from napari_grd.inference.background import in_background
from napari_grd.jobs import Job, Stopwatch, relay
from napari_grd.measurements.frame import STEPS, Columns, joined, measure_frame
from napari_grd.measurements.geometry import Frame, Geometry
from napari_grd.measurements.shape import number_objects, touches_border

_LARGE = 4096**2  # pixels of a plane or volume that is measured at once
_SIDE = {2: 2048, 3: 256}  # of a part, by the number of axes of an object

Window = tuple[slice, ...]
Ids = NDArray[np.int64]


def is_large(geometry: Geometry) -> bool:
    """Whether a plane or volume is measured part by part."""
    return math.prod(geometry.shape[-geometry.ndim :]) > _LARGE


def measure_parts(
    labels: Any, images: Mapping[str, Any], geometry: Geometry, frame: Frame, watch: Stopwatch, done: int
) -> Job[tuple[Columns, NDArray[np.int64]]]:
    """Measure the objects of one large plane or volume.

    Arguments and result are those of :func:`~napari_grd.measurements.frame.measure_frame`. Memory holds one part,
    extended by the objects that begin in it, and the boxes of all objects.
    """
    parts = list(_parts(geometry.shape[-geometry.ndim :], _SIDE[geometry.ndim]))
    boxes = []
    for number, part in enumerate(parts):
        beat = partial(watch.progress, done + STEPS // 2 * number // len(parts))
        boxes.append((yield from in_background(partial(_boxes, labels, frame, part), beat)))
    ids, first, last = _merged(boxes, geometry.ndim)
    owner = np.ravel_multi_index(
        tuple((first // _SIDE[geometry.ndim]).T),
        tuple(-(-size // _SIDE[geometry.ndim]) for size in geometry.shape[-geometry.ndim :]),
    )
    tables = []
    for number in range(len(parts)):
        own = np.flatnonzero(owner == number)
        now = done + STEPS // 2 + (STEPS - STEPS // 2) * number // len(parts)
        if len(own) or not number:  # the first part also gives the columns of an image without objects
            window = tuple(
                slice(int(low), int(high))
                for low, high in zip(
                    first[own].min(axis=0, initial=2**62) if len(own) else np.zeros(geometry.ndim, np.int64),
                    last[own].max(axis=0, initial=0) if len(own) else np.ones(geometry.ndim, np.int64),
                    strict=True,
                )
            )
            tables.append((yield from _measure_window(labels, images, geometry, frame, window, ids[own], watch, now)))
        yield watch.progress(now)
    order = np.argsort(np.concatenate([table["label"] for table, _ in tables]), kind="stable")
    anchors = np.concatenate([places for _, places in tables])[order]
    columns = joined([table for table, _ in tables])
    for name in columns:
        columns[name] = columns[name][order]
    return columns, anchors


def _parts(shape: tuple[int, ...], side: int) -> Iterator[Window]:
    spans = [[slice(start, min(start + side, size)) for start in range(0, size, side)] for size in shape]
    yield from product(*spans)


def _boxes(labels: Any, frame: Frame, part: Window) -> tuple[Ids, Ids, Ids]:
    """Labels in a part, and the first and last-plus-one position of each along every axis."""
    pixels = np.asarray(labels[(*frame, *part)])
    ids, numbered = number_objects(as_labels(pixels, pixels.shape))
    spans = [box for box in ndimage.find_objects(numbered) if box is not None]
    bounds = np.array([[(span.start, span.stop) for span in spans_of] for spans_of in spans], np.int64)
    bounds = bounds.reshape(len(ids), len(part), 2) + np.array([span.start for span in part])[None, :, None]
    return ids, bounds[..., 0], bounds[..., 1]


def _merged(boxes: list[tuple[Ids, Ids, Ids]], ndim: int) -> tuple[Ids, Ids, Ids]:
    """The boxes of objects that are in several parts."""
    ids, places = np.unique(np.concatenate([part[0] for part in boxes]), return_inverse=True)
    first, last = np.full((len(ids), ndim), 2**62, np.int64), np.zeros((len(ids), ndim), np.int64)
    np.minimum.at(first, places, np.concatenate([part[1] for part in boxes]))
    np.maximum.at(last, places, np.concatenate([part[2] for part in boxes]))
    return ids, first, last


def _measure_window(
    labels: Any,
    images: Mapping[str, Any],
    geometry: Geometry,
    frame: Frame,
    window: Window,
    ids: Ids,
    watch: Stopwatch,
    done: int,
) -> Job[tuple[Columns, NDArray[np.int64]]]:
    """Measure some of the objects in a window, and give their positions in the whole."""
    start = np.array([span.start for span in window])
    place = (*frame, *window)

    def read() -> tuple[NDArray[Any], dict[str, NDArray[Any]]]:
        pixels = np.asarray(labels[place])
        return np.where(np.isin(pixels, ids), pixels, 0), {
            name: np.asarray(image[place]) for name, image in images.items()
        }

    pixels, values = yield from in_background(read, partial(watch.progress, done))
    local = replace(
        geometry,
        shape=pixels.shape,
        axes=geometry.object_axes,
        translate=tuple((start * geometry.scale + geometry.translate).tolist()),
    )
    job = measure_frame(pixels, values, local, (), None, Stopwatch(watch.stage, STEPS), 0)
    columns, anchors = yield from relay(job, lambda _event: watch.progress(done))
    for axis in range(geometry.ndim):
        columns[f"bbox-{axis}"] += start[axis]
        columns[f"bbox-{axis + geometry.ndim}"] += start[axis]
    columns["touches_border"] = touches_border(columns, geometry)
    columns = (
        {"label": columns.pop("label")}
        | {name: np.full(len(ids), index) for name, index in zip(geometry.frame_axes, frame, strict=True)}
        | columns
    )
    whole = np.tile(np.array(frame, np.int64), (len(ids), 1))
    return columns, np.concatenate([whole.reshape(len(ids), len(frame)), anchors + start], axis=1)
