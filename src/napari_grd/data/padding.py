"""Invalid pixels: those that were not scanned, and NaN."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.data.blocks import blocks_of

_SIDE = 16  # of a block
_ENOUGH = 4  # blocks
_STRAY = 1e-3  # share of the other pixels that may have the value of the padding


def not_finite(image: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Which pixels of ``(C, *S)`` are NaN, infinite or beyond single precision in a channel; None if none are."""
    if image.dtype.kind != "f":
        return None
    # Comparing with float32's maximum also detects NaN, and float64 values that would become infinite.
    bad: NDArray[np.bool_] = ~(np.abs(image) <= np.finfo(np.float32).max).all(axis=0)
    return bad if bad.any() else None


def find_padding(patches: Sequence[NDArray[Any]]) -> float | None:
    """The value of areas that were not scanned.

    Whole blocks have exactly the lowest or the highest value, and almost no other pixel has it: the zeros around
    a stitched mosaic, but not the zeros of a dark camera.

    Parameters
    ----------
    patches : sequence of (C, H, W) arrays

    Returns
    -------
    float or None
        None if everything was scanned.

    Examples
    --------
    >>> image = np.random.default_rng(0).poisson(100, (1, 128, 128))
    >>> find_padding([image])
    >>> image[:, :, 60:] = 0
    >>> find_padding([image])
    0.0
    """
    finite = [patch[0][np.isfinite(patch[0])] if patch.dtype.kind == "f" else patch[0] for patch in patches]
    finite = [values for values in finite if values.size]
    if not finite:
        return None
    for value in (min(float(values.min()) for values in finite), max(float(values.max()) for values in finite)):
        inside = stray = other = 0
        for patch in patches:
            blocks = blocks_of((patch == value).all(axis=0), _SIDE)
            full = blocks.all(axis=(2, 3))
            inside += int(full.sum())
            # Blocks next to a full one are crossed by the border of the scan.
            away = ~ndimage.binary_dilation(full, np.ones((3, 3))) if full.any() else ~full
            stray += int(blocks[away].sum())
            other += int(away.sum()) * _SIDE**2
        if inside >= _ENOUGH and other and stray <= _STRAY * other:
            return value
    return None
