"""Cells of every kind in every kind of contrast, for a model that is to be a good start for any image.

Size, shape, crowding, texture, contrast and camera are drawn at random, within wide limits: to a network that has seen
more variety than microscopes show, a new kind of image is one more variation (domain randomization)::

    cell_shapes -> labels -> cell_contrast -> light -> optics -> noise -> camera -> image
"""

import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_grd.data.cell_contrast import random_contrast
from napari_grd.data.cell_shapes import Float32, Layout, random_layout
from napari_grd.errors import ConfigError

_EMPTY = 0.04  # share of images without an object


def random_cells(
    rng: np.random.Generator,
    shape: tuple[int, int] = (192, 192),
    diameter: float | tuple[float, float] = (16.0, 36.0),
) -> tuple[Float32, NDArray[np.int32]]:
    """A random image of one channel, with its instances.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same image.
    shape : (int, int)
        Height and width in pixels.
    diameter : float, or (float, float)
        Typical diameter of the objects in pixels: of a circle of the same area. Two numbers are a range from which
        it is drawn, evenly in its logarithm.

    Returns
    -------
    image : (H, W) float32
        Intensities of a camera from 0 to 1, not normalized. About one image of 25 has no object.
    labels : (H, W) int32
        Consecutive from 1, 0 is background. Each object is one piece of at least 12 pixels.

    Raises
    ------
    ConfigError
        If the shape or the diameter is impossible.

    Examples
    --------
    >>> image, labels = random_cells(np.random.default_rng(0), (96, 128))
    >>> image.shape, image.dtype.name, labels.dtype.name
    ((96, 128), 'float32', 'int32')
    """
    if len(shape) != 2 or min(shape) < 1:
        raise ConfigError(f"The shape {shape} cannot be drawn.", "Pass 2 positive sizes in pixels.")
    limits = np.atleast_1d(np.asarray(diameter, float))
    low, high = float(limits[0]), float(limits[-1])
    if len(limits) > 2 or not 4 <= low <= high < math.inf:
        raise ConfigError(
            f"Cells of a diameter of {diameter} pixels cannot be drawn.", "Pass at least 4 pixels, or (low, high)."
        )
    typical = math.exp(rng.uniform(math.log(low), math.log(high)))
    if rng.random() < _EMPTY:
        layout = Layout(np.zeros(shape, np.int32), np.zeros(shape, np.bool_))
    else:
        layout = random_layout(rng, shape, typical)
    return _photographed(rng, random_contrast(rng, layout, typical), typical), layout.labels


def _photographed(rng: np.random.Generator, light: Float32, diameter: float) -> Float32:
    """Optics, shading, photons, read noise, tone curve, and what was lost in a file."""
    shape = light.shape
    lens = math.exp(rng.uniform(math.log(0.3), math.log(0.4 + 0.06 * diameter)))
    light = ndimage.gaussian_filter(light, lens)
    light -= light.min() - (
        0.05 if rng.random() < 0.5 else rng.uniform(0, 2)
    )  # a background of light that shows nothing
    if rng.random() < 0.4:
        light *= np.clip(1 + rng.uniform(0.1, 0.7) * _slope(rng, shape), 0.1, None)
    photons = math.exp(rng.uniform(math.log(15), math.log(3000)))
    read = math.exp(rng.uniform(math.log(0.003), math.log(0.12)))
    # Photons and read noise in one draw: a Poisson distribution is a normal one where there are photons to see by.
    noise = np.sqrt(np.clip(light, 0, None) / np.float32(photons) + np.float32(read**2))
    counts = light + noise * rng.standard_normal(shape, dtype=np.float32)
    if rng.random() < 0.3:  # an image that was resampled after it was taken: its noise is smooth
        counts = ndimage.gaussian_filter(counts, rng.uniform(0.4, 1.0))
    if rng.random() < 0.06:  # lines of a scan
        counts += rng.uniform(0.02, 0.12) * rng.standard_normal((shape[0], 1), dtype=np.float32)
    saturated = rng.random() < 0.15
    low, high = np.percentile(counts, [0.1, rng.uniform(96, 99.9) if saturated else 99.95])
    image = np.clip((counts - low) / max(high - low, 1e-6), 0, 1)
    if rng.random() < 0.4:
        image **= math.exp(rng.uniform(-0.5, 0.5))
    if rng.random() < 0.3:
        image = np.rint(image * 255) / np.float32(255)
    elif rng.random() < 0.06:
        image = _compressed(image, int(rng.integers(25, 80)))
    return np.asarray(image, np.float32)


def _slope(rng: np.random.Generator, shape: tuple[int, ...]) -> Float32:
    """Illumination that changes across the field, at most by about 1."""
    y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    a, b, c = rng.uniform(-0.6, 0.6, 3).astype(np.float32)
    slope: Float32 = a * y[:, None] + b * x + c * (y[:, None] ** 2 + x**2)
    return slope


def _compressed(image: Float32, quality: int) -> Float32:
    """The image as JPEG gives it back."""
    file = io.BytesIO()
    Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
    decoded: Float32 = np.asarray(Image.open(file), np.float32) / np.float32(255)
    return decoded
