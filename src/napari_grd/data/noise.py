"""The noise of a field of view, measured in the background.

It is measured in square blocks slightly smaller than an object. If many of them have about the lowest deviation, the
field is *sparse*: these blocks are background only. A field full of cells or membranes is not.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.blocks import blocks_of

_PIXELS = 2**18  # approximate number of pixels in the evaluated blocks
_CELLS = 8  # a block has so many cells on a side; averaging a cell suppresses the noise of its pixels
_WIDE = 2.3  # object diameters: side of a block in which slow changes of the background count as well
_CALM, _SHARE = 1.4, 30  # so many percent of the blocks deviate by less than this times what the calmest tenth does,
_CALM_FEW, _MANY = 1.25, 36  # or half of them by less than that if there are fewer blocks than so many,
_WHITE = 2.0  # and averaging lowers the deviation as it does with independent noise, but for this factor at most;
_CALM_SMOOTHED = 1.2  # noise that a filter has smoothed is as even, and neighboring cells
_INDEPENDENT = 0.57  # deviate independently: means of four by 0.5 of what one does;
_CALM_GAUSSIAN = 2.0  # correlated noise varies more from block to block,
_TAILS = 3.5  # its differences have a kurtosis of 3; where there are edges it is more,
_SKEW = 0.3  # and it is not skewed
_BLOCKY = 1.5  # what compression leaves of noise differs so many times as much between its blocks as within,
_EVEN = 1.4  # and from one end of the field to the other as much, but for this factor,
_WEAK = 1.5  # or cells differ by less than so many gray levels,
_FAINT = 4.0  # and pixels by less than so many: beyond that it may be an image full of objects
_FLAT = 0.5  # gray levels that compression hides
_DARKEST = 8  # minimum of the brightest pixel of an 8-bit image

Patches = Sequence[NDArray[Any]]
Masks = Sequence[NDArray[np.bool_] | None]


def cell_size(diameter: float) -> int:
    """Side of a cell in pixels: a ninth of the object diameter."""
    return max(1, round(diameter / 9))


def background_noise(patches: Patches, masks: Masks, diameter: float) -> tuple[float, float] | None:
    """Standard deviation of the background in a sparse field.

    Parameters
    ----------
    patches : sequence of (H, W) arrays
        One channel of the field, or of samples of it.
    masks : sequence of ((H, W) bool or None)
        Pixels to exclude.
    diameter : float
        Typical diameter of objects in pixels.

    Returns
    -------
    (float, float) or None
        Of single pixels, and of means over cells; None if the field is not sparse.

    Examples
    --------
    >>> noise = background_noise([np.random.default_rng(0).normal(0, 10, (256, 256))], [None], 27)
    >>> [round(each) for each in noise]
    [10, 3]
    """
    cell = cell_size(diameter)
    pixels, cells = _deviations(patches, masks, cell, _CELLS)
    if len(cells) < 4:
        return None
    if (compressed := _compressed_background(patches, masks, diameter, pixels, cells)) is not None:
        return compressed
    step = 0.0 if patches[0].dtype.kind == "f" else 12**-0.5  # deviation of rounding to integers
    calm, lower, median = (max(float(value), step / cell) for value in np.percentile(cells, [10, _SHARE, 50]))
    like = lower <= _CALM * calm if len(cells) >= _MANY else median <= _CALM_FEW * calm
    if like and _is_white(patches, masks, cell, step):
        return max(float(np.percentile(pixels, _SHARE)), step), lower
    smoothed = median <= _CALM_SMOOTHED * calm and _is_white_beyond(patches, masks, cell)
    if not smoothed and (median > _CALM_GAUSSIAN * calm or not _is_gaussian(patches, masks, diameter)):
        return None
    # If there is only noise, structures as wide as an object are noise, too.
    wide = _deviations(patches, masks, cell, max(_CELLS, round(_WIDE * diameter / cell)))
    pixels, cells = wide if len(wide[0]) >= 4 else (pixels, cells)
    return max(float(np.median(pixels)), step), max(float(np.median(cells)), step / cell)


def _compressed_background(
    patches: Patches, masks: Masks, diameter: float, pixels: NDArray[np.float32], cells: NDArray[np.float32]
) -> tuple[float, float] | None:
    """Deviations in an empty field that was compressed as JPEG, with patterns in some blocks only.

    If most blocks are flat, the noise is that of the patterns in a tenth of them.
    """
    tenth, half, most = np.percentile(cells, [10, 50, 90])
    even = most <= _EVEN * half and tenth >= half / _EVEN**2
    if not (even or most <= _WEAK) or np.percentile(pixels, 90) > _FAINT or not all(map(_is_blocky, patches)):
        return None
    if not even:
        return max(float(np.percentile(pixels, 90)), _FLAT), max(float(most), _FLAT)
    wide = _deviations(patches, masks, 1, max(_CELLS, round(_WIDE * diameter)))[0]
    return max(float(np.median(wide if len(wide) >= 4 else pixels)), _FLAT), max(float(half), _FLAT)


def _is_blocky(plane: NDArray[Any]) -> bool:
    """Whether neighbors differ more across the borders of blocks of eight than within, in gray levels of eight bits."""
    # Luminance is a float.
    levels = plane.dtype == np.uint8 or (plane.dtype.kind == "f" and _DARKEST < plane.max() < 256)
    if min(plane.shape) < 32 or not levels:
        return False
    values = plane.astype(np.float32)
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.diff(values, axis=axis)).mean(axis=1 - axis)
        phases = steps[: len(steps) // 8 * 8].reshape(-1, 8).mean(axis=0)
        border = float(phases.max())  # an image may be cropped, so the phase is unknown
        ratios.append(border > _BLOCKY * (float(phases.sum()) - border) / 7)
    return all(ratios)


def _is_white(patches: Patches, masks: Masks, cell: int, step: float) -> bool:
    """Whether averaging over cells reduces the deviation of calm blocks about as for independent noise."""
    size = max(2, cell)
    pixels, cells = _deviations(patches, masks, size, max(4, _CELLS * cell // size))
    expected = max(float(np.percentile(pixels, 10)), step) / size
    # Structures larger than a cell are not reduced.
    return max(float(np.percentile(cells, 10)), step / size) <= min(_WHITE, 1 + 0.4 * (size - 1)) * expected


def _is_white_beyond(patches: Patches, masks: Masks, cell: int) -> bool:
    """Whether cells are independent, as after a median filter; objects extend over many cells."""
    _, cells = _deviations(patches, masks, cell, _CELLS)
    _, larger = _deviations(patches, masks, 2 * cell, _CELLS // 2)
    return bool(np.percentile(larger, 20) <= _INDEPENDENT * np.percentile(cells, 20))


def _deviations(
    patches: Patches, masks: Masks, cell: int, side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Standard deviation of pixels and of cell means in each block, with a linear trend removed from the cells."""
    values = _blocks(patches, masks, cell * side)
    means = values.reshape(-1, side, cell, side, cell).mean(axis=(2, 4))
    flat = _detrended(means)
    trend = np.square(means).mean(axis=(1, 2)) - np.square(flat).mean(axis=(1, 2))
    pixels = np.sqrt(np.maximum(np.square(values).mean(axis=(1, 2)) - trend, 0))
    return pixels, np.sqrt(np.square(flat).sum(axis=(1, 2)) / (side * side - 3))


