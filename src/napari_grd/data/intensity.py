"""Intensity statistics of a field of view before prediction: range, noise, and pixels that were not scanned.

Percentiles alone stretch the noise of an empty field to full contrast. Therefore the background noise is estimated,
too. If most of the field is plain background, the range never shrinks to the noise, a few bright objects determine it
even if they are a small share of the pixels, and an object that does not exceed the noise can be detected
(:mod:`napari_grd.inference.contrast`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import NormalizationConfig
from napari_grd.data.noise import background_noise, cell_size
from napari_grd.data.normalize import normalize
from napari_grd.data.padding import find_padding, not_finite

_PATCH = 2**22  # maximum number of pixels of one patch that are evaluated
_SAMPLE = 2**20  # approximate number of pixels of a channel for the percentiles
_DIAMETER = 24.0  # default diameter of objects
_CLEAR = 6.0  # noise deviations by which a tile's brightest pixels must exceed the background to determine the range
_FLOOR = 40.0  # minimum range in noise deviations if nothing exceeds the noise
_BEYOND = 1000.0  # distance in ranges beyond which a value is invalid
_FARTHEST = 1e6  # ranges, or values at their ends, beyond which a value is none when noise is measured
_TILE = 8.0  # side of a tile in object diameters: one object in it decides its high percentile


@dataclass(frozen=True, eq=False)
class PlaneStatistics:
    """Range and noise of a plane, volume or series.

    Attributes
    ----------
    range : (C, 2) float64
        Intensities mapped to 0 and 1; the first is the higher one if the image is inverted.
    noise : (C,) float64, or None
        Standard deviation of the background's pixels, in the image's own units; None if the field is not sparse;
        objects are then not compared with it.
    texture : (C,) float64, or None
        The same of means over cells of a ninth of an object's diameter.
    cell : int
        Side of such a cell in pixels.
    scanned : bool
        False if no pixel is finite.
    stands_out : bool
        False if nothing in the field exceeds its noise.
    padding : float or None
        Value of pixels outside what was scanned (NaN included always); None if there are none.
    """

    range: NDArray[np.float64]
    noise: NDArray[np.float64] | None = None
    texture: NDArray[np.float64] | None = None
    cell: int = 1
    stands_out: bool = True
    scanned: bool = True
    padding: float | None = None

    @property
    def key(self) -> bytes:
        """Equal if normalization and the comparison of objects with the noise are the same."""
        noise = None if self.noise is None else self.noise.tolist()
        return repr((self.range.tolist(), self.padding, noise, self.stands_out)).encode()

    @property
    def inverted(self) -> bool:
        """Whether dark becomes bright."""
        return bool((self.range[:, 0] > self.range[:, 1]).any())

    def normalize(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Map ``(C, *S)`` linearly so that the range becomes 0 to 1; pixels that were not scanned become 0.

        A pixel that is a thousand ranges away is defective and would dominate its surroundings in the network: it is
        clipped to the range.
        """
        result = normalize(image, self.range)
        outside = self.is_padding(image)
        if outside is not None:
            result[:, outside] = 0
        if result.size and max(result.max(), -result.min()) > _BEYOND:
            result[result > _BEYOND] = 1
            result[result < -_BEYOND] = 0
        return result

    def with_noise_of(self, whole: "PlaneStatistics") -> "PlaneStatistics":
        """Own range of the plane, with the noise of the stack or series that it belongs to."""
        return self if whole.noise is None else replace(self, noise=whole.noise, texture=whole.texture)

    def with_span(self, span: NDArray[np.float64]) -> "PlaneStatistics":
        """With a range of this length, ``(C,)``: the end mapped to 1 is moved."""
        start, end = self.range.T
        return replace(self, range=np.stack([start, start + np.where(end < start, -1, 1) * span], axis=1))

    def is_padding(self, image: NDArray[Any]) -> NDArray[np.bool_] | None:
        """Pixels of ``(C, *S)`` that were not scanned, ``(*S)``; None if there are none."""
        padding = not_finite(image)
        if self.padding is not None:
            outside = (image == self.padding).all(axis=0)
            padding = outside if padding is None else padding | outside
        return padding if padding is not None and padding.any() else None


