"""A synthetic time-lapse: nuclei that drift, push each other aside and divide."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.data.shapes import Float, even_points, largest_piece, smooth_noise
from napari_grd.data.simulate import UInt16, photograph
from napari_grd.errors import ConfigError

_RADIUS = 12.0
_PIXELS_EACH = 2600
_DAUGHTER = 0.8  # radius of a daughter, in radii of its mother
_PATCH = 64  # side of the texture of a nucleus
_LEAST = 30  # pixels; smaller visible parts of a nucleus are not drawn


@dataclass(frozen=True)
class _Nucleus:
    """One nucleus at one time; lengths in pixels, times in frames."""

    number: int
    center: Float
    velocity: Float
    radius: float
    elongation: float
    angle: float
    waves: Float = field(repr=False)  # amplitude and phase of the outline's harmonics 2, 3 and 4
    texture: Float = field(repr=False)
    brightness: float
    divides: float  # frames until its division


def nuclei_timelapse(
    rng: np.random.Generator, shape: tuple[int, int, int] = (20, 256, 256), count: int | None = None
) -> tuple[UInt16, UInt16]:
    """Fluorescent nuclei that move and divide.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same series.
    shape : (int, int, int)
        Frames, height and width.
    count : int, optional
        Nuclei in the first frame, by default one for every 2600 pixels.

    Returns
    -------
    image, labels : (T, H, W) uint16
        A nucleus keeps its label from its first to its last frame; its
        daughters get new ones. Each is one piece in every frame, 0 is background.

    Raises
    ------
    ConfigError
        If the shape or the count is impossible.

    Examples
    --------
    >>> image, labels = nuclei_timelapse(np.random.default_rng(0), (3, 96, 96))
    >>> image.shape, bool(set(np.unique(labels[0])) & set(np.unique(labels[2])) - {0})
    ((3, 96, 96), True)
    """
    if len(shape) != 3 or min(shape) < 1:
        raise ConfigError(f"The shape {shape} cannot be drawn.", "Pass frames, height and width, all positive.")
    frames, plane = shape[0], shape[1:]
    if count is None:
        count = max(2, round(math.prod(plane) / _PIXELS_EACH))
    if count < 2:
        raise ConfigError(f"A series of {count} nuclei cannot be drawn.", "Ask for at least 2.")
    nuclei = [_born(rng, number, center, frames) for number, center in enumerate(even_points(rng, plane, count), 1)]
    born = len(nuclei)
    image, labels = np.zeros(shape, np.uint16), np.zeros(shape, np.uint16)
    for frame in range(frames):
        if frame:
            nuclei = _moved(rng, nuclei, plane)
            nuclei, born = _divided(rng, nuclei, born, frames)
        signal, labels[frame] = _drawn(nuclei, plane)
        image[frame] = photograph(rng, signal, (0.9, 0.9))
    return image, labels


def _born(rng: np.random.Generator, number: int, center: Float, frames: int, radius: float | None = None) -> _Nucleus:
    return _Nucleus(
        number=number,
        center=np.asarray(center, float),
        velocity=rng.normal(0, 0.6, 2),
        radius=_RADIUS * rng.lognormal(0.0, 0.12) if radius is None else radius,
        elongation=rng.uniform(1.05, 1.6),
        angle=rng.uniform(0, math.pi),
        waves=np.stack([rng.uniform(0, 0.06, 3), rng.uniform(0, 2 * math.pi, 3)]),
        texture=0.8 * smooth_noise(rng, (_PATCH, _PATCH), 1.1) + 0.6 * smooth_noise(rng, (_PATCH, _PATCH), 2.5),
        brightness=420 * rng.lognormal(0.0, 0.2),
        divides=rng.exponential(2.5 * frames) + 4,
    )


def _moved(rng: np.random.Generator, nuclei: list[_Nucleus], plane: tuple[int, ...]) -> list[_Nucleus]:
    centers = np.stack([nucleus.center for nucleus in nuclei])
    moved = []
    for nucleus in nuclei:
        away = nucleus.center - centers
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        close = (distance > 0) & (distance < 2.2 * _RADIUS)
        push = np.where(close, away / np.maximum(distance, 1e-6) * (2.2 * _RADIUS - distance), 0).sum(axis=0)
        velocity = 0.8 * nucleus.velocity + rng.normal(0, 0.5, 2) + 0.08 * push
        center = nucleus.center + velocity
        out = (center < 0) | (center > np.asarray(plane) - 1)
        moved.append(
            replace(
                nucleus,
                center=np.clip(center, 0, np.asarray(plane) - 1),
                velocity=np.where(out, -velocity, velocity),
                radius=min(nucleus.radius * 1.015, max(nucleus.radius, _RADIUS)),  # daughters grow
                angle=nucleus.angle + rng.normal(0, 0.04),
                divides=nucleus.divides - 1,
            )
        )
    return moved


def _divided(rng: np.random.Generator, nuclei: list[_Nucleus], born: int, frames: int) -> tuple[list[_Nucleus], int]:
    after: list[_Nucleus] = []
    for nucleus in nuclei:
        if nucleus.divides > 0:
            after.append(nucleus)
            continue
        along = np.array([math.cos(nucleus.angle), math.sin(nucleus.angle)])
        for side in (-1, 1):
            born += 1
            center = nucleus.center + side * _DAUGHTER * nucleus.radius * along
            daughter = _born(rng, born, center, frames, _DAUGHTER * nucleus.radius)
            after.append(replace(daughter, velocity=1.5 * side * along))
    return after, born


def _drawn(nuclei: list[_Nucleus], plane: tuple[int, ...]) -> tuple[Float, UInt16]:
    signal, labels = np.zeros(plane), np.zeros(plane, np.uint16)
    for nucleus in nuclei:
        low = np.maximum(np.floor(nucleus.center - 2 * nucleus.radius).astype(int), 0)
        high = np.minimum(np.ceil(nucleus.center + 2 * nucleus.radius).astype(int) + 1, plane)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        depth, texture = _profile(nucleus, box)
        inside = largest_piece((depth > 0) & (labels[box] == 0))
        if inside.sum() < _LEAST:
            continue
        labels[box][inside] = nucleus.number
        # Chromatin condenses before a division: small grains, much light.
        condensed = 1.8 if nucleus.divides < 2 else 1.0
        signal[box] += condensed * nucleus.brightness * texture * np.clip(depth, 0, None) ** 0.22 * inside
    return signal, labels


def _profile(nucleus: _Nucleus, box: tuple[slice, ...]) -> tuple[Float, Float]:
    """Depth below the outline (1 in the middle, 0 at the rim) and texture of a box's pixels."""
    grid = np.stack(np.meshgrid(*(np.arange(part.start, part.stop) for part in box), indexing="ij"), axis=-1)
    relative = grid - nucleus.center
    turn = np.array(
        [
            [math.cos(nucleus.angle), -math.sin(nucleus.angle)],
            [math.sin(nucleus.angle), math.cos(nucleus.angle)],
        ]
    )
    own: NDArray[np.float64] = relative @ turn  # in the nucleus' own axes, the first of which is the long one
    stretched = own / (nucleus.radius * np.array([nucleus.elongation**0.5, nucleus.elongation**-0.5]))
    direction = np.arctan2(stretched[..., 1], stretched[..., 0])
    amplitudes, phases = nucleus.waves
    rim = 1 + sum(
        amplitude * np.cos(order * direction + phase)
        for order, amplitude, phase in zip((2, 3, 4), amplitudes, phases, strict=True)
    )
    depth = 1 - np.linalg.norm(stretched, axis=-1) / rim
    grains = ndimage.map_coordinates(nucleus.texture, np.moveaxis(own + _PATCH / 2, -1, 0), order=1, mode="grid-wrap")
    return depth, np.clip(1 + 0.16 * grains, 0.3, None)
