"""Scoring of a model on validation images, with the reported metrics."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.distillation.trainer import Verdict
from napari_grd.inference.segment import iter_segment
from napari_grd.jobs import Job, Stopwatch, without_notices
from napari_grd.metrics.scores import evaluate
from napari_grd.models.model import Model


class Validator:
    """Segments the validation images and compares with their labels.

    Parameters
    ----------
    images : sequence of ndarray (C, *S)
        Raw intensities.
    labels : sequence of ndarray (*S) of int
        Reference instances; predictions on ignored pixels are not penalized.
    min_size : int
        Objects with fewer pixels are ignored on both sides.
    """

    def __init__(self, images: Sequence[NDArray[Any]], labels: Sequence[NDArray[Any]], *, min_size: int = 0) -> None:
        self._images = list(images)
        self._labels = [np.maximum(annotation, 0) for annotation in labels]
        self._known = [annotation >= 0 for annotation in labels]
        self._min_size = min_size

    def __call__(self, model: Model) -> Job[Verdict]:
        """Score a model: the mean of AP at IoU 0.5 and AJI decides, in volumes without background 1 - ARAND.

        The pieces of neurites in a volume differ in size by orders of magnitude, and AP is mostly that of small ones.
        """
        # Plain torch: compiling for another runtime costs more than these few images.
        config = SegmentConfig(runtime="torch", precision="f32", device=_device(model)).as_known()
        watch = Stopwatch("Validating", len(self._images))
        predictions: list[NDArray[np.uint32]] = []
        for done, (image, annotated) in enumerate(zip(self._images, self._known, strict=True)):
            yield watch.progress(done)
            axes = "c" + "zyx"[-model.config.ndim :]
            predicted = yield from without_notices(iter_segment(model, image, config, axes=axes))
            predictions.append(predicted * annotated)
        scores = evaluate(reference=self._labels, labels=predictions, min_size=self._min_size)
        dense = model.config.ndim == 3 and not model.config.foreground
        score = 1 - scores.arand if dense else (scores.ap50 + scores.aji) / 2
        image, predicted, reference = self._images[0], predictions[0], self._labels[0]
        if model.config.ndim == 3:  # the middle plane
            middle = len(predicted) // 2
            image, predicted, reference = image[:, middle], predicted[middle], reference[middle]
        return Verdict(score, scores.as_dict(), {"image": image, "labels": predicted, "reference": reference})


def _device(model: Model) -> str:
    return str(next(model.network.parameters()).device)