def measure_intensity(
    image: NDArray[Any] | Sequence[NDArray[Any]],
    config: NormalizationConfig,
    diameter: float | None = None,
    *,
    invert: bool = False,
) -> PlaneStatistics:
    """Measure the range and the noise of a field of view.

    Parameters
    ----------
    image : (C, *S) array of real numbers, or sequence of these
        The whole plane or volume, not a crop; or patches distributed over it.
    config : NormalizationConfig
        The two percentiles.
    diameter : float, optional
        Typical diameter of objects in pixels of this image. Default: 24.
    invert : bool, default False
        Whether dark becomes bright.

    Returns
    -------
    PlaneStatistics

    Notes
    -----
    Pixels that are NaN or infinite, and large areas of exactly one value that no other pixel has (the zeros around a
    stitched mosaic), are excluded. In a sparse field the high end of the range is the median of the high percentiles of
    tiles of eight diameters with contrast above the noise, if that is above the field's percentile; without such tiles,
    the range is at least 40 noise deviations. Large images are sampled evenly, at fixed positions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> empty = measure_intensity(rng.normal(100, 10, (1, 256, 256)), NormalizationConfig())
    >>> bool(8 < empty.noise[0] < 12), empty.stands_out
    (True, False)
    """
    patches = [image] if isinstance(image, np.ndarray) else list(image)
    patches = [_as_plane(_sampled(patch)) for patch in patches]
    padding = find_padding(patches)
    empty = PlaneStatistics(np.zeros((len(patches[0]), 2)), padding=padding)
    masks = [empty.is_padding(patch) for patch in patches]
    scanned = np.concatenate(
        [
            patch.reshape(len(patch), -1) if mask is None else patch[:, ~mask]
            for patch, mask in zip(patches, masks, strict=True)
        ],
        axis=1,
    )
    if scanned.shape[1] == 0:
        return replace(empty, stands_out=False, scanned=False)
    if invert:
        # An inverted image has the same percentiles from the other end.
        config = config.replace(low=100 - config.high, high=100 - config.low)
    scanned = scanned[:, :: _sample_step(scanned.shape[1], patches[0].shape[-1])]
    percentiles = np.percentile(scanned, [config.low, 50, config.high], axis=1).T.astype(np.float64)
    bounds = percentiles[:, [0, 2]].copy()
    patches = [_without_broken(patch, bounds) for patch in patches]
    diameter = diameter or _DIAMETER
    noises = [background_noise([patch[c] for patch in patches], masks, diameter) for c in range(len(scanned))]
    cell = cell_size(diameter)
    if any(noise is None for noise in noises):
        return replace(empty, range=bounds[:, ::-1] if invert else bounds, cell=cell)
    noise = np.array([each[0] for each in noises if each is not None])
    texture = np.array([each[1] for each in noises if each is not None])
    stands_out = False
    for c, (low, middle, _) in enumerate(percentiles):
        dark, bright = _standing_out(patches, masks, c, middle, noise[c], config, diameter)
        stands_out |= dark is not None or bright is not None
        if bright is not None:
            bounds[c, 1] = max(bounds[c, 1], bright)
        if dark is not None:
            bounds[c, 0] = min(low, dark)
        if dark is None and bright is None and invert:
            bounds[c, 0] = min(bounds[c, 0], bounds[c, 1] - _FLOOR * noise[c])
        elif dark is None and bright is None:
            bounds[c, 1] = max(bounds[c, 1], bounds[c, 0] + _FLOOR * noise[c])
    return PlaneStatistics(bounds[:, ::-1] if invert else bounds, noise, texture, cell, stands_out, padding=padding)


