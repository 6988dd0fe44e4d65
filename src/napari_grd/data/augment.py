"""Random training patches: a location, a geometric map, and a change of intensity.

One field of source coordinates is used for the image, the labels and the cached outputs of a teacher, so the three stay
aligned::

    patch pixel --rotate, scale, elastic--> source coordinates --mirror--> inside the image
        '-- flips and right-angle turns, of the sampled square, at the end
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.config import AugmentConfig
from napari_grd.data.offset_symmetry import order_and_flips, transform_affinities
from napari_grd.data.stain import change_stain
from napari_grd.data.stored_labels import LabelParts
from napari_grd.errors import ImageError, LabelError
from napari_grd.graph.offsets import OFFSETS_2D

Float32 = NDArray[np.float32]

NO_AUGMENTATION = AugmentConfig(flip=False, rotate90=False, rotate=0, scale=0, elastic=0, intensity=0, noise=0, blur=0)
"""Random crops without other augmentation."""

_TRIES = 8  # random pixels tested for an instance
ELASTIC_SPACING = 32.0  # pixels between the control points of an elastic deformation


class ArrayLike(Protocol):
    """An array that can be sliced without being read as a whole: numpy, zarr, or one of ours."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def ndim(self) -> int: ...
    def __getitem__(self, key: Any, /) -> Any: ...


@dataclass(frozen=True)
class Patch:
    """A patch of an image (square) or volume, with its labels and teacher outputs.

    Attributes
    ----------
    image : (C, *p) float32
    labels : (*p) int64, or None
    extra : (E, *p) float32, or None
    """

    image: Float32
    labels: NDArray[np.int64] | None
    extra: Float32 | None


def random_patch(
    rng: np.random.Generator,
    config: AugmentConfig,
    patch: int,
    image: ArrayLike,
    labels: ArrayLike | None = None,
    extra: ArrayLike | None = None,
    pairs: slice | None = None,
) -> Patch:
    """Cut a random patch and augment it.

    The image is interpolated linearly. Labels and ``extra`` use the nearest pixel: embeddings of two instances are
    never mixed. Without free rotation, scaling or elastic deformation the patch is pixel exact. Pixels beyond the
    border, also of an image smaller than the patch, are mirrored. With labels, half of the patches are centered on a
    pixel of an instance.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness: the same state gives the same patch.
    config : AugmentConfig
        Probabilities and sizes; :data:`NO_AUGMENTATION` gives plain crops.
    patch : int
        Side p of the patch in pixels.
    image : (C, H, W) float32 array-like
        Normalized intensities. Only the bounding box of the patch is read of this and the following arrays.
    labels : (H, W) integer array-like, optional
        Label image, 0 is background; ignored pixels are below.
    extra : (E, H, W) array-like, optional
        Values that move with the pixels, e.g. a teacher's embedding and foreground.
    pairs : slice, optional
        Channels of ``extra`` that are affinities at ``OFFSETS_2D``. They follow rotations by right angles and flips.
        Other maps need pairs that were not predicted, so they are NaN in a patch that is not pixel exact.

    Returns
    -------
    Patch
        Freshly allocated, C-contiguous arrays.

    Raises
    ------
    ImageError, LabelError
        If image, labels and extra do not share one plane, or the stain of an image that is not RGB is to be changed.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((1, 200, 300), dtype=np.float32)
    >>> random_patch(np.random.default_rng(1), AugmentConfig(), 64, image).image.shape
    (1, 64, 64)
    """
    check_aligned(image, labels, extra, ndim=2)
    check_stain(config, image.shape[0])
    origin = random_origin(rng, (patch, patch), image.shape[1:], labels)
    turns = int(rng.integers(4)) if config.rotate90 else 0
    flip = bool(config.flip and rng.random() < 0.5)
    displacement = _displacement(rng, config, patch)
    exact = displacement is None
    grids = _grids(origin, patch, displacement)
    rows, cols = (mirrored(grid, size) for grid, size in zip(grids, image.shape[1:], strict=True))

    moved = None if extra is None else _nearest(extra, rows, cols)
    affinities = None
    if moved is not None and pairs is not None:
        is_valid = exact and min(image.shape[1:]) >= patch  # mirrored pairs have the wrong direction
        affinities = moved[pairs] if is_valid else np.full_like(moved[pairs], np.nan)

    def turned(array: NDArray[Any], dtype: type) -> NDArray[Any]:
        array = np.rot90(array, turns, axes=(-2, -1))
        return np.ascontiguousarray(array[..., ::-1] if flip else array, dtype=dtype)

    pixels = _nearest(image, rows, cols) if exact else _linear(image, rows, cols)
    around = None if moved is None else turned(moved, np.float32)
    if around is not None and affinities is not None:
        around[pairs] = transform_affinities(affinities, OFFSETS_2D, *order_and_flips(turns, flip))
    return Patch(
        image=change_intensity(rng, config, turned(pixels, np.float32)),
        labels=None if labels is None else turned(_nearest(labels, rows, cols), np.int64),
        extra=around,
    )


