"""Random training patches of volumes: a location, a geometric map, sections with defects, and a change of intensity.

As in :mod:`napari_grd.data.augment`, one field of source coordinates is used for the volume, the labels and the outputs
of a teacher. A volume whose planes are further apart than its pixels is rotated within its planes only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.config import AugmentConfig
from napari_grd.data.augment import (
    ELASTIC_SPACING,
    ArrayLike,
    Float32,
    Patch,
    change_intensity,
    check_aligned,
    elastic_basis,
    mirrored,
    random_origin,
    window_of,
)
from napari_grd.data.offset_symmetry import move_axes, transform_affinities
from napari_grd.graph.offsets import OFFSETS_3D

Coordinates = tuple[NDArray[np.float64], ...]

_ISOTROPIC = 1.2  # largest anisotropy at which z is treated like y and x
_DEFECTIVE = 0.1  # probability of a defect for each section of a patch with defects
_SHIFT = 4.0  # standard deviation of the shift of a section, in pixels


@dataclass(frozen=True)
class _Move:
    """Axes of the patch in the volume: their order, and which are flipped."""

    order: tuple[int, ...]
    flips: tuple[bool, ...]

    def source_shape(self, patch: Sequence[int]) -> tuple[int, ...]:
        """Shape in the volume of what becomes a patch of the given shape."""
        shape = [0] * len(patch)
        for side, axis in zip(patch, self.order, strict=True):
            shape[axis] = side
        return tuple(shape)

    def __call__(self, array: NDArray[Any], dtype: type) -> NDArray[Any]:
        return np.ascontiguousarray(move_axes(array, self.order, self.flips), dtype=dtype)


def random_volume_patch(
    rng: np.random.Generator,
    config: AugmentConfig,
    patch: Sequence[int],
    image: ArrayLike,
    labels: ArrayLike | None = None,
    extra: ArrayLike | None = None,
    pairs: slice | None = None,
    *,
    anisotropy: float = 1.0,
) -> Patch:
    """Cut a random patch out of a volume and augment it.

    The volume is interpolated linearly, labels and ``extra`` use the nearest voxel. A patch without free rotation,
    scaling, elastic deformation and shifted sections is voxel exact. Voxels beyond the border, also of a volume smaller
    than the patch, are mirrored. With labels, half of the patches are centered on a voxel of an instance.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same patch.
    config : AugmentConfig
        Probabilities and sizes, in pixels of a plane. Rotations by right angles exchange all axes of an isotropic
        volume, else y and x. Free rotations are about z.
    patch : (int, int, int)
        Planes, rows and columns of the patch.
    image : (C, Z, Y, X) float32 array-like
        Normalized intensities. Only the bounding box of the patch is read of this and the following arrays.
    labels : (Z, Y, X) integer array-like, optional
        0 is background or boundary; ignored voxels are below.
    extra : (E, Z, Y, X) array-like, optional
        Values that move with the voxels.
    pairs : slice, optional
        Channels of ``extra`` that are affinities at ``OFFSETS_3D``. They follow flips and an exchange of y and x. Other
        maps need pairs that were not predicted, and make them NaN.
    anisotropy : float, default 1
        Distance of the planes divided by their pixel size.

    Returns
    -------
    Patch
        Freshly allocated, C-contiguous arrays.

    Raises
    ------
    ImageError, LabelError
        If image, labels and extra do not share one volume.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((1, 20, 60, 60), dtype=np.float32)
    >>> random_volume_patch(np.random.default_rng(1), AugmentConfig(), (16, 32, 32), image).image.shape
    (1, 16, 32, 32)
    """
    check_aligned(image, labels, extra, ndim=3)
    move = _random_move(rng, config, patch, image.shape[1:], anisotropy)
    shape = move.source_shape(patch)
    origin = random_origin(rng, shape, image.shape[1:], labels)
    defects = config.sections and rng.random() < config.sections
    displacement = _displacement(rng, config, shape, anisotropy)
    if defects:
        shifts = _section_shifts(rng, shape[0])
        displacement = shifts if displacement is None else displacement + shifts
    exact = displacement is None
    coordinates = _coordinates(origin, shape, displacement)
    coordinates = tuple(mirrored(along, size) for along, size in zip(coordinates, image.shape[1:], strict=True))

    pixels = _nearest(image, coordinates) if exact else _linear(image, coordinates)
    if defects:
        pixels = _with_defects(rng, pixels)
    label_patch = None if labels is None else _nearest(labels, coordinates)
    moved = None if extra is None else _nearest(extra, coordinates)
    around = None if moved is None else move(moved, np.float32)
    if around is not None and moved is not None and pairs is not None:
        fits = exact and move.order[0] == 0 and all(a >= b for a, b in zip(image.shape[1:], shape, strict=True))
        known_pairs = moved[pairs].astype(np.float32)
        around[pairs] = transform_affinities(known_pairs, OFFSETS_3D, move.order, move.flips) if fits else np.nan
    return Patch(
        image=change_intensity(rng, config, move(pixels, np.float32), anisotropy),
        labels=None if label_patch is None else move(label_patch, np.int64),
        extra=around,
    )


def is_isotropic(anisotropy: float) -> bool:
    """Whether planes are about as far apart as pixels.

    Examples
    --------
    >>> is_isotropic(1.1), is_isotropic(4.0)
    (True, False)
    """
    return 1 / _ISOTROPIC <= anisotropy <= _ISOTROPIC


def _random_move(
    rng: np.random.Generator, config: AugmentConfig, patch: Sequence[int], shape: Sequence[int], anisotropy: float
) -> _Move:
    orders: list[tuple[int, ...]] = [(0, 1, 2)]
    if config.rotate90:
        # A patch that is exchanged with z has to fit into the volume, or much of it would be mirrored.
        free = list(permutations(range(3))) if is_isotropic(anisotropy) else [(0, 1, 2), (0, 2, 1)]
        orders = [
            order
            for order in free
            if order[0] == 0 or all(a >= b for a, b in zip(shape, _Move(order, ()).source_shape(patch), strict=True))
        ]
    order = orders[int(rng.integers(len(orders)))]
    flips = rng.random(3) < 0.5
    return _Move(order, tuple(bool(flip) for flip in flips) if config.flip else (False,) * 3)


def _displacement(
    rng: np.random.Generator, config: AugmentConfig, shape: Sequence[int], anisotropy: float
) -> NDArray[np.float64] | None:
    """Displacement of the coordinates, (3, *shape) in voxels, or None for an exact patch."""
    rotate, scale, elastic = rng.random(3) < (config.rotate, config.scale, config.elastic)
    if not (rotate or scale or elastic):
        return None
    angle = rng.uniform(-np.pi / 4, np.pi / 4) if rotate else 0.0
    zoom = math.exp(rng.uniform(*np.log(config.scale_range))) if scale else 1.0
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    z, y, x = np.meshgrid(*(np.arange(side) - (side - 1) / 2 for side in shape), indexing="ij", sparse=True)
    field = np.zeros((3, *shape))
    field[0] = (1 / zoom - 1) * z
    field[1] = (cos - 1) * y - sin * x
    field[2] = sin * y + (cos - 1) * x
    if elastic:
        spacing = (ELASTIC_SPACING / max(anisotropy, 1.0), ELASTIC_SPACING, ELASTIC_SPACING)
        bases = [elastic_basis(side, step) for side, step in zip(shape, spacing, strict=True)]
        control = rng.normal(scale=config.elastic_amplitude, size=(3, *(basis.shape[1] for basis in bases)))
        control[0] /= anisotropy
        field += np.einsum("cijk,zi,yj,xk->czyx", control, *bases, optimize=True)
    return field


def _section_shifts(rng: np.random.Generator, planes: int) -> NDArray[np.float64]:
    """Displacement of some sections within their planes, (3, planes, 1, 1) in pixels."""
    shifts = np.zeros((3, planes, 1, 1))
    chosen = rng.random(planes) < _DEFECTIVE
    shifts[1:] = rng.normal(scale=_SHIFT, size=(2, planes, 1, 1)) * chosen[:, None, None]
    return shifts


def _with_defects(rng: np.random.Generator, pixels: NDArray[Any]) -> Float32:
    """Some sections of (C, Z, Y, X) missing, others of another contrast."""
    planes = pixels.shape[1]
    contrast, missing = rng.random((2, planes)) < [[2 * _DEFECTIVE], [_DEFECTIVE / 2]]
    gain = np.where(contrast, np.exp(rng.uniform(-0.5, 0.5, planes)), 1.0)
    offset = np.where(contrast, rng.uniform(-0.2, 0.2, planes), 0.0)
    changed = pixels * gain[:, None, None] + offset[:, None, None]
    changed[:, missing] = 0
    return changed.astype(np.float32)


def _coordinates(origin: Sequence[int], shape: Sequence[int], displacement: NDArray[np.float64] | None) -> Coordinates:
    """Coordinates along z, y and x; sparse, all whole numbers, for an exact patch."""
    steps = [first + np.arange(side, dtype=np.float64) for first, side in zip(origin, shape, strict=True)]
    grids = np.meshgrid(*steps, indexing="ij", sparse=True)
    if displacement is None:
        return tuple(grids)
    return tuple(np.broadcast_to(grid + moved, shape) for grid, moved in zip(grids, displacement, strict=True))


def _nearest(array: ArrayLike, coordinates: Coordinates) -> NDArray[Any]:
    window, first = window_of(array, *coordinates)
    index = [np.rint(along).astype(np.intp) - low for along, low in zip(coordinates, first, strict=True)]
    values: NDArray[Any] = window[(..., *index)]
    return values


def _linear(array: ArrayLike, where: Coordinates) -> Float32:
    window, first = window_of(array, *where)
    coordinates = np.stack([along - low for along, low in zip(where, first, strict=True)])
    return np.stack([ndimage.map_coordinates(channel, coordinates, order=1, mode="mirror") for channel in window])
