"""Region growing in an embedding around a pixel, as a candidate instance."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.errors import ImageError
from napari_grd.graph.cleanup import fill_holes

_EPS = 1e-12
_STEP = 1.25  # factor of the allowed difference per notch of the wheel
_LARGEST_HOLE = 16


def instance_at(
    embedding: NDArray[np.float32],
    foreground: NDArray[np.float32] | None,
    pixel: tuple[int, int],
    threshold: float = 0.4,
    *,
    growth: float = 0.0,
    foreground_threshold: float = 0.5,
    limit: int = 96,
) -> NDArray[np.bool_]:
    """The connected region around a pixel with a similar embedding.

    Parameters
    ----------
    embedding : float32 array, shape (Y, X, C)
        Raw embedding, channels last.
    foreground : float array, shape (Y, X), or None
        Probability in [0, 1]; None: everything is foreground.
    pixel : (int, int)
        Row and column.
    threshold : float, default 0.4
        Minimum cosine (median of 3 x 3 pixels) with the mean embedding of the 3 x 3 pixels around this one.
    growth : float, default 0
        Notches of a mouse wheel. Each multiplies the allowed difference, ``1 - threshold``,
        by 1.25, and divides the foreground threshold by it if positive.
        The region grows monotonically.
    foreground_threshold : float, default 0.5
        A pixel is foreground above this probability.
    limit : int, default 96
        Maximum distance from the pixel along either axis.

    Returns
    -------
    bool array, shape (Y, X)
        Empty if the pixel is background.

    Raises
    ------
    ImageError
        If the pixel is outside, or shapes do not fit each other.

    Examples
    --------
    >>> embedding = np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1, 1]][None].repeat(4, axis=0)
    >>> instance_at(embedding, None, (1, 1))[0]
    array([ True,  True,  True, False, False, False])
    """
    shape = embedding.shape[:-1]
    if len(shape) != 2 or (foreground is not None and foreground.shape != shape):
        foreground_shape = None if foreground is None else foreground.shape
        raise ImageError(
            f"The embedding has shape {embedding.shape}, the foreground {foreground_shape}.",
            "Pass a plane (y, x, channel) and its foreground (y, x).",
        )
    if not all(0 <= coordinate < size for coordinate, size in zip(pixel, shape, strict=True)):
        raise ImageError(f"The pixel {tuple(pixel)} is outside an image of shape {shape}.", "Pick inside the image.")
    start = [max(0, coordinate - limit) for coordinate in pixel]
    window = tuple(slice(first, coordinate + limit + 1) for first, coordinate in zip(start, pixel, strict=True))
    row, column = (coordinate - first for coordinate, first in zip(pixel, start, strict=True))

    around = embedding[max(0, pixel[0] - 1) : pixel[0] + 2, max(0, pixel[1] - 1) : pixel[1] + 2]
    chosen = _most(_cosine(embedding[window], _units(around).mean(axis=(0, 1))) > 1 - (1 - threshold) * _STEP**growth)
    if foreground is not None:
        chosen &= foreground[window] > foreground_threshold / _STEP ** max(growth, 0.0)
    parts, _ = ndimage.label(chosen)
    part = parts == parts[row, column] if chosen[row, column] else np.zeros_like(chosen)
    filled = part.astype(np.int32)[None]
    fill_holes(filled, _LARGEST_HOLE, True)
    result = np.zeros(shape, np.bool_)
    result[window] = filled[0] > 0
    return result


def _cosine(vectors: NDArray[np.float32], direction: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.sqrt(np.einsum("...c,...c", vectors, vectors)) * np.linalg.norm(direction)
    cosine: NDArray[np.float32] = (vectors @ direction) / np.maximum(lengths, _EPS)
    return cosine


def _most(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The median of 3 x 3 pixels, which preserves the rim, unlike a mean."""
    padded = np.pad(mask.astype(np.int8), 1, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    most: NDArray[np.bool_] = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] > 4
    return most


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _EPS)
    return unit
