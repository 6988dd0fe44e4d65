"""How far to go: chosen by the scores of corrections that were held out."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_grd.finetuning.held_out import RegionScore, mean_quality

USEFUL = 0.7
"""Quality of held-out objects above which a model is of use on the images, so that it stays near its predictions."""

# What a gain has to exceed: the smallest difference that counts, and standard errors of its mean. Where the model
# segments some objects already there is more to lose, above all on other images than the corrected ones.
_SOME = 0.35
_LEAST, _ERRORS = 0.1, 1.0
_LEAST_OF_NONE, _ERRORS_OF_NONE = 0.02, 0.5
_ERRORS_OF_STARTS = 2.0


@dataclass(frozen=True)
class Distance:
    """A point on the way from a model to what it can learn.

    Attributes
    ----------
    steps : int
        Steps of the training; 0 is the model before, at the scale of the objects.
    blend : float
        Interpolation between the weights before (0) and after (1) these steps.
    """

    steps: int
    blend: float


def is_gain(before: Sequence[RegionScore], after: Sequence[RegionScore]) -> bool:
    """Whether the same regions are segmented better, by more than chance.

    Examples
    --------
    >>> poor, good = RegionScore(0.3, 0), RegionScore(0.8, 0)
    >>> is_gain([poor] * 4, [good] * 4), is_gain([good] * 4, [RegionScore(0.9, 0), poor, good, good])
    (True, False)
    """
    some = mean_quality(before) >= _SOME
    least, errors = (_LEAST, _ERRORS) if some else (_LEAST_OF_NONE, _ERRORS_OF_NONE)
    return _exceeds(before, after, least, errors)


def is_clear_gain(before: Sequence[RegionScore], after: Sequence[RegionScore]) -> bool:
    """Whether the same regions are segmented better by more than two standard errors."""
    return _exceeds(before, after, _LEAST, _ERRORS_OF_STARTS)


def _exceeds(before: Sequence[RegionScore], after: Sequence[RegionScore], least: float, errors: float) -> bool:
    gains = np.array([new.quality - old.quality for old, new in zip(before, after, strict=True)])
    if not len(gains):
        return False
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains)) if len(gains) > 1 else 0.0
    return float(gains.mean()) > max(least, errors * error)


def farthest_gain(before: Sequence[RegionScore], tried: Mapping[Distance, Sequence[RegionScore]]) -> Distance | None:
    """The distance with the best scores of these regions, if it is a gain over the model before; None: not at all."""
    best = max(tried, key=lambda distance: mean_quality(tried[distance]), default=None)
    return best if best is not None and is_gain(before, tried[best]) else None
