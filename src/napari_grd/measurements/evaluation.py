"""Evaluation of a segmentation against its reference: scores, and errors of each object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import LabelError
from napari_grd.inference.background import in_background
from napari_grd.jobs import Job, Stopwatch
from napari_grd.measurements.geometry import Frame, Geometry, resolve_geometry
from napari_grd.measurements.shape import anchor, number_objects, regions
from napari_grd.measurements.table import ObjectTable
from napari_grd.metrics.errors import ErrorKind, SegmentationErrors, find_errors
from napari_grd.metrics.scores import Scores, evaluate


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Result of :func:`iter_evaluate`.

    Attributes
    ----------
    scores : Scores
        Over all planes.
    objects : ObjectTable
        A row for each label object: "label", an index for each leading axis,
        "kind", "reference" (id of its match, 0 if none) and "iou" with it. The
        kind is one of ErrorKind in small letters, or "ignored" under ``min_size``.
    picture : (*S) uint8
        ErrorKind of each pixel, at the shape of the labels.
    counts : mapping of ErrorKind to int
        Number of objects of each kind.
    """

    scores: Scores
    objects: ObjectTable
    picture: NDArray[np.uint8] = field(repr=False)
    counts: Mapping[ErrorKind, int]


def iter_evaluate(
    reference: Any,
    labels: Any,
    *,
    axes: tuple[str, ...] | None = None,
    ndim: int | None = None,
    iou: float = 0.5,
    min_size: int = 0,
) -> Job[Evaluation]:
    """Compare a label image with a reference, as a job.

    Parameters
    ----------
    labels, reference : numpy, dask or zarr array of int, same shape
        0 is background.
    axes : tuple of str, optional
        A name for each axis.
    ndim : {2, 3}, optional
        Objects extend over this many axes, the last ones. Over the others they
        are compared plane by plane: counts are pooled and other scores
        averaged, as :func:`napari_grd.api.evaluate` does for a list of images.
    iou, min_size
        As for :func:`napari_grd.api.find_errors`.

    Returns
    -------
    Evaluation

    Raises
    ------
    LabelError
        If an array is not a label image or the shapes differ.
    ConfigError
        If another argument does not fit them.

    Examples
    --------
    >>> from napari_grd.jobs import drain
    >>> found = drain(iter_evaluate(reference=np.array([[5, 5, 0, 0]]), labels=np.array([[1, 1, 0, 2]])))
    >>> found.scores.ap50, found.objects.columns["kind"].tolist()
    (0.5, ['correct', 'spurious'])
    """
    if tuple(labels.shape) != tuple(reference.shape):
        raise LabelError(
            f"The labels have shape {tuple(labels.shape)} and the reference has shape {tuple(reference.shape)}.",
            "Compare label images of one and the same image.",
        )
    geometry = resolve_geometry(tuple(labels.shape), axes=axes, ndim=ndim)
    frames = list(geometry.frames())
    watch = Stopwatch("Comparing", 2 * len(frames))
    compared = []
    for done, frame in enumerate(frames):
        look = partial(_compare, labels, reference, geometry, frame, iou, min_size)
        compared.append((yield from in_background(look, partial(watch.progress, done))))
    score = partial(
        evaluate,
        reference=[part.reference for part in compared],
        labels=[part.labels for part in compared],
        min_size=min_size,
    )
    scores = yield from in_background(score, partial(watch.progress, len(frames)))
    yield watch.progress(watch.total)
    columns = {name: np.concatenate([part.columns[name] for part in compared]) for name in compared[0].columns}
    return Evaluation(
        scores,
        ObjectTable(columns, np.concatenate([part.anchors for part in compared]), geometry.frame_axes),
        np.stack([part.errors.picture for part in compared]).reshape(geometry.shape),
        {kind: sum(part.errors.counts[kind] for part in compared) for kind in compared[0].errors.counts},
    )


@dataclass(frozen=True)
class _Compared:
    """Read and compare a plane or volume."""

    labels: NDArray[np.integer]
    reference: NDArray[np.integer]
    errors: SegmentationErrors
    columns: Mapping[str, NDArray[Any]]
    anchors: NDArray[np.int64]


def _compare(labels: Any, reference: Any, geometry: Geometry, frame: Frame, iou: float, min_size: int) -> _Compared:
    segmented, other = np.asarray(labels[frame]), np.asarray(reference[frame])
    errors = find_errors(reference=other, labels=segmented, iou=iou, min_size=min_size)
    ids, numbered = number_objects(segmented)
    places = [(*frame, *anchor(region)) for region in regions(numbered)]
    columns = {"label": ids}
    columns |= {name: np.full(len(ids), index) for name, index in zip(geometry.frame_axes, frame, strict=True)}
    columns |= _judgments(ids, errors)
    return _Compared(
        segmented, other, errors, columns, np.array(places, np.int64).reshape(len(ids), len(geometry.shape))
    )


def _judgments(ids: NDArray[np.int64], errors: SegmentationErrors) -> dict[str, NDArray[Any]]:
    """Rows of each object; those below the minimum size are included as ignored."""
    judged = np.searchsorted(ids, errors.label_ids)
    kind = np.full(len(ids), IGNORED, dtype=_NAMES.dtype)
    kind[judged] = _NAMES[errors.label_kinds]
    partner = np.zeros(len(ids), np.int64)
    partner[judged] = errors.partners
    iou = np.full(len(ids), np.nan)
    iou[judged] = errors.iou
    return {"kind": kind, "reference": partner, "iou": iou}


IGNORED = "ignored"
"""Kind of objects below the minimum size."""
_NAMES = np.array([kind.name.lower() for kind in ErrorKind])
