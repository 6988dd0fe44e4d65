"""Scores of two models on corrected images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_grd.config import SegmentConfig
from napari_grd.corrections.corrected_planes import CorrectedPlane, corrected_images, corrected_planes
from napari_grd.hub import ModelLike, as_model
from napari_grd.inference.region import keep_inside
from napari_grd.inference.segment import iter_segment
from napari_grd.jobs import drain
from napari_grd.metrics.scores import Scores, evaluate
from napari_grd.models.model import Model


@dataclass(frozen=True)
class BeforeAfter:
    """Scores of two models on the labeled pixels of corrected images.

    Attributes
    ----------
    before, after : Scores
        Objects that lie mostly on unlabeled (ignored) pixels do not count.
    objects : int
        Labeled objects.
    """

    before: Scores
    after: Scores
    objects: int


def before_after(
    before: ModelLike,
    after: ModelLike,
    images: Any,
    corrections: Any,
    labels: Any,
    config: SegmentConfig | None = None,
    *,
    axes: str | None = None,
) -> BeforeAfter:
    """Score a model before and after fine-tuning, on the labeled pixels of corrected images.

    An object that a model finds counts if at least half of it lies on labeled pixels, and then as a whole: an
    object that covers a labeled one and its unlabeled neighbors does not match the labeled one. On the images of
    the fine-tuning the scores tell what the model learned, not what it will do elsewhere: for that, pass
    corrected images that it has not seen.

    Parameters
    ----------
    before, after : Model, str or Path
        Two models of the same channels.
    images, corrections, labels
        As for :func:`fine_tune`.
    config : SegmentConfig, optional
        Settings of both segmentations.
    axes : str, optional
        Axes of every image, as for :func:`fine_tune`.

    Returns
    -------
    BeforeAfter
        Scores of both models, and the number of labeled objects.

    Raises
    ------
    CorrectionError
        If the corrections are of other images, or label no pixel.

    See Also
    --------
    fine_tune : Fine-tune a model with corrections.
    evaluate : Score fully labeled images.

    Examples
    --------
    >>> from napari_grd.corrections.collection import Corrections
    >>> from napari_grd.corrections.image import ImageRef
    >>> from napari_grd.corrections.kinds import Accept
    >>> from napari_grd.corrections.region import Region
    >>> from napari_grd.data.simulate import nuclei_2d
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128))
    >>> largest = labels == labels.max()
    >>> accepted = Accept(tuple(int(i) for i in np.argwhere(largest)[0]), Region.from_mask(largest))
    >>> corrections = Corrections(ImageRef.of(image), [accepted])
    >>> before_after("nuclei", "nuclei", image, corrections, labels).objects
    1
    """
    before, after = as_model(before), as_model(after)
    planes = corrected_planes(before, corrected_images(images, corrections, labels, axes), config)
    objects = sum(plane.objects for plane in planes)
    return BeforeAfter(_score(before, planes, config), _score(after, planes, config), objects)


def _score(model: Model, planes: Sequence[CorrectedPlane], config: SegmentConfig | None) -> Scores:
    segmented = [drain(iter_segment(model, plane.image, config, axes="cyx")) for plane in planes]
    for labels, plane in zip(segmented, planes, strict=True):
        keep_inside(labels, plane.labels >= 0)
    return evaluate(reference=[np.maximum(plane.labels, 0) for plane in planes], labels=segmented)
