"""Estimation of the object size from the image.

The response of a difference of Gaussians to objects brighter or darker than their surroundings is maximal at the
matching scale: for a disk of diameter d at a standard deviation of d / (2 * sqrt(2)). The estimate is the geometric
mean over the strongest responses, weighted by strength and diameter. In an image magnified by two, the estimate
doubles, up to sampling. Objects with edges only (phase contrast, membranes) have no such response.

References
----------
Lindeberg, "Feature detection with automatic scale selection", International Journal of Computer Vision 30, 1998.
"""

import functools
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_PER_OCTAVE = 4
_STEP = 2 ** (1 / _PER_OCTAVE)
_FIRST = 2.0  # standard deviation in pixels at which an octave begins
_WINDOW = 128  # side of a window in pixels of an octave, ...
_WINDOWS = 2  # ... and their number
_LARGE = 2**18  # pixels of an image whose finest octave is skipped
_WEAK = 0.05  # responses below this, in normalized intensity, are ignored,
_SHARE = 0.5  # as do those below this share of the strong ones,
_NOISE = 4.0  # and those that could be caused by independent noise,
_FAINT = 2.5  # or by objects that do not exceed the noise of single pixels
_ENOUGH = 5  # responses


def estimate_diameter(planes: Sequence[NDArray[np.float32]], *, dark: bool = False, noise: float = 0.0) -> float | None:
    """Typical diameter of the objects of an image.

    Parameters
    ----------
    planes : sequence of (C, H, W) float32
        The image, or planes of it, normalized so that background is about 0 and objects about 1 (or, if they
        are dark, the other way round). The first channel is used: for stained tissue red, which eosin transmits.
    dark : bool, default False
        Whether objects are darker than their surroundings.
    noise : float, default 0
        Standard deviation of the noise of a pixel, in normalized intensity.

    Returns
    -------
    float or None
        In pixels; None if there are fewer than five clear responses.

    Examples
    --------
    >>> rows, columns = np.mgrid[:200, :200]
    >>> disks = np.zeros((1, 200, 200), np.float32)
    >>> for y, x in [(40, 40), (40, 120), (110, 70), (150, 150), (170, 30), (90, 160)]:
    ...     disks[0, np.hypot(rows - y, columns - x) < 10] = 1
    >>> 16 < estimate_diameter([disks]) < 24
    True
    """
    peaks = [answer for plane in planes for answer in answers(plane, dark=dark, noise=noise)]
    if len(peaks) < _ENOUGH:
        return None
    strength, sigma = np.array(peaks).T
    clear = strength > _SHARE * np.percentile(strength, 95)
    strength, sigma = strength[clear], sigma[clear]
    if len(sigma) < _ENOUGH:
        return None
    return float(2 * math.sqrt(2) * np.exp(np.average(np.log(sigma), weights=strength * sigma)))


def answers(plane: NDArray[np.float32], *, dark: bool = False, noise: float = 0.0) -> list[tuple[float, float]]:
    """Strength and standard deviation (in pixels) of every local maximum in space and scale.

    Parameters are those of :func:`estimate_diameter`, of one plane.
    """
    image = plane[0]
    # Intensities beyond those of background and objects are not informative for the size.
    image = np.clip(1 - image if dark else image, -0.2, 1.2)
    peaks: list[tuple[float, float]] = []
    factor = 1
    while min(image.shape) >= 4 * _FIRST:
        if factor > 1 or image.size < _LARGE:
            for window in _windows(image):
                peaks += _octave(window, factor, noise)
        rows, columns = (size // 2 * 2 for size in image.shape)
        image = image[:rows, :columns]
        image = (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4
        factor *= 2
    return peaks


def _windows(image: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The few windows with the most contrast; the whole image if it is not much larger."""
    if image.size <= _WINDOWS * _WINDOW**2 * 1.3:
        return [image]
    starts = [np.linspace(0, max(size - _WINDOW, 0), max(1, round(size / _WINDOW))).astype(int) for size in image.shape]
    windows = [image[y : y + _WINDOW, x : x + _WINDOW] for y in starts[0] for x in starts[1]]
    return sorted(windows, key=lambda window: -float(window[::4, ::4].std()))[:_WINDOWS]


def _octave(image: NDArray[np.float32], factor: int, noise: float) -> list[tuple[float, float]]:
    first = 1.0 if factor == 1 else _FIRST
    count = round(_PER_OCTAVE * math.log2(2 * _FIRST / first))
    sigmas = [first * _STEP**step for step in range(-1, count + 2)]
    blurred = [_blur(image, sigmas[0])]
    for fine, coarse in pairwise(sigmas):  # each from the previous one: a narrower kernel costs less
        blurred.append(_blur(blurred[-1], math.sqrt(coarse**2 - fine**2)))
    # Positive for bright blobs; the scale-normalized Laplacian up to a constant near 1.
    response = np.stack([(fine - coarse) / (_STEP - 1) for fine, coarse in pairwise(blurred)])
    inner = response[1:-1]
    highest = _highest(_highest(_highest(response, 0, 1)[1:-1], 1, 2), 2, 2)
    peaks = (inner == highest) & (inner > _WEAK)
    responses = []
    for level, y, x in np.argwhere(peaks):
        sigma = sigmas[level + 1] * math.sqrt(_STEP)
        strength = float(response[level + 1, y, x])
        if strength > noise * max(_NOISE / (sigma * factor), _FAINT):
            responses.append((strength, sigma * factor))
    return responses


def _blur(image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """A Gaussian filter; scipy's own computes its kernel each time, which takes a fifth of it."""
    kernel = _kernel(sigma)
    result: NDArray[np.float32] = ndimage.correlate1d(ndimage.correlate1d(image, kernel, 0), kernel, 1)
    return result


@functools.cache
def _kernel(sigma: float) -> NDArray[np.float64]:
    reach = math.ceil(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    result: NDArray[np.float64] = weights / weights.sum()
    return result


def _highest(values: NDArray[np.float32], axis: int, reach: int) -> NDArray[np.float32]:
    """A maximum filter along an axis, several times as fast as scipy's."""
    result = values.copy()
    moved, source = np.moveaxis(result, axis, 0), np.moveaxis(values, axis, 0)
    for shift in range(1, reach + 1):
        np.maximum(moved[:-shift], source[shift:], out=moved[:-shift])
        np.maximum(moved[shift:], source[:-shift], out=moved[shift:])
    return result
