"""Affinities of an embedding on the CPU, limited by memory bandwidth.

A network optimized for speed has its output in channels-last layout, where the embedding of a
pixel is contiguous: one pass over the pixels then computes every offset. It is
the numpy counterpart of :mod:`napari_grd.graph.affinities`, which is torch,
differentiable and channels-first.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from napari_grd.compiled import compiled
from napari_grd.errors import ImageError
from napari_grd.graph.offsets import OFFSETS_2D, Offset
from napari_grd.graph.parallel import for_slabs
from napari_grd.graph.volume import as_triple, as_vectors, as_volume

_EPS = np.float32(1e-12)
# Not "fast": NaN must be propagated, because it indicates an invalid network or image.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def affinities_channels_last(
    embedding: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    *,
    mask: npt.NDArray[np.bool_] | None = None,
    stride: int = 1,
) -> npt.NDArray[np.float32]:
    """Cosine of every pixel's embedding with its partners' (method.md, section 3).

    Parameters
    ----------
    embedding : float32 array, shape (\\*S, C)
        Raw embedding, channels last, 2D or 3D; made C-contiguous if it is not.
    offsets : sequence of tuple of int
        Offset ``o`` pairs pixel ``p`` with ``p + o``.
    mask : bool array, shape (\\*S), optional
        Compute only the pairs with both ends in the mask; the others are 0.
    stride : int, default 1
        Compute only at pixels whose coordinates are all multiples of it.

    Returns
    -------
    float32 array, shape (K, \\*ceil(S / stride))
        Affinities in [-1, 1] up to rounding; 0 where the partner is outside.

    Raises
    ------
    ImageError
        If the shapes do not fit each other.

    Examples
    --------
    >>> embedding = np.ones((2, 3, 16), np.float32)
    >>> affinities_channels_last(embedding, ((-1, 0),))
    array([[[0., 0., 0.],
            [1., 1., 1.]]], dtype=float32)
    """
    embedding = np.asarray(embedding, np.float32)
    shape = embedding.shape[:-1]
    ndim = len(shape)
    if ndim not in (2, 3):
        raise ImageError(f"The embedding has shape {embedding.shape}.", "Pass (y, x, channel) or (z, y, x, channel).")
    if any(len(offset) != ndim for offset in offsets):
        raise ImageError(f"The offsets {tuple(offsets)} do not fit {ndim} dimensions.", "Pass one number an axis.")
    if mask is not None and mask.shape != shape:
        raise ImageError(f"The mask has shape {mask.shape}, the embedding {shape}.", "Pass a mask of the same shape.")

    pixels = as_volume(embedding, ndim)
    inside = as_volume(np.ones(shape, np.bool_) if mask is None else mask, ndim)
    vectors = as_vectors(offsets)
    steps = as_triple((stride,) * ndim, 1)
    grid = tuple(-(-size // stride) for size in shape)
    slices, rows, columns = as_triple(grid, 1)
    result = np.zeros((len(vectors), slices, rows, columns), np.float32)
    depth, height, width = as_triple(shape, 1)
    scale = np.empty((depth, height, width), np.float32)
    for_slabs(lambda start, stop: _scales(pixels, inside, scale, start, stop), depth * height)
    for_slabs(lambda start, stop: _cosines(pixels, scale, inside, vectors, steps, result, start, stop), slices * rows)
    return result.reshape(len(vectors), *grid)


def warm_up() -> None:
    """Compile (or load from the cache) what :func:`affinities_channels_last` runs."""
    affinities_channels_last(np.ones((2, 2, 2), np.float32), OFFSETS_2D[:2])


@compiled(fastmath=_FAST)
def _scales(pixels, inside, scale, start, stop):  # type: ignore[no-untyped-def]
    """The inverse norm of each embedding, in rows start to stop."""
    _, height, width, channels = pixels.shape
    for row in range(start, stop):
        z, y = divmod(row, height)
        for x in range(width):
            if inside[z, y, x]:
                total = np.float32(0)
                for c in range(channels):
                    total += pixels[z, y, x, c] * pixels[z, y, x, c]
                length = np.sqrt(total)
                scale[z, y, x] = np.float32(1) / (_EPS if length < _EPS else length)


@compiled(fastmath=_FAST)
def _cosines(pixels, scale, inside, vectors, steps, result, start, stop):  # type: ignore[no-untyped-def]
    """The affinities in rows start to stop of the grid."""
    depth, height, width, channels = pixels.shape
    for row in range(start, stop):
        gz, gy = divmod(row, result.shape[2])
        z, y = gz * steps[0], gy * steps[1]
        for k in range(len(vectors)):
            pz, py = z + vectors[k, 0], y + vectors[k, 1]
            if pz < 0 or py < 0 or pz >= depth or py >= height:
                continue
            for gx in range(result.shape[3]):
                x = gx * steps[2]
                px = x + vectors[k, 2]
                if px < 0 or px >= width or not inside[z, y, x] or not inside[pz, py, px]:
                    continue
                dot = np.float32(0)
                for c in range(channels):
                    dot += pixels[z, y, x, c] * pixels[pz, py, px, c]
                result[k, gz, gy, gx] = dot * scale[z, y, x] * scale[pz, py, px]
