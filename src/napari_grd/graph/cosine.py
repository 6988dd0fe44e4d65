"""Affinities of an embedding on the CPU, as fast as memory allows.

A network run for speed ends in channels-last layout, where the embedding of a
pixel is contiguous: one pass over the pixels then computes every offset. It is
the numpy counterpart of :mod:`napari_grd.graph.affinities`, which is torch,
differentiable and channels-first.
"""

from collections.abc import Sequence

import numba
import numpy as np
import numpy.typing as npt

from napari_grd.errors import ImageError
from napari_grd.graph.offsets import OFFSETS_2D, Offset
from napari_grd.graph.parallel import for_slabs

_EPS = np.float32(1e-12)
# Not "fast": NaN has to survive, for it tells of a broken network or image.
_FAST = {"reassoc", "contract", "nsz", "arcp"}


def affinities_channels_last(
    embedding: npt.NDArray[np.float32],
    offsets: Sequence[Offset],
    *,
    mask: npt.NDArray[np.bool_] | None = None,
    stride: int = 1,
) -> npt.NDArray[np.float32]:
    """Cosine of every pixel's embedding with its partners' (METHOD 3).

    Parameters
    ----------
    embedding : float32 array, shape (\\*S, C)
        Raw embedding, channels last, 2D or 3D; made C-contiguous if it is not.
    offsets : sequence of tuple of int
        Offset ``o`` pairs pixel ``p`` with ``p + o``.
    mask : bool array, shape (\\*S), optional
        Compute only the pairs whose both ends are in the mask; the others are 0.
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
    embedding = np.ascontiguousarray(embedding, np.float32)
    shape = embedding.shape[:-1]
    ndim = len(shape)
    if ndim not in (2, 3):
        raise ImageError(f"The embedding has shape {embedding.shape}.", "Pass (y, x, channel) or (z, y, x, channel).")
    if any(len(offset) != ndim for offset in offsets):
        raise ImageError(f"The offsets {tuple(offsets)} do not fit {ndim} dimensions.", "Pass one number an axis.")
    if mask is not None and mask.shape != shape:
        raise ImageError(f"The mask has shape {mask.shape}, the embedding {shape}.", "Pass a mask of the same shape.")

    # A plane is a volume of one slice: one kernel serves both.
    pixels = embedding.reshape((1,) * (3 - ndim) + embedding.shape)
    steps = (1,) * (3 - ndim) + (stride,) * ndim
    vectors = np.array([(0,) * (3 - ndim) + tuple(offset) for offset in offsets], np.int64).reshape(-1, 3)
    inside = np.ones((1, 1, 1), np.bool_) if mask is None else mask.reshape(pixels.shape[:3])
    grid = tuple(-(-size // step) for size, step in zip(pixels.shape, steps, strict=False))
    result = np.zeros((len(vectors), *grid), np.float32)
    scale = np.empty(pixels.shape[:3], np.float32)
    rows = grid[0] * grid[1]
    for_slabs(lambda a, b: _scales(pixels, inside, mask is not None, scale, a, b), pixels.shape[0] * pixels.shape[1])
    for_slabs(lambda a, b: _cosines(pixels, scale, vectors, inside, mask is not None, steps, result, a, b), rows)
    return result.reshape(len(vectors), *grid[3 - ndim :])


def warm_up() -> None:
    """Compile (or load from the cache) what :func:`affinities_channels_last` runs."""
    affinities_channels_last(np.ones((2, 2, 2), np.float32), OFFSETS_2D[:2])


@numba.njit(nogil=True, cache=True, fastmath=_FAST)
def _scales(pixels, inside, masked, scale, start, stop):  # type: ignore[no-untyped-def]
    _, height, width, channels = pixels.shape
    for row in range(start, stop):
        z, y = divmod(row, height)
        for x in range(width):
            if masked and not inside[z, y, x]:
                continue
            total = np.float32(0)
            for c in range(channels):
                total += pixels[z, y, x, c] * pixels[z, y, x, c]
            length = np.sqrt(total)
            scale[z, y, x] = np.float32(1) / (_EPS if length < _EPS else length)


@numba.njit(nogil=True, cache=True, fastmath=_FAST)
def _cosines(pixels, scale, vectors, inside, masked, steps, result, start, stop):  # type: ignore[no-untyped-def]
    depth, height, width, channels = pixels.shape
    for row in range(start, stop):
        gz, gy = divmod(row, result.shape[2])
        z, y = gz * steps[0], gy * steps[1]
        for gx in range(result.shape[3]):
            x = gx * steps[2]
            if masked and not inside[z, y, x]:
                continue
            for k in range(len(vectors)):
                pz, py, px = z + vectors[k, 0], y + vectors[k, 1], x + vectors[k, 2]
                if pz < 0 or py < 0 or px < 0 or pz >= depth or py >= height or px >= width:
                    continue
                if masked and not inside[pz, py, px]:
                    continue
                dot = np.float32(0)
                for c in range(channels):
                    dot += pixels[z, y, x, c] * pixels[pz, py, px, c]
                result[k, gz, gy, gx] = dot * scale[z, y, x] * scale[pz, py, px]
