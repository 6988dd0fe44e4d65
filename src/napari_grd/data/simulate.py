"""Synthetic microscopy with known instances, for tests, demos and first steps.

Objects are drawn, lit unevenly, blurred by a lens and counted by a camera::

    shapes -> brightness, texture -> out-of-focus glow, blur -> photons -> read noise -> uint16

The images do not replace real ones: they show that a pipeline works.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import measure

from napari_grd.data.kinds import CULTURE, VOLUME, NucleiKind
from napari_grd.data.shapes import (
    Float,
    curved_voronoi,
    even_points,
    largest_piece,
    place,
    radii,
    smooth_noise,
)
from napari_grd.errors import ConfigError

UInt16 = NDArray[np.uint16]

_OFFSET = 110.0  # dark level of the camera
_READ_NOISE = 3.0
_TRIES = 60  # consecutive rejected positions before the plane is considered full


def nuclei_2d(
    rng: np.random.Generator,
    shape: tuple[int, int] = (256, 256),
    count: int | None = None,
    *,
    kind: NucleiKind = CULTURE,
) -> tuple[UInt16, UInt16]:
    """Fluorescent nuclei, some of them touching, on a dark background.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same image.
    shape : (int, int)
        Height and width in pixels.
    count : int, optional
        Nuclei wanted, by default as many as is usual for the kind (one for every
        2200 pixels). Fewer are drawn where no more fit.
    kind : NucleiKind
        Size, density, brightness, texture and what the microscope does to them,
        e.g. one of :data:`~napari_grd.data.kinds.NUCLEI`.

    Returns
    -------
    image, labels : (H, W) uint16
        Labels are consecutive from 1, 0 is background; each is one piece.

    Raises
    ------
    ConfigError
        If the shape or the count is impossible.

    Examples
    --------
    >>> image, labels = nuclei_2d(np.random.default_rng(0), (128, 128), count=5)
    >>> int(labels.max()), image.shape
    (5, (128, 128))
    """
    return _nuclei(rng, shape, count, kind, stretch=(1.0, 1.0), lens=(1.0, 1.0))


def nuclei_3d(
    rng: np.random.Generator, shape: tuple[int, int, int] = (32, 96, 96), count: int | None = None
) -> tuple[UInt16, UInt16]:
    """Fluorescent nuclei in a volume, with a stronger blur along z, as in a microscope.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same volume.
    shape : (int, int, int)
        Size in pixels along z, y and x; a pixel is twice as long in z.
    count : int, optional
        Nuclei wanted, by default one for every 9000 pixels. Fewer are drawn
        where no more fit.

    Returns
    -------
    image, labels : (D, H, W) uint16
        Labels are consecutive from 1, 0 is background; each is one piece.

    Raises
    ------
    ConfigError
        If the shape or the count is impossible.

    Examples
    --------
    >>> image, labels = nuclei_3d(np.random.default_rng(0), (16, 64, 64), count=3)
    >>> int(labels.max())
    3
    """
    return _nuclei(rng, shape, count, VOLUME, stretch=(2.0, 1.0, 1.0), lens=(1.25, 1.0, 1.0))


def cells_2d(
    rng: np.random.Generator,
    shape: tuple[int, int] = (256, 256),
    count: int | None = None,
    *,
    border: Literal["bright", "dark"] | None = None,
    gaps: float = 0.08,
) -> tuple[UInt16, UInt16]:
    """A sheet of touching cells, separated by their borders.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same image.
    shape : (int, int)
        Height and width in pixels.
    count : int, optional
        Cells wanted, at least two; by default one for every 900 pixels. Gaps,
        and cells too small to own a pixel, take from it.
    border : {"bright", "dark"}, optional
        Bright as with a membrane stain, or dark. Drawn if not given.
    gaps : float
        Share of the cells that is missing and shows background; 0 for labels
        without background.

    Returns
    -------
    image, labels : (H, W) uint16
        Labels are consecutive from 1, 0 is background; each is one piece.

    Raises
    ------
    ConfigError
        If the shape or the count is impossible, or ``gaps`` is not in [0, 1].

    Examples
    --------
    >>> image, labels = cells_2d(np.random.default_rng(0), (96, 96), gaps=0)
    >>> bool((labels > 0).all())
    True
    """
    count = _checked_count(shape, count, ndim=2, pixels_each=900)
    if not 0 <= gaps <= 1:
        raise ConfigError(f"gaps is a share of the cells, got {gaps}.", "Use a number from 0 to 1.")
    if border is None:
        border = "bright" if rng.random() < 0.5 else "dark"
    seeds = even_points(rng, shape, count)
    cell, neighbor, to_center, to_border = curved_voronoi(rng, shape, seeds)
    spacing = math.sqrt(math.prod(shape) / len(seeds))

    present = rng.random(len(seeds)) >= gaps
    brightness = rng.lognormal(0.0, 0.18, len(seeds))
    nucleus = np.exp(-((to_center / (0.27 * spacing)) ** 4))
    grain = 1 + 0.10 * smooth_noise(rng, shape, 1.2) + 0.15 * smooth_noise(rng, shape, 5.0)
    line = np.exp(-((to_border / 1.6) ** 2)) * np.clip(1 + 0.35 * smooth_noise(rng, shape, 6.0), 0.2, None)
    filled = present[cell]
    if border == "bright":
        inside = 260 * brightness[cell] * grain * (0.8 - 0.35 * nucleus)
        signal = np.where(filled, inside, 25 * grain) + 620 * line * (filled | present[neighbor])
    else:
        inside = 260 * brightness[cell] * grain * (1.4 + 0.5 * nucleus)
        signal = np.where(filled, inside * (1 - 0.8 * np.minimum(line, 1)), 25 * grain)
    # The frame can divide a bent cell: its visible parts are two objects.
    labels = measure.label(np.where(filled, cell + 1, 0)).astype(np.uint16)  # type: ignore[no-untyped-call]
    return photograph(rng, signal, blur=(0.9, 0.9)), labels


def _nuclei(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    count: int | None,
    kind: NucleiKind,
    *,
    stretch: tuple[float, ...],
    lens: tuple[float, ...],
) -> tuple[UInt16, UInt16]:
    """Nuclei of a kind; ``stretch`` is the length of a pixel along each axis, ``lens`` how much more it is blurred."""
    count = _checked_count(shape, count, ndim=len(stretch), pixels_each=kind.pixels_each)
    labels = np.zeros(shape, np.uint16)
    signal = np.zeros(shape)
    # One random field bends all outlines, another one adds texture: objects are not ellipses.
    bend = 0.09 * smooth_noise(rng, shape, kind.radius / 2.2 / np.asarray(stretch))
    chromatin = 0.8 * smooth_noise(rng, shape, 1.1) + 0.6 * smooth_noise(rng, shape, 2.5)
    centers: list[Float] = []
    refused = 0
    while len(centers) < count and refused < _TRIES:
        condensed = rng.random() < 0.06  # about to divide, or dying: small and bright
        size = kind.radius * rng.lognormal(0.0, kind.size_spread) * (0.55 if condensed else 1.0)
        center = place(rng, shape, centers, 2 * kind.radius / np.asarray(stretch), kind.clumped)
        # The longest half axis, bent outwards, must fit.
        reach = size * max(2.0, 1.35 * math.sqrt(kind.elongation))
        box = tuple(
            slice(max(0, math.floor(middle - reach / step)), max(0, math.ceil(middle + reach / step)))
            for middle, step in zip(center, stretch, strict=True)
        )
        depth = 1 - radii(rng, box, labels[box].shape, center, size, stretch, kind.elongation) - bend[box]
        inside = largest_piece(depth > 0)
        free = inside & (labels[box] == 0)
        # A small visible part at the frame or behind a neighbor could not be distinguished from noise.
        if free.sum() < max(12, 0.85 * inside.sum()) or ndimage.label(free)[1] > 1:
            refused += 1
            continue
        refused = 0
        centers.append(center)
        labels[box][free] = len(centers)
        brightness = kind.brightness * rng.lognormal(0.0, kind.brightness_spread) * (2.2 if condensed else 1.0)
        texture = np.clip(1 + kind.texture * rng.uniform(0.1, 0.22) * chromatin[box], 0.3, None)
        # Nuclei are flat pillows: thickness, so brightness, rises fast at the rim. Overlaps add up.
        signal[box] += brightness * texture * np.clip(depth, 0, None) ** 0.22 * inside
    if kind.cytoplasm:
        signal += kind.cytoplasm * np.clip(
            smooth_noise(rng, shape, 12.0) + 0.5 * smooth_noise(rng, shape, 3.0), 0, None
        )
    blur = tuple(kind.blur * factor for factor in lens)
    return photograph(rng, signal, blur, glow=kind.glow, shading=kind.shading, background=kind.background), labels


def _checked_count(shape: tuple[int, ...], count: int | None, *, ndim: int, pixels_each: int) -> int:
    if len(shape) != ndim or min(shape) < 1:
        raise ConfigError(f"The shape {shape} cannot be drawn.", f"Pass {ndim} positive sizes in pixels.")
    if count is None:
        count = max(1, round(math.prod(shape) / pixels_each))
    limit = np.iinfo(np.uint16).max
    if not 0 <= count <= limit:
        raise ConfigError(f"{count} objects cannot be drawn.", f"Ask for 0 to {limit}, the labels are uint16.")
    return count


def photograph(
    rng: np.random.Generator,
    signal: Float,
    blur: tuple[float, ...],
    *,
    glow: float = 0.06,
    shading: float = 0.06,
    background: float = 18.0,
) -> UInt16:
    """Simulate lens and camera.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    signal : (*S) array
        Photons expected at each pixel.
    blur : tuple of float
        Sigma of the lens in pixels of each axis.
    glow : float
        Share of out-of-focus light.
    shading : float
        Maximum relative difference of illumination between center and edge.
    background : float
        Expected photons of the background.
    """
    haze = ndimage.gaussian_filter(signal, (2.0, 14.0, 14.0)[-signal.ndim :])
    steps = [np.linspace(-1, 1, size) for size in signal.shape]
    tilt = sum(
        (rng.uniform(-1, 1) * axis for axis in np.meshgrid(*steps, indexing="ij", sparse=True)), start=np.zeros(())
    )
    light = ndimage.gaussian_filter(signal, blur) * (1 + shading * tilt) + glow * haze + background * (1 + tilt / 3)
    counts = rng.poisson(np.clip(light, 0, None)) + rng.normal(_OFFSET, _READ_NOISE, signal.shape)
    image: UInt16 = np.clip(np.rint(counts), 0, np.iinfo(np.uint16).max).astype(np.uint16)
    return image
