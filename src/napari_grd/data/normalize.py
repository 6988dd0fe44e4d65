"""Intensities to a common scale: two percentiles of the whole image become 0 and 1."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import NormalizationConfig

_SAMPLE = 2**20  # pixels of a channel that the percentiles are taken from, at most


def intensity_range(image: NDArray[Any], config: NormalizationConfig) -> NDArray[np.float32]:
    """The intensities that become 0 and 1, for each channel.

    Parameters
    ----------
    image : (C, *S) array of real numbers
        The whole plane or volume, not a crop: a tile normalised with its
        plane's range agrees with the plane.
    config : NormalizationConfig
        The two percentiles.

    Returns
    -------
    (C, 2) float32
        Low and high. They are equal for a constant channel.

    Notes
    -----
    Of a large image an evenly spread million of pixels is used, always the
    same one, so the answer is repeatable.

    Examples
    --------
    >>> intensity_range(np.arange(101).reshape(1, 1, 101), NormalizationConfig(low=10, high=90))
    array([[10., 90.]], dtype=float32)
    """
    sample = image.reshape(len(image), -1)[:, :: _sample_step(image.shape)]
    percentiles = np.percentile(sample, [config.low, config.high], axis=1)
    return np.ascontiguousarray(percentiles.T, dtype=np.float32)


def normalize(image: NDArray[Any], value_range: NDArray[np.float32]) -> NDArray[np.float32]:
    """Map each channel linearly so that its range becomes 0 to 1; values beyond are kept.

    Parameters
    ----------
    image : (C, *S) array of real numbers
    value_range : (C, 2) float32
        From :func:`intensity_range`. A channel whose high is not above its low
        is constant and becomes 0.

    Returns
    -------
    (C, *S) float32

    Examples
    --------
    >>> normalize(np.array([[[10, 15, 30]]]), np.array([[10, 20]], dtype=np.float32))
    array([[[0. , 0.5, 2. ]]], dtype=float32)
    """
    result = np.zeros(image.shape, np.float32)
    for channel, (low, high), target in zip(image, value_range, result, strict=True):
        if high > low:
            target[...] = (channel - low) / (high - low)
    return result


def _sample_step(shape: tuple[int, ...]) -> int:
    step = max(1, math.prod(shape[1:]) // _SAMPLE)
    while math.gcd(step, shape[-1]) > 1:  # else only some columns would be sampled
        step += 1
    return step
