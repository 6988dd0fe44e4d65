"""Corrections on another segmentation of the same image."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.evidence import Evidence, Predictions
from napari_grd.data.fingerprint import image_key
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.errors import CorrectionError
from napari_grd.inference.background import in_background
from napari_grd.inference.segment import iter_segment
from napari_grd.inference.view import Range
from napari_grd.jobs import Event, Job, Progress, drain
from napari_grd.models import Model


def replay(labels: Any, evidence: Evidence, corrections: Corrections) -> NDArray[np.uint32]:
    """Labels with all corrections in them, in the order they were made.

    Parameters
    ----------
    labels : integer array, shape (*planes, H, W)
        A fresh segmentation of the image; it is left as it is.
    evidence : Evidence
        What the network said.
    corrections : Corrections
        They are left as they are.

    Returns
    -------
    uint32 array, shape (*planes, H, W)
        Objects that no correction touched keep their ids.

    Raises
    ------
    LabelError
        If the labels are none, or not of the image's shape.

    Examples
    --------
    >>> from napari_grd.corrections import ImageRef, Join, Predictions
    >>> labels = np.array([[1, 1, 2, 2]])
    >>> replay(labels, Predictions(), Corrections(ImageRef((1, 4)), [Join([(0, 0), (0, 3)])])).tolist()
    [[1, 1, 1, 1]]
    """
    return Editor(labels, corrections, evidence).labels


def iter_segment_corrected(
    model: Model,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    corrections: Corrections | None = None,
    axes: str | None = None,
    intensity_range: Range | PlaneStatistics | None = None,
) -> Job[NDArray[np.uint32]]:
    """:func:`segment_corrected` as a job.

    Of a stack, embeddings of only those planes are kept in memory that have corrections.
    """
    if corrections is None:
        return (yield from iter_segment(model, image, config, axes=axes, intensity_range=intensity_range))
    _check_image(corrections, image)
    evidence = Predictions()
    wanted = set(corrections.planes)
    labels = yield from iter_segment(
        model,
        image,
        config,
        axes=axes,
        intensity_range=intensity_range,
        on_plane=evidence.put,
        wanted=wanted.__contains__,
    )
    if labels.shape != corrections.image.shape:
        raise _other_image(corrections, f"of shape {labels.shape}")
    correcting = Progress("Correcting", 0, 1)
    return (yield from in_background(lambda: replay(labels, evidence, corrections), lambda: correcting))


def segment_corrected(
    model: Model,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    corrections: Corrections | None = None,
    axes: str | None = None,
    intensity_range: Range | PlaneStatistics | None = None,
    on_event: Callable[[Event], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> NDArray[np.uint32]:
    """Find the instances in an image, and make a person's corrections in them.

    Parameters
    ----------
    model, image, config, axes, intensity_range, on_event, cancelled
        See :func:`~napari_grd.inference.segment.predict`.
    corrections : Corrections, optional
        Of this image. They hold in the result, plane by plane.

    Returns
    -------
    uint32 array of the image's shape without channels
        Consecutive from 1 without corrections; 0 is background. In a stack or series (``axes`` with a z or t) an
        object keeps its number from plane to plane where it overlaps itself, unless ``config.link`` is false.

    Raises
    ------
    CorrectionError
        If the corrections are of another image.
    ImageError, ConfigError, Cancelled
        See :func:`~napari_grd.inference.segment.predict`.

    Warns
    -----
    NothingStandsOut
        If nothing in the image stands out of its noise.

    Notes
    -----
    By default the size of bright or dark objects is estimated from the image, which is rescaled if they are not
    as large as those the model knows; an image that is dark on bright is inverted for a model that is not. What was
    decided, and why, is a :class:`~napari_grd.jobs.Notice`; ``SegmentConfig().as_known()`` decides nothing.

    Examples
    --------
    >>> from napari_grd.corrections import Draw, ImageRef, Region
    >>> from napari_grd.models import ModelConfig
    >>> model, image = Model.create(ModelConfig()), np.zeros((40, 50))
    >>> drawn = Corrections(ImageRef.of(image), [Draw(Region([(3, 4, 5)]))])
    >>> labels = segment_corrected(model, image, SegmentConfig(runtime="torch"), corrections=drawn)
    >>> int((labels == labels[3, 4]).sum())
    5
    """
    job = iter_segment_corrected(
        model, image, config, corrections=corrections, axes=axes, intensity_range=intensity_range
    )
    return drain(job, on_event, cancelled)


def _check_image(corrections: Corrections, image: Any) -> None:
    key = corrections.image.key
    if key is not None and image_key(np.asarray(image)) != key:
        raise _other_image(corrections, "with other pixels")


def _other_image(corrections: Corrections, found: str) -> CorrectionError:
    return CorrectionError(
        f"The corrections are of {corrections.image}, this image is one {found}.",
        "Pass the image they were made on, with its axes.",
    )