def percentile_range(image: NDArray[Any], config: NormalizationConfig) -> NDArray[np.float64]:
    """The two percentiles of each channel ``(C, *S)``, ``(C, 2)``, without noise estimation, as in other programs."""
    bounds: NDArray[np.float64] = np.percentile(image.reshape(len(image), -1), [config.low, config.high], axis=1).T
    return bounds


def normalized(image: NDArray[Any], config: NormalizationConfig, diameter: float | None = None) -> NDArray[np.float32]:
    """A whole image ``(C, *S)``, normalized by its own statistics; see :func:`measure_intensity`."""
    return measure_intensity(image, config, diameter).normalize(image)


def _without_broken(patch: NDArray[Any], bounds: NDArray[np.float64]) -> NDArray[Any]:
    """Clip values whose squares would overflow; they remain the most extreme."""
    if patch.dtype.kind != "f":
        return patch
    low, high = bounds.T.reshape(2, -1, 1, 1)
    reach = _FARTHEST * np.maximum(high - low, np.maximum(np.abs(low), np.abs(high)))
    with np.errstate(over="ignore"):
        low, high = (low - reach).astype(patch.dtype), (high + reach).astype(patch.dtype)
    if (patch > high).any() or (patch < low).any():
        patch = np.clip(patch, low, high)
    return patch


def _as_plane(patch: NDArray[Any]) -> NDArray[Any]:
    """A volume as vertically stacked planes: noise and blocks are evaluated plane by plane."""
    return patch if patch.ndim == 3 else patch.reshape(len(patch), -1, patch.shape[-1])


def _sampled(patch: NDArray[Any]) -> NDArray[Any]:
    """Evenly spaced bands of rows of a patch that is too large."""
    flat = _as_plane(patch)
    rows, columns = flat.shape[1:]
    if rows * columns <= _PATCH or rows < 512:
        return flat
    band = 256
    wanted = max(1, _PATCH // (columns * band))
    starts = np.linspace(0, rows - band, wanted).astype(int)
    return np.concatenate([flat[:, start : start + band] for start in starts], axis=1)


def _sample_step(count: int, width: int) -> int:
    step = max(1, count // _SAMPLE)
    while math.gcd(step, width) > 1:  # else only some columns would be sampled
        step += 1
    return step


def _standing_out(
    patches: Sequence[NDArray[Any]],
    masks: Sequence[NDArray[np.bool_] | None],
    channel: int,
    middle: float,
    noise: float,
    config: NormalizationConfig,
    diameter: float,
) -> tuple[float | None, float | None]:
    """Typical low and high percentiles of tiles with significantly darker or brighter pixels."""
    dark, bright = [], []
    side = max(16, round(_TILE * diameter))
    for patch, mask in zip(patches, masks, strict=True):
        plane = patch[channel]
        for top in range(0, plane.shape[0], side):
            for left in range(0, plane.shape[1], side):
                window = slice(top, top + side), slice(left, left + side)
                # Every other pixel is sufficient: a tile has many.
                tile = plane[window][::2, ::2].ravel() if mask is None else plane[window][~mask[window]]
                if tile.size < side:
                    continue
                low, center, high = np.percentile(tile, [config.low, 50, config.high])
                slack = _CLEAR * noise + (_trend(plane[window]) if mask is None else 0)
                if high - center > slack:
                    bright.append(high)
                if center - low > slack:
                    dark.append(low)
    return (float(np.median(dark)) if dark else None), (float(np.median(bright)) if bright else None)


def _trend(tile: NDArray[Any]) -> float:
    """The elevation of one end of a tile above its middle by a slope of the background."""
    raised = 0.0
    for axis in (0, 1):
        along = np.moveaxis(tile, axis, 0)
        third = len(along) // 3
        if third:
            raised += 0.75 * abs(float(np.median(along[-third:])) - float(np.median(along[:third])))
    return raised
