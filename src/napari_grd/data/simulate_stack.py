"""Simulated z-stacks: nuclei in a volume, as a confocal microscope shows them plane by plane."""

import math

import numpy as np
from scipy import ndimage

from napari_grd.data.kinds import VOLUME, NucleiKind
from napari_grd.data.shapes import Float, largest_piece, place, radii, smooth_noise
from napari_grd.data.simulate import UInt16, photograph
from napari_grd.errors import ConfigError

_TRIES = 80  # consecutive rejected positions before the volume is considered full


def nuclei_stack(
    rng: np.random.Generator,
    shape: tuple[int, int, int] = (32, 128, 128),
    count: int | None = None,
    *,
    kind: NucleiKind = VOLUME,
    spacing: float = 2.0,
    blur_z: float = 2.5,
    fading: float = 0.5,
    missing: int = 0,
) -> tuple[UInt16, UInt16]:
    """A z-stack of nuclei, many of them touching, also from above and below.

    Deeper planes are darker, light spreads further along z than within a plane, and planes can be missing.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same stack.
    shape : (int, int, int)
        Planes, rows and columns.
    count : int, optional
        Nuclei wanted; default: as many as is usual for the kind. Fewer are drawn where no more fit.
    kind : NucleiKind
        Size in pixels of a plane, density (``pixels_each`` are voxels), brightness and texture.
    spacing : float
        Distance of planes in pixels of a plane.
    blur_z : float
        Sigma of the lens along z in pixels of a plane; within a plane that of the kind.
    fading : float
        Share of the light that the deepest plane has lost, 0 to 1.
    missing : int
        Planes without specimen, at random places; the labels show the nuclei nevertheless.

    Returns
    -------
    image, labels : (D, H, W) uint16
        Labels are consecutive from 1, 0 is background; each is one piece.

    Raises
    ------
    ConfigError
        If the shape or a number is impossible.

    Examples
    --------
    >>> image, labels = nuclei_stack(np.random.default_rng(0), (16, 64, 64), 3)
    >>> int(labels.max()), image.shape
    (3, (16, 64, 64))
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ConfigError(f"The shape {shape} cannot be drawn.", "Pass three positive sizes.")
    if not (0 <= fading < 1 and spacing > 0 and 0 <= missing < shape[0]):
        raise ConfigError(
            f"fading is {fading}, spacing {spacing}, missing {missing} of {shape[0]} planes.",
            "Fading is a share below 1, spacing above 0, and at least one plane remains.",
        )
    wanted = max(1, round(math.prod(shape) / kind.pixels_each)) if count is None else count
    stretch = (spacing, 1.0, 1.0)
    labels, signal = _specimen(rng, shape, wanted, kind, stretch)
    signal *= (1 - fading * np.linspace(0, 1, shape[0]))[:, None, None]
    blurred = ndimage.gaussian_filter1d(signal, blur_z / spacing, axis=0)
    blurred[rng.choice(shape[0], missing, replace=False)] = 0
    return photograph(
        rng, blurred, (0.0, kind.blur, kind.blur), glow=kind.glow, shading=kind.shading, background=kind.background
    ), labels


def _specimen(
    rng: np.random.Generator, shape: tuple[int, int, int], count: int, kind: NucleiKind, stretch: tuple[float, ...]
) -> tuple[UInt16, Float]:
    """Labels and light of ellipsoids that touch, but do not overlap."""
    labels = np.zeros(shape, np.uint16)
    signal = np.zeros(shape)
    bend = 0.07 * smooth_noise(rng, shape, kind.radius / 2.2 / np.asarray(stretch))
    chromatin = smooth_noise(rng, shape, np.array([1.2 / stretch[0], 1.2, 1.2]))
    centers: list[Float] = []
    refused = 0
    while len(centers) < count and refused < _TRIES:
        size = kind.radius * rng.lognormal(0.0, kind.size_spread)
        center = place(rng, shape, centers, 2 * kind.radius / np.asarray(stretch), kind.clumped)
        reach = 1.5 * size * math.sqrt(kind.elongation)
        box = tuple(
            slice(max(0, math.floor(middle - reach / step)), max(0, math.ceil(middle + reach / step)))
            for middle, step in zip(center, stretch, strict=True)
        )
        depth = 1 - radii(rng, box, labels[box].shape, center, size, stretch, kind.elongation) - bend[box]
        inside = largest_piece(depth > 0)
        free = inside & (labels[box] == 0)
        if free.sum() < max(20, 0.85 * inside.sum()) or ndimage.label(free)[1] > 1:
            refused += 1
            continue
        refused = 0
        centers.append(center)
        labels[box][free] = len(centers)
        brightness = kind.brightness * rng.lognormal(0.0, kind.brightness_spread)
        texture = np.clip(1 + 0.2 * kind.texture * chromatin[box], 0.3, None)
        signal[box] = np.where(free, brightness * texture * np.clip(depth, 0, None) ** 0.22, signal[box])
    return labels, signal
