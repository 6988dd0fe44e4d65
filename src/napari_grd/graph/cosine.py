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
from napari_grd.graph.volume import Triple, as_triple, as_vectors, as_volume

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
        Raw embedding, channels last, 2D or 3D; a part of a larger array, of some of its channels too, is not copied.
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

    values, places = _in_memory(embedding)
    inside = as_volume(np.ones(shape, np.bool_) if mask is None else mask, ndim)
    vectors = as_vectors(offsets)
    steps = as_triple((stride,) * ndim, 1)
    grid = tuple(-(-size // stride) for size in shape)
    slices, rows, columns = as_triple(grid, 1)
    result = np.zeros((len(vectors), slices, rows, columns), np.float32)
    depth, height, width = as_triple(shape, 1)
    scale = np.empty((depth, height, width), np.float32)
    channels = np.uint64(embedding.shape[-1])  # for unsigned indices, which are not checked for being negative
    for_slabs(lambda start, stop: _scales(values, places, channels, inside, scale, start, stop), depth * height)
    for_slabs(
        lambda start, stop: _cosines(values, places, channels, scale, inside, vectors, steps, result, start, stop),
        slices * rows,
    )
    return result.reshape(len(vectors), *grid)


def warm_up() -> None:
    """Compile (or load from the cache) what :func:`affinities_channels_last` runs."""
    affinities_channels_last(np.ones((2, 2, 2), np.float32), OFFSETS_2D[:2])


def _in_memory(embedding: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], Triple]:
    """The memory of an embedding as a vector, and how many values apart its slices, rows and pixels are.

    With it, loops over the channels have consecutive values, which is faster, whatever the embedding is a part of.
    """
    size = embedding.itemsize
    if embedding.strides[-1] != size or any(step < 0 or step % size for step in embedding.strides):
        embedding = np.ascontiguousarray(embedding)
    steps = [step // size for step in embedding.strides[:-1]]
    last = sum((count - 1) * step for count, step in zip(embedding.shape, (*steps, 1), strict=True))
    count = last + 1 if embedding.size else 0
    values = np.lib.stride_tricks.as_strided(embedding, (count,), (size,), writeable=False)
    return values, as_triple(steps, 0)


@compiled(fastmath=_FAST)
def _scales(values, places, channels, inside, scale, start, stop):  # type: ignore[no-untyped-def]
    """The inverse norm of each embedding, in rows start to stop."""
    _, height, width = inside.shape
    for row in range(start, stop):
        z, y = divmod(row, height)
        for x in range(width):
            if inside[z, y, x]:
                pixel = np.uint64(z * places[0] + y * places[1] + x * places[2])
                total = np.float32(0)
                for c in range(channels):
                    total += values[pixel + c] * values[pixel + c]
                length = np.sqrt(total)
                scale[z, y, x] = np.float32(1) / (_EPS if length < _EPS else length)


@compiled(fastmath=_FAST)
def _cosines(values, places, channels, scale, inside, vectors, steps, result, start, stop):  # type: ignore[no-untyped-def]
    """The affinities in rows start to stop of the grid."""
    depth, height, width = inside.shape
    for row in range(start, stop):
        gz, gy = divmod(row, result.shape[2])
        z, y = gz * steps[0], gy * steps[1]
        for k in range(len(vectors)):
            pz, py = z + vectors[k, 0], y + vectors[k, 1]
            if pz < 0 or py < 0 or pz >= depth or py >= height:
                continue
            away = vectors[k, 0] * places[0] + vectors[k, 1] * places[1] + vectors[k, 2] * places[2]
            for gx in range(result.shape[3]):
                x = gx * steps[2]
                px = x + vectors[k, 2]
                if px < 0 or px >= width or not inside[z, y, x] or not inside[pz, py, px]:
                    continue
                pixel = z * places[0] + y * places[1] + x * places[2]
                a, b = np.uint64(pixel), np.uint64(pixel + away)
                dot = np.float32(0)
                for c in range(channels):
                    dot += values[a + c] * values[b + c]
                result[k, gz, gy, gx] = dot * scale[z, y, x] * scale[pz, py, px]
