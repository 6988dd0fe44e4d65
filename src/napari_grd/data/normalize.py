"""Normalization of intensities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def normalize(image: NDArray[Any], value_range: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Map each channel linearly so that its range becomes 0 to 1; values beyond are kept.

    Parameters
    ----------
    image : (C, *S) array of real numbers
    value_range : (C, 2) float
        See :func:`napari_grd.data.intensity.measure_intensity`. A channel whose low and high are equal is constant and
        becomes 0; one whose low is above its high is inverted.

    Returns
    -------
    (C, *S) float32

    Examples
    --------
    >>> normalize(np.array([[[10, 15, 30]]]), np.array([[10, 20]], dtype=np.float64))
    array([[[0. , 0.5, 2. ]]], dtype=float32)
    """
    result = np.zeros(image.shape, np.float32)
    for channel, (low, high), target in zip(image, value_range, result, strict=True):
        if high != low:
            # In double precision only if single precision is insufficient for a large offset.
            exact = channel.dtype.itemsize > 4 or max(abs(low), abs(high)) > 1e4 * abs(high - low)
            kind = np.float64 if exact else np.float32
            with np.errstate(over="ignore", invalid="ignore"):  # infinite values stay infinite
                target[...] = (channel.astype(kind, copy=False) - kind(low)) / kind(high - low)
    return result
