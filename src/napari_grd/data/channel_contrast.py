"""How far what a channel shows exceeds its noise, by which one of several channels is chosen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_NOISE = 1.4826 / np.sqrt(2)  # from the median absolute difference of neighbors to a standard deviation


def contrast_to_noise(channel: NDArray[Any]) -> float:
    """The contrast-to-noise ratio of a channel.

    Parameters
    ----------
    channel : (H, W) array of real numbers
        Pixels that are not finite are ignored.

    Returns
    -------
    float
        The range of intensities, without its ends, in standard deviations of the noise: about 5 for noise alone, 0 for
        a channel of one value, and 1000 at most.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 1, (200, 200))
    >>> round(contrast_to_noise(noise))
    5
    >>> noise[50:80, 50:80] += 50
    >>> round(contrast_to_noise(noise))
    53
    """
    pixels = np.asarray(channel, np.float32)
    finite = np.isfinite(pixels)
    values = pixels[finite]
    low, high = np.percentile(values, [1, 99.8]) if values.size else (0.0, 0.0)
    steps = np.abs(np.diff(pixels, axis=-1))[finite[..., 1:] & finite[..., :-1]]
    noise = float(np.median(steps)) * _NOISE if steps.size else 0.0
    # Smoothed or computed images have almost no noise, which must not be rewarded.
    return float(high - low) / max(noise, 1e-3 * float(high - low), 1e-12)