def check_stain(config: AugmentConfig, channels: int) -> None:
    """Raise an `ImageError` if stains are to be changed in an image that is not RGB."""
    if config.stain and channels != 3:
        raise ImageError(
            f"The stain is to be changed (augment.stain={config.stain:g}), but the image has {channels} channel(s).",
            "Set augment.stain to 0: it is for RGB images of stained tissue.",
        )


def check_aligned(image: ArrayLike, labels: ArrayLike | None, extra: ArrayLike | None, *, ndim: int) -> None:
    """Check that an image of ``ndim`` spatial axes, its labels and cached values belong together.

    Raises
    ------
    ImageError, LabelError
        If not.
    """
    axes = ", ".join("zyx"[-ndim:])
    if image.ndim != ndim + 1 or 0 in image.shape:
        raise ImageError(
            f"A patch was requested of an image of shape {image.shape}.", f"Pass (channel, {axes}), not empty."
        )
    if labels is not None and labels.shape != image.shape[1:]:
        raise LabelError(
            f"Labels of shape {labels.shape} do not fit an image of shape {image.shape}.",
            f"Pass labels as ({axes}) of the same image.",
        )
    if extra is not None and tuple(extra.shape[1:]) != image.shape[1:]:
        raise ImageError(
            f"Cached values of shape {tuple(extra.shape)} do not fit an image of shape {image.shape}.",
            "Compute them again for this image.",
        )


