"""Random changes of the stain of RGB tissue.

Laboratories stain with other amounts, dyes and times, and scanners differ: the same nuclei are blue, violet or brown.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.color import hed_from_rgb, rgb_from_hed

Float32 = NDArray[np.float32]

_DARKEST = ((0.15, 0.5), (0.05, 0.3), (0.25, 0.65))
"""Share of the light that passes where a channel is darkest: red, green, blue. H&E absorbs green most, blue least."""
_AMOUNT = 0.35  # largest change of a stain's amount, of its logarithm
_BOUNDS = (np.float32(0.65), np.float32(1.55))  # of a pixel's change of density, a bit wider than of an amount
_LEAST_RANGE = 0.3  # of a channel's range, that a change leaves of it
_DARKER, _BRIGHTER = -1.0, 2.0  # normalized intensities that are followed; what is beyond was no tissue

_STAINS = rgb_from_hed.astype(np.float64)  # optical density in red, green and blue (columns) of a unit of each stain
_UNMIX = hed_from_rgb.astype(np.float64)


def change_stain(rng: np.random.Generator, image: Float32) -> Float32:
    """Change amounts of hematoxylin, eosin and DAB at random, then saturation, brightness and contrast; blur some.

    Amounts are changed in optical density, where stains add up: unmixed, scaled and mixed again (Tellez et al. 2018,
    2019). But the image is normalized. Each channel has been mapped linearly so that its percentiles are 0 and 1, which
    removes how bright white was, and how much of the light the darkest pixel passed: optical density is unknown.
    Therefore the latter is drawn too, from what stained tissue has, and with it 0 to 1 is a range of transmitted light.
    Afterwards the channels are mapped back so that what was 0 and 1 is 0 and 1 again, as normalization would have done
    with an image of that stain. So what changes is the mixing of colors and the curve of each channel, not its range.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    image : (3, H, W) float32
        Normalized red, green and blue, of bright field: stains are darker than the background.

    Returns
    -------
    (3, H, W) float32
        Normalized as well.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    >>> change_stain(np.random.default_rng(1), image).shape
    (3, 64, 64)
    """
    darkest = np.array([rng.uniform(low, high) for low, high in _DARKEST])
    changed = with_amounts(image, np.exp(rng.uniform(-_AMOUNT, _AMOUNT, 3)), darkest)
    gray = changed.mean(axis=0)
    changed = gray + math.exp(rng.uniform(-0.5, 0.3)) * (changed - gray)
    changed = math.exp(rng.uniform(-0.2, 0.2)) * changed + rng.uniform(-0.1, 0.1)
    if rng.random() < 0.2:
        sigma = rng.uniform(0, 1)
        changed = ndimage.gaussian_filter(changed, (0, sigma, sigma), mode="mirror")
    return np.asarray(changed, np.float32)


def with_amounts(image: Float32, amounts: NDArray[np.float64], darkest: NDArray[np.float64]) -> Float32:
    """The normalized image ``(3, H, W)`` with each stain's amount multiplied; 0 and 1 of each channel stay.

    ``darkest`` is the share of the light that passes where red, green and blue are 0.

    Examples
    --------
    >>> image = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 2, 2)
    >>> same = with_amounts(image, np.ones(3), np.array([0.3, 0.1, 0.4]))
    >>> bool(np.allclose(same, image, atol=1e-4))
    True
    """
    mix = (_UNMIX @ np.diag(amounts) @ _STAINS).T
    least = darkest.astype(np.float32)[:, None, None]
    light = least + (1 - least) * np.clip(image, _DARKER, _BRIGHTER)
    density = -np.log(np.maximum(light, np.float32(0.01)))
    # What is no mixture of the stains, a green pigment, has less than none of one; it must not come to shine.
    least_density, most_density = (np.where(density > 0, factor * density, density) for factor in _BOUNDS)
    changed = np.exp(-np.clip(np.tensordot(mix.astype(np.float32), density, 1), least_density, most_density))
    # No stain stays none, which is 1. A channel that would be left nearly without range keeps some.
    black = np.exp(mix @ np.log(darkest))
    span = np.maximum(1 - black, _LEAST_RANGE * (1 - darkest)).astype(np.float32)[:, None, None]
    return np.asarray(1 - (1 - changed) / span, np.float32)
