"""How far objects stand out in a channel, for a default among several."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.blocks import blocks_of

_SIDE = 4  # pixels; means over blocks are not the noise of pixels
_FEW = 16  # pixels along an axis below which blocks are pixels
_SHARE = 0.5  # percent of the blocks that must stand out
_EXACT = 1000.0  # the range divided by this is the least noise


def foreground_contrast(plane: NDArray[Any]) -> float:
    """How far the brightest or darkest parts of a plane exceed its noise.

    Parameters
    ----------
    plane : (H, W) array of real numbers
        One channel. Pixels that are not finite are ignored.

    Returns
    -------
    float
        Difference between the median and the 0.5 % of 4 x 4 blocks farthest above, or below, it, in standard deviations
        of the noise of such a block: 2 to 3 for noise alone, 0 for a plane of one value.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(10, 1, (200, 200))
    >>> round(foreground_contrast(noise))
    3
    >>> noise[50:80, 50:80] += 10
    >>> round(foreground_contrast(noise))
    40
    """
    pixels = np.asarray(plane, np.float64)
    finite = np.isfinite(pixels)
    if not finite.any():
        return 0.0
    pixels = np.where(finite, pixels, np.median(pixels[finite]))
    side = _SIDE if min(pixels.shape) >= _FEW else 1
    blocks = blocks_of(pixels, side)
    means = blocks.mean(axis=(2, 3))
    low, middle, high = np.percentile(means, [_SHARE, 50, 100 - _SHARE])
    noise = float(np.median(blocks.std(axis=(2, 3)))) / side
    exceeds = max(high - middle, middle - low)
    return float(exceeds / max(noise, (high - low) / _EXACT)) if exceeds > 0 else 0.0