def _blocks(patches: Patches, masks: Masks, side: int) -> NDArray[np.float32]:
    """Blocks ``(N, side, side)`` without masked pixels, each minus its mean; of a large field an evenly spaced part."""
    residuals = []
    for patch, mask in zip(patches, masks, strict=True):
        blocks = blocks_of(patch, side)
        blocks = blocks.reshape(-1, side, side) if mask is None else blocks[~blocks_of(mask, side).any(axis=(2, 3))]
        blocks = blocks[:: max(1, blocks.size * len(patches) // _PIXELS)]
        if blocks.size:
            # Single precision is insufficient for large numbers.
            exact = blocks.astype(np.float64) if blocks.dtype.itemsize >= 4 else blocks.astype(np.float32)
            residuals.append((exact - exact.mean(axis=(1, 2), keepdims=True)).astype(np.float32))
    return np.concatenate(residuals) if residuals else np.zeros((0, side, side), np.float32)


def _detrended(blocks: NDArray[np.float32]) -> NDArray[np.float32]:
    """Blocks ``(N, side, side)`` minus a fitted plane each."""
    side = blocks.shape[1]
    axis = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / math.sqrt(side * side * (side * side - 1) / 12)
    rows = (blocks.sum(axis=2) @ axis)[:, None, None] * axis[:, None]
    columns = (blocks.sum(axis=1) @ axis)[:, None, None] * axis
    result: NDArray[np.float32] = blocks - rows - columns
    return result


def _is_gaussian(patches: Patches, masks: Masks, diameter: float) -> bool:
    """Whether the calmer part of a field looks like noise, correlated or not: no edges at any scale, not skewed."""
    for cell in {1, max(1, round(diameter / 18)), cell_size(diameter)}:
        side = max(_CELLS, round(_WIDE * diameter / cell))
        values = _blocks(patches, masks, cell * side)
        flat = _detrended(values.reshape(-1, side, cell, side, cell).mean(axis=(2, 4)))
        if not len(flat):
            return False
        deviation = flat.std(axis=(1, 2))
        calm = (deviation <= np.percentile(deviation, 60)) & (deviation > 0)
        if not calm.any():
            return False
        unit = flat[calm] / deviation[calm][:, None, None]
        steps = np.concatenate([np.diff(unit, axis=axis).ravel() for axis in (1, 2)])
        if _moment(steps, 4) > _TAILS or (cell > 1 and abs(_moment(unit.ravel(), 3)) > _SKEW):
            return False
    return True


def _moment(values: NDArray[np.float32], order: int) -> float:
    centered = values - values.mean()
    return float(np.mean(centered**order) / max(float(np.mean(centered**2)), 1e-30) ** (order / 2))
