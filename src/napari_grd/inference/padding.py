"""Padding of an image to valid sizes of a network."""

import numpy as np
from numpy.typing import NDArray


def pad_to_stride(image: NDArray[np.float32], stride: int) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """Reflect an image beyond the end of its axes up to multiples of the stride.

    Parameters
    ----------
    image : (C, *S) float32
    stride : int
        The network's stride in pixels.

    Returns
    -------
    padded : (C, *S') float32, C-contiguous
        The image itself if there is nothing to add.
    inside : tuple of slice
        The part of ``S'`` that is ``S``, one slice per spatial axis.

    Examples
    --------
    >>> padded, inside = pad_to_stride(np.ones((1, 1, 20), np.float32), 16)
    >>> padded.shape, inside
    ((1, 16, 32), (slice(0, 1, None), slice(0, 20, None)))
    """
    inside = tuple(slice(0, size) for size in image.shape[1:])
    missing = [(0, -size % stride) for size in image.shape[1:]]
    if any(after for _, after in missing):
        image = np.pad(image, [(0, 0), *missing], mode="reflect")
    return np.ascontiguousarray(image, np.float32), inside
