"""Positions and outlines of synthetic objects."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

Float = NDArray[np.float64]


def place(
    rng: np.random.Generator, shape: tuple[int, ...], centers: list[Float], reach: Float, clumped: float = 0.25
) -> Float:
    """A random center; a share ``clumped`` is about ``reach`` (pixels along each axis) away from an earlier one."""
    if centers and rng.random() < clumped:
        direction = rng.normal(size=len(shape))
        direction /= np.linalg.norm(direction)
        near = centers[rng.integers(len(centers))] + rng.uniform(0.8, 1.2) * reach * direction
        if all(0 <= coordinate < size for coordinate, size in zip(near, shape, strict=True)):
            return near
    return rng.uniform(0, shape)


def radii(
    rng: np.random.Generator,
    box: tuple[slice, ...],
    box_shape: tuple[int, ...],
    center: Float,
    size: float,
    stretch: tuple[float, ...],
    longest: float = 1.9,
) -> Float:
    """Distance of a box's pixels from a center, in units of the half axes of a randomly rotated ellipsoid.

    ``size`` is the mean half axis, ``stretch`` the length of a pixel along each axis, ``longest`` the maximum ratio of
    length to width.
    """
    ndim = len(box_shape)
    elongation = rng.uniform(1.0, longest)
    half_axes = np.full(ndim, size / elongation ** (1 / ndim))
    half_axes[0] *= elongation
    turn, _ = np.linalg.qr(rng.normal(size=(ndim, ndim)))
    grid = np.indices(box_shape, dtype=np.float64)
    starts = np.array([part.start for part in box])
    relative = np.moveaxis(grid, 0, -1) + (starts - center)
    distance: Float = np.linalg.norm((relative * stretch) @ turn / half_axes, axis=-1)
    return distance


def largest_piece(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected component: bending an outline can separate small fragments."""
    pieces, count = ndimage.label(mask)
    if count < 2:
        return mask
    largest: NDArray[np.bool_] = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    return largest


def even_points(rng: np.random.Generator, shape: tuple[int, int], count: int) -> Float:
    """At least two well-separated points: of a few candidates, each time the one farthest from the others."""
    points = rng.uniform(0, shape, size=(max(count, 2), 2))
    for placed in range(1, len(points)):
        candidates = rng.uniform(0, shape, size=(4, 2))
        points[placed] = candidates[np.argmax(cdist(candidates, points[:placed]).min(axis=1))]
    return points


def curved_voronoi(
    rng: np.random.Generator, shape: tuple[int, int], seeds: Float
) -> tuple[NDArray[np.intp], NDArray[np.intp], Float, Float]:
    """For each pixel its cell, the second nearest cell, the distance to its cell's seed and to their border."""
    grid = np.indices(shape, dtype=np.float64)
    spacing = math.sqrt(math.prod(shape) / len(seeds))
    # A deformation of space bends the straight edges of the Voronoi diagram.
    bend = 0.09 * spacing * np.stack([smooth_noise(rng, shape, spacing / 4) for _ in shape])
    distance, index = cKDTree(seeds).query(np.moveaxis(grid + bend, 0, -1), k=2)
    cell, neighbor = np.moveaxis(index, -1, 0)
    near, far = np.moveaxis(distance, -1, 0)
    # The distance to the bisecting line: half of (far - near) would smear lines that far-off, close seeds share.
    to_border = (far**2 - near**2) / (2 * np.linalg.norm(seeds[cell] - seeds[neighbor], axis=-1))
    return cell, neighbor, near, to_border


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float | Float) -> Float:
    """Smooth noise of mean 0 and standard deviation 1."""
    field = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    field -= field.mean()
    normed: Float = field / max(float(field.std()), 1e-12)
    return normed


def fast_noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> NDArray[np.float32]:
    """Smooth noise in a plane, the faster the smoother.

    Mean 0 and standard deviation 1 are those of many draws; one draw of few blobs has its own.
    """
    if sigma < 1.5:
        white = rng.standard_normal(shape, dtype=np.float32)
        fine = np.asarray(ndimage.gaussian_filter(white, sigma, mode="wrap"), np.float32)
        return fine * np.float32(1 / max(float(fine.std()), 1e-6))
    rows, cols = (_bumps(size, sigma) for size in shape)
    coarse = rng.standard_normal((rows.shape[1], cols.shape[1]), dtype=np.float32)
    return np.asarray(rows @ coarse @ cols.T, np.float32)


def _bumps(size: int, sigma: float) -> NDArray[np.float32]:
    """Gaussians around every sigma-th pixel, (size, bumps); rows of unit length, so that noise keeps its deviation."""
    points = np.arange(-3, math.ceil(size / sigma) + 4) * sigma
    basis = np.exp(-0.5 * ((np.arange(size)[:, None] - points) / sigma) ** 2)
    bumps: NDArray[np.float32] = (basis / np.linalg.norm(basis, axis=1, keepdims=True)).astype(np.float32)
    return bumps
