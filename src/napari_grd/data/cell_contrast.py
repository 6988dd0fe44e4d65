"""Random appearance of given cells: filled, phase contrast, membranes, relief, sheaths; with background and debris.

Nearly all kinds of contrast are a function of the distance from the border, positive inside: filled cells are a step,
membranes a ridge at 0, phase contrast a dark inside with a bright ridge outside. So they mix and vary as functions do.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.data.cell_shapes import Float32, Layout, depth
from napari_grd.data.shapes import fast_noise

KINDS = {"filled": 0.38, "phase": 0.22, "membranes": 0.17, "relief": 0.07, "any": 0.16}
"""Kinds of contrast and how often they are drawn; cells with a sheath have their own."""


@dataclass(frozen=True)
class _Cells:
    """Maps of the objects that appearances are functions of."""

    labels: NDArray[np.int32]
    inside: Float32  # 0 or 1
    depth: Float32  # pixels from the border; 0 outside
    distance: Float32  # the same, and negative outside
    diameter: float
    sheath: Float32

    @property
    def count(self) -> int:
        return int(self.labels.max())

    def each(self, values: NDArray[np.float64], background: float = 0.0) -> Float32:
        """One value for each object, at its pixels."""
        image: Float32 = np.concatenate([[background], values]).astype(np.float32)[self.labels]
        return image


def random_contrast(rng: np.random.Generator, layout: Layout, diameter: float) -> Float32:
    """Light from a layout: the background is about 0, and objects differ from it by about 1.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    layout : Layout
        The objects.
    diameter : float
        Their typical diameter in pixels.

    Returns
    -------
    (H, W) float32
        May be negative.
    """
    labels = layout.labels
    deep = depth(labels)
    if labels.any():
        outside = ndimage.distance_transform_edt(labels == 0).astype(np.float32)
    else:
        outside = np.full(labels.shape, max(labels.shape), np.float32)
    cells = _Cells(
        labels,
        (labels > 0).astype(np.float32),
        deep,
        np.where(labels > 0, deep, np.float32(0.5) - outside),
        diameter,
        layout.sheath.astype(np.float32),
    )
    kind = "sheaths" if layout.sheath.any() else str(rng.choice(list(KINDS), p=np.array(list(KINDS.values()))))
    texture = _texture(rng, cells)
    draw = {"filled": _filled, "phase": _phase, "membranes": _membranes, "relief": _relief, "any": _any}
    light = _sheaths(rng, cells, texture) if kind == "sheaths" else draw[kind](rng, cells, texture)
    return light + _background(rng, cells) + _debris(rng, cells)


def _filled(rng: np.random.Generator, cells: _Cells, texture: Float32) -> Float32:
    """Stained bodies: flat, or brighter where they are thicker; bright, or dark as when they absorb."""
    slope = math.exp(rng.uniform(math.log(0.02), math.log(0.3))) * cells.diameter
    profile = (1 - np.exp(-cells.depth / slope)) * cells.inside
    bright = cells.each(_brightness(rng, cells))
    light = bright * profile * np.clip(1 + texture, 0.05, None)
    if rng.random() < 0.4:  # border lines of touching cells
        light *= 1 + rng.uniform(-0.8, 1.0) * _ridge(cells, 0, rng.uniform(0.6, 1.5))
    if rng.random() < 0.3:
        light *= 1 + rng.uniform(-0.9, 1.5) * _nucleus(rng, cells)
    if rng.random() < 0.2:  # cloudy cytoplasm around stained nuclei
        cloud = np.exp(np.minimum(cells.distance, 0) / (rng.uniform(0.1, 0.6) * cells.diameter)) * (1 - cells.inside)
        light += rng.uniform(0.05, 0.4) * cloud * np.clip(1 + 0.5 * fast_noise(rng, light.shape, 3.0), 0, None)
    return _either_way(rng, light, 0.66)


def _phase(rng: np.random.Generator, cells: _Cells, texture: Float32) -> Float32:
    """Phase contrast: an inside of any tone, a halo outside, a line on the border, grains; some cells round up."""
    width = rng.uniform(0.02, 0.06) * cells.diameter + 0.4
    inside = _one_of(
        rng, [rng.uniform(-1, -0.2), rng.uniform(-0.2, 0.2), rng.uniform(0.2, 0.8)], odds=[0.45, 0.4, 0.15]
    )
    levels = inside + rng.uniform(0, 0.3) * rng.normal(size=cells.count)
    halo = rng.uniform(0.1, 1.0) * _ridge(cells, -1.2 * width, width)
    far = rng.uniform(0, 0.25) * np.exp(np.minimum(cells.distance, 0) / (0.3 * cells.diameter)) * (1 - cells.inside)
    line = rng.uniform(-0.8, 0.2) * _ridge(cells, width * rng.uniform(0, 1.2), 0.8 * width)
    uneven = np.clip(1 + 0.4 * fast_noise(rng, halo.shape, 0.3 * cells.diameter), 0.1, None)
    light = cells.each(levels) + (halo + line) * uneven + far + rng.uniform(0.3, 1.0) * texture
    if rng.random() < 0.4:
        light += rng.uniform(-0.5, 0.5) * _nucleus(rng, cells)
    if rng.random() < 0.5:  # cells that round up before they divide: bright, with a strong halo
        rounded = cells.each((rng.random(cells.count) < rng.uniform(0.02, 0.3)).astype(float))
        light += rounded * rng.uniform(0.5, 1.5) * (1 - np.exp(-cells.depth / (0.2 * cells.diameter)))
    return _either_way(rng, light, 0.9)


def _membranes(rng: np.random.Generator, cells: _Cells, texture: Float32) -> Float32:
    """Only the borders, bright or dark; inside as outside, or nearly so."""
    width = rng.uniform(0.02, 0.07) * cells.diameter + 0.5
    line = _ridge(cells, rng.uniform(-0.5, 1.0) * width, width)
    line *= np.clip(1 + rng.uniform(0, 0.5) * fast_noise(rng, line.shape, 0.25 * cells.diameter), 0.1, None)
    line *= cells.each(rng.lognormal(0, rng.uniform(0, 0.3), cells.count), 1.0)
    offset = _one_of(rng, [0.0, rng.uniform(-0.3, 0.3)])
    light = line + offset * cells.inside + rng.uniform(0, 0.4) * texture
    if rng.random() < 0.4:  # organelles within
        light += rng.uniform(-0.4, 0.8) * _nucleus(rng, cells)
    return _either_way(rng, light, 0.65)


def _relief(rng: np.random.Generator, cells: _Cells, texture: Float32) -> Float32:
    """Differential interference contrast: lit from one side."""
    slope = rng.uniform(0.05, 0.3) * cells.diameter
    height = slope * (1 - np.exp(-cells.depth / slope)) * cells.inside * cells.each(_brightness(rng, cells))
    height = ndimage.gaussian_filter(height * (1 + 0.3 * texture), 0.8)
    angle = rng.uniform(0, 2 * math.pi)
    dy, dx = (ndimage.correlate1d(height, [-0.5, 0, 0.5], axis=axis, mode="nearest") for axis in (0, 1))
    light: Float32 = math.cos(angle) * dy + math.sin(angle) * dx + rng.uniform(-0.4, 0.4) * cells.inside
    light += rng.uniform(0, 0.2) * texture
    return light


def _sheaths(rng: np.random.Generator, cells: _Cells, texture: Float32) -> Float32:
    """Axons: a sheath of one tone, an inside of another, tissue of any tone around."""
    sheath, inside, around = 1.0, rng.uniform(-0.2, 0.4), rng.uniform(-0.2, 0.8)
    light = sheath * cells.sheath * np.clip(1 + 0.15 * fast_noise(rng, cells.inside.shape, 2.0), 0, None)
    light += inside * cells.inside * cells.each(_brightness(rng, cells)) * np.clip(1 + texture, 0, None)
    clouds = 1 + rng.uniform(0, 0.8) * fast_noise(rng, light.shape, rng.uniform(0.1, 0.6) * cells.diameter)
    light += around * (1 - cells.sheath - cells.inside) * np.clip(clouds, 0, None)
    light -= rng.uniform(0, 0.5) * _ridge(cells, 0, 0.8)
    return _either_way(rng, light, 0.65)


def _any(rng: np.random.Generator, cells: _Cells, texture: Float32) -> Float32:
    """A random function of the distance from the border, the background its last value."""
    knots = np.array([-0.5, -0.25, -0.12, -0.05, 0.0, 0.05, 0.12, 0.25, 0.5]) * cells.diameter
    values = rng.normal(0, 0.6, len(knots))
    values[:2] = 0, _one_of(rng, [0.0, values[1]])
    if np.abs(values[3:7]).max() < 0.4:
        values[4 + rng.integers(0, 3)] = _one_of(rng, [-1.0, 1.0])
    light = np.interp(cells.distance, knots, values).astype(np.float32)
    light *= cells.each(_brightness(rng, cells), 1.0)
    return light + rng.uniform(0, 0.6) * texture


def _either_way(rng: np.random.Generator, light: Float32, odds: float) -> Float32:
    """As it is, or the negative."""
    return light if rng.random() < odds else np.negative(light)


def _one_of(rng: np.random.Generator, values: list[float], odds: list[float] | None = None) -> float:
    # As a plain number: one of numpy would turn the images it is multiplied with into float64.
    return float(rng.choice(values, p=odds))


def _brightness(rng: np.random.Generator, cells: _Cells) -> NDArray[np.float64]:
    spread = math.exp(rng.uniform(math.log(0.03), math.log(0.6)))
    values: NDArray[np.float64] = np.clip(rng.lognormal(0, spread, cells.count), 0.25, 4)
    return values


def _ridge(cells: _Cells, position: float, width: float) -> Float32:
    """A line at a distance from the border, negative outside."""
    ridge: Float32 = np.exp(-(((cells.distance - np.float32(position)) / np.float32(width)) ** 2))
    return ridge


def _nucleus(rng: np.random.Generator, cells: _Cells) -> Float32:
    """1 in the innermost part of each object that has one."""
    most = ndimage.maximum(cells.depth, cells.labels, np.arange(1, cells.count + 1)) if cells.count else np.zeros(0)
    least = rng.uniform(0.3, 0.8)
    has = rng.random(cells.count) < _one_of(rng, [1.0, rng.uniform(0.3, 1.0)])
    share = cells.depth / np.maximum(cells.each(np.asarray(most), 1.0), 1)
    return cells.each(has.astype(float)) * np.clip((share - least) / 0.15, 0, 1).astype(np.float32)


def _texture(rng: np.random.Generator, cells: _Cells) -> Float32:
    """Structure within objects, about 0 on average: smooth or fine grain, spots, a slope across each object."""
    shape = cells.labels.shape
    texture = np.zeros(shape, np.float32)
    strength = math.exp(rng.uniform(math.log(0.02), math.log(0.5)))
    for scale in (rng.uniform(0.5, 1.5), rng.uniform(0.06, 0.2) * cells.diameter):
        texture += rng.uniform(0, strength) * fast_noise(rng, shape, scale)
    if rng.random() < 0.45:  # granules, vacuoles, nucleoli
        size = rng.uniform(0.02, 0.1) * cells.diameter + 0.3
        each = rng.uniform(0.5, 12)  # spots in an object
        spots = _spots(rng, shape, each / (0.25 * math.pi * cells.diameter**2), size)
        texture += _one_of(rng, [-1.0, 1.0]) * rng.uniform(0.2, 1.0) * spots
    if rng.random() < 0.2 and cells.count:
        numbers = cells.labels.ravel()
        sizes = np.maximum(np.bincount(numbers), 1)
        tilt = np.zeros(shape)
        for grid, slope in zip(np.indices(shape), rng.uniform(-1, 1, (2, cells.count + 1)), strict=True):
            middle = np.bincount(numbers, grid.ravel()) / sizes
            tilt += slope[cells.labels] * (grid - middle[cells.labels]) / cells.diameter
        texture += tilt.astype(np.float32)
    return texture * cells.inside


def _spots(rng: np.random.Generator, shape: tuple[int, ...], density: float, size: float) -> Float32:
    """Gaussian spots of height 0.3 to 1; ``density`` is their number in a pixel."""
    count = rng.poisson(density * math.prod(shape))
    points = np.zeros(shape, np.float32)
    points[rng.integers(0, shape[0], count), rng.integers(0, shape[1], count)] = rng.uniform(0.3, 1, count)
    spots: Float32 = ndimage.gaussian_filter(points, size) * np.float32(2 * math.pi * size**2)
    return np.minimum(spots, 1.5)


def _background(rng: np.random.Generator, cells: _Cells) -> Float32:
    """Unevenness under everything: none, clouds, or a texture of its own."""
    shape = cells.labels.shape
    strength = _one_of(rng, [0.02, rng.uniform(0.02, 0.15), rng.uniform(0.1, 0.35)], odds=[0.4, 0.4, 0.2])
    light = strength * fast_noise(rng, shape, rng.uniform(0.5, 3) * cells.diameter)
    light += 0.6 * strength * rng.random() * fast_noise(rng, shape, rng.uniform(0.04, 0.3) * cells.diameter)
    if rng.random() < 0.12:  # objects far out of focus
        blurred = rng.uniform(0.3, 0.8) * cells.diameter
        light += (
            _one_of(rng, [-1.0, 1.0]) * rng.uniform(0.1, 0.4) * _spots(rng, shape, 0.2 / cells.diameter**2, blurred)
        )
    return light


def _debris(rng: np.random.Generator, cells: _Cells) -> Float32:
    """What is no object: specks, much smaller than objects, and scratches."""
    shape = cells.labels.shape
    light = np.zeros(shape, np.float32)
    if rng.random() < 0.35:
        density = math.exp(rng.uniform(math.log(0.05), math.log(0.8))) / cells.diameter**2
        specks = _spots(rng, shape, density, rng.uniform(0.02, 0.08) * cells.diameter + 0.3)
        if rng.random() < 0.3:  # with a ring around
            specks -= 0.5 * ndimage.gaussian_filter(specks, 0.06 * cells.diameter + 0.5)
        light += _one_of(rng, [-1.0, 1.0]) * rng.uniform(0.3, 1.5) * specks
    if rng.random() < 0.04:
        angle, y, x = rng.uniform(0, math.pi), rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        rows, cols = np.ogrid[: shape[0], : shape[1]]
        across = math.cos(angle) * (rows - y) + math.sin(angle) * (cols - x)
        light += rng.uniform(-1, 1) * np.exp(-((across / rng.uniform(0.6, 2)) ** 2)).astype(np.float32)
    return light