def random_origin(
    rng: np.random.Generator, patch: Sequence[int], shape: Sequence[int], labels: ArrayLike | None
) -> tuple[int, ...]:
    """First pixel of a patch along each axis, inside the image if it is large enough; negative if it is smaller.

    With labels, half of the patches are centered on a pixel of an instance.
    """
    center = None
    if labels is not None and rng.random() < 0.5:
        tried = tuple(rng.integers(size, size=_TRIES) for size in shape)
        if isinstance(labels, LabelParts):
            center = labels.first_instance(tried)
        elif len(hits := np.flatnonzero(labels[tried] > 0)):
            center = [int(positions[hits[0]]) for positions in tried]
    origin = []
    for axis, (side, size) in enumerate(zip(patch, shape, strict=True)):
        low, high = min(0, size - side), max(0, size - side)
        if center is None:
            origin.append(int(rng.integers(low, high + 1)))
        else:
            origin.append(min(max(center[axis] - side // 2, low), high))
    return tuple(origin)


def _displacement(rng: np.random.Generator, config: AugmentConfig, patch: int) -> NDArray[np.float64] | None:
    """Displacement of the patch's coordinates, (2, p, p) in pixels, or None for an exact patch."""
    rotate, scale, elastic = rng.random(3) < (config.rotate, config.scale, config.elastic)
    if not (rotate or scale or elastic):
        return None
    angle = rng.uniform(-np.pi / 4, np.pi / 4) if rotate else 0.0  # rotations by right angles cover the rest
    # A zoom of 2 is as far from 1 as a zoom of 1/2: draw its logarithm.
    zoom = math.exp(rng.uniform(*np.log(config.scale_range))) if scale else 1.0
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    centered = np.arange(patch) - (patch - 1) / 2
    y, x = centered[:, None], centered[None, :]
    field = np.stack([(cos - 1) * y - sin * x, sin * y + (cos - 1) * x])
    if elastic:
        basis = elastic_basis(patch)
        control = rng.normal(scale=config.elastic_amplitude, size=(2, basis.shape[1], basis.shape[1]))
        field += basis @ control @ basis.T
    return field


@lru_cache(maxsize=8)
def elastic_basis(side: int, spacing: float = ELASTIC_SPACING) -> NDArray[np.float64]:
    """Gaussian bumps, (side, control points). Rows have unit length, which keeps the amplitude drawn."""
    points = np.arange(-1, math.ceil(side / spacing) + 2) * spacing
    basis = np.exp(-0.5 * ((np.arange(side)[:, None] - points) / spacing) ** 2)
    normed: NDArray[np.float64] = basis / np.linalg.norm(basis, axis=1, keepdims=True)
    return normed


def _grids(
    origin: tuple[int, ...], patch: int, displacement: NDArray[np.float64] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Row and column coordinates; (p, 1) and (1, p), all whole numbers, for an exact patch."""
    steps = np.arange(patch, dtype=np.float64)
    rows, cols = (origin[0] + steps)[:, None], (origin[1] + steps)[None, :]
    return (rows, cols) if displacement is None else (rows + displacement[0], cols + displacement[1])


def mirrored(coordinates: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Coordinates folded into [0, size - 1]; the border pixel is the mirror and is not repeated."""
    last = size - 1
    if last == 0:
        return np.zeros_like(coordinates)
    folded: NDArray[np.float64] = last - np.abs(np.abs(coordinates) % (2 * last) - last)
    return folded


def window_of(array: ArrayLike, *coordinates: NDArray[np.float64]) -> tuple[Any, list[int]]:
    """The bounding box of coordinates in an array (..., *S), and its first pixel along each axis."""
    first = [int(along.min()) for along in coordinates]
    box = tuple(slice(low, math.ceil(along.max()) + 1) for low, along in zip(first, coordinates, strict=True))
    return np.asarray(array[(..., *box)]), first


def _nearest(array: ArrayLike, rows: NDArray[np.float64], cols: NDArray[np.float64]) -> NDArray[Any]:
    window, (top, left) = window_of(array, rows, cols)
    row, col = np.rint(rows).astype(np.intp) - top, np.rint(cols).astype(np.intp) - left
    # A flat index is several times faster here than a pair of index arrays.
    values: NDArray[Any] = window.reshape(*window.shape[:-2], -1).take(row * window.shape[-1] + col, axis=-1)
    return values


def _linear(array: ArrayLike, rows: NDArray[np.float64], cols: NDArray[np.float64]) -> Float32:
    window, (top, left) = window_of(array, rows, cols)
    coordinates = np.stack([rows - top, cols - left])
    return np.stack([ndimage.map_coordinates(channel, coordinates, order=1, mode="mirror") for channel in window])


def change_intensity(
    rng: np.random.Generator, config: AugmentConfig, image: Float32, anisotropy: float = 1.0
) -> Float32:
    """Change stain; gain, offset and gamma; blur; noise: the order in which specimen, light, lens and camera act."""
    if config.stain and rng.random() < config.stain:  # 0 draws none: batches of earlier settings stay
        image = change_stain(rng, image)
    change, blur, noise = rng.random(3) < (config.intensity, config.blur, config.noise)
    if change:
        channels = (len(image), *(1 for _ in image.shape[1:]))
        gain = np.exp(rng.uniform(-0.3, 0.3, size=channels))
        offset = rng.uniform(-0.1, 0.1, size=channels)
        gamma = np.exp(rng.uniform(-0.3, 0.3))
        image = (gain * np.sign(image) * np.abs(image) ** gamma + offset).astype(np.float32)
    if blur:
        sigma = rng.uniform(0, config.blur_sigma)
        along_z = [sigma / anisotropy] * (image.ndim - 3)
        image = ndimage.gaussian_filter(image, sigma=(0, *along_z, sigma, sigma), mode="mirror")
    if noise:
        amount = np.float32(rng.uniform(0, config.noise_sigma))
        image = image + amount * rng.standard_normal(image.shape, dtype=np.float32)
    return image
