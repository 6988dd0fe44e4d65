"""The kind of microscopy of an image, derived from its histogram.

In fluorescence most pixels are at the dark end of the range, in phase contrast in a narrow range between bright and
dark rims; stained tissue is colored on a bright background; membranes and electron micrographs fill the whole range.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.blocks import blocks_of

Kind = Literal["fluorescence", "dark on bright", "phase contrast", "stained tissue", "dense texture"]

_SAMPLE = 1024  # pixels along y and x that are evaluated
_ENOUGH = 1024  # pixels from which on every second block is sufficient
_COLORED = 0.08  # mean saturation
_DARK_END = 0.09  # position of the median in the range, 0 to 1
_BRIGHT_END = 0.7
_NARROW = 0.1  # share of the range between the quartiles
_WIDE = 0.3


@dataclass(frozen=True)
class ImageKind:
    """A kind of image, with the reason.

    Attributes
    ----------
    kind : str
        "fluorescence", "dark on bright", "phase contrast", "stained tissue" or "dense texture".
    reason : str
        The evidence, as part of a sentence.
    """

    kind: Kind
    reason: str


def image_kind(image: NDArray[Any]) -> ImageKind:
    """Determine the kind of an image.

    Parameters
    ----------
    image : (C, H, W) array of real numbers
        A plane; three channels are read as RGB if they are colored on a bright background, else the first channel is
        used.

    Returns
    -------
    ImageKind

    Examples
    --------
    >>> cells = np.random.default_rng(0).normal(10, 1, (1, 200, 200))
    >>> cells[0, 50:80, 50:80] += 100
    >>> image_kind(cells).kind
    'fluorescence'
    """
    height, width = (min(size, _SAMPLE) for size in image.shape[1:])
    top, left = ((size - used) // 2 for size, used in zip(image.shape[1:], (height, width), strict=True))
    part = image[:, top : top + height, left : left + width]
    if part.dtype.kind == "f":
        part = np.where(np.isfinite(part), part, np.nanmin(part, initial=0, where=np.isfinite(part)))
    if len(part) == 3 and (saturation := _saturation(part.astype(np.float64))) > _COLORED:
        return ImageKind("stained tissue", f"it is colored (saturation {saturation:.2f}) on a bright ground")
    # Means, because single noisy pixels are not the ends of a range.
    blocks = blocks_of(part[0], min(3, height, width))[:: 1 + height // _ENOUGH, :: 1 + width // _ENOUGH]
    plane = blocks.mean(axis=(2, 3), dtype=np.float64)
    low, first, median, third, high = np.percentile(plane, [0.2, 25, 50, 75, 99.8])
    span = max(float(high - low), 1e-12)
    position, width_of_half = float(median - low) / span, float(third - first) / span
    if position < _DARK_END:
        return ImageKind("fluorescence", "most of it lies at the dark end of its range")
    if position > _BRIGHT_END:
        return ImageKind("dark on bright", "most of it lies at the bright end of its range")
    if width_of_half < _NARROW:
        return ImageKind("phase contrast", "half of its pixels lie close together between darker and brighter ones")
    if width_of_half > _WIDE:
        return ImageKind("dense texture", "its pixels fill the whole range")
    return ImageKind("fluorescence", "more of it is dark than bright")


def _saturation(image: NDArray[np.float64]) -> float:
    """Mean saturation of an image with a bright background; 0 for a dark one."""
    brightest = image.max(axis=0)
    top = float(np.percentile(brightest, 99.8))
    if top <= 0 or float(np.median(brightest)) < 0.5 * top:
        return 0.0
    return float(np.mean((brightest - image.min(axis=0)) / np.maximum(brightest, 1e-12)))
