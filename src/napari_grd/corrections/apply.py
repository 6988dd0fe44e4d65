"""Corrections on another segmentation of the same image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.predictions import Predictions
from napari_grd.data.fingerprint import image_key
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.errors import CorrectionError
from napari_grd.hub import ModelLike
from napari_grd.inference.background import in_background
from napari_grd.inference.segment import iter_segment
from napari_grd.inference.view import Range
from napari_grd.jobs import Job, Progress


def apply_corrections(labels: Any, predictions: Predictions, corrections: Corrections) -> NDArray[np.uint32]:
    """Labels with all corrections in them, in the order they were made.

    Parameters
    ----------
    labels : integer array, shape (*planes, H, W)
        A fresh segmentation of the image; it is left as it is.
    predictions : Predictions
        Predictions of the planes with corrections.
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
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Merge
    >>> from napari_grd.corrections.predictions import Predictions
    >>> labels = np.array([[1, 1, 2, 2]])
    >>> apply_corrections(labels, Predictions(), Corrections(ImageRef((1, 4)), [Merge([(0, 0), (0, 3)])])).tolist()
    [[1, 1, 1, 1]]
    """
    return Editor(labels, corrections, predictions).labels


def iter_segment_corrected(
    model: ModelLike,
    image: Any,
    config: SegmentConfig | None = None,
    *,
    corrections: Corrections | None = None,
    axes: str | None = None,
    intensity_range: Range | PlaneStatistics | None = None,
) -> Job[NDArray[np.uint32]]:
    """Segment an image and apply corrections, as a job.

    Of a stack, embeddings are kept in memory for those planes only that have corrections.

    Parameters
    ----------
    model, image, config, corrections, axes, intensity_range
        As for :func:`napari_grd.segment`.

    Returns
    -------
    Job of uint32 array
        Yields progress at least twice a second; its result are the labels.

    Raises
    ------
    ImageError, CorrectionError, ConfigError
        As :func:`napari_grd.segment`, when the job is run.

    See Also
    --------
    segment : Run the job to its end.
    drain : Run any job to its end.

    Examples
    --------
    >>> from napari_grd.jobs import drain
    >>> drain(iter_segment_corrected("nuclei", np.zeros((40, 50)), SegmentConfig(runtime="torch"))).shape
    (40, 50)
    """
    if corrections is None:
        return (yield from iter_segment(model, image, config, axes=axes, intensity_range=intensity_range))
    key = corrections.image.key
    if key is not None and image_key(np.asarray(image)) != key:
        raise _other_image(corrections, "with other pixels")
    predictions = Predictions()
    wanted = set(corrections.planes)
    labels = yield from iter_segment(
        model,
        image,
        config,
        axes=axes,
        intensity_range=intensity_range,
        on_plane=predictions.put,
        wanted=wanted.__contains__,
    )
    if labels.shape != corrections.image.shape:
        raise _other_image(corrections, f"of shape {labels.shape}")
    correcting = Progress("Correcting", 0, 1)
    return (yield from in_background(lambda: apply_corrections(labels, predictions, corrections), lambda: correcting))


def _other_image(corrections: Corrections, difference: str) -> CorrectionError:
    return CorrectionError(
        f"The corrections are of {corrections.image}, this image is one {difference}.",
        "Pass the image they were made on, with its axes.",
    )
