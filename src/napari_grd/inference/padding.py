"""Padding of an image to legal sizes of a network."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_grd.models.registry import NetworkEntry

Context = Sequence[tuple[int, int]]


def pad_to_legal(
    image: NDArray[np.float32], entry: NetworkEntry, context: Context | None = None
) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """Reflect an image beyond its axes to a legal input of a network.

    Parameters
    ----------
    image : (C, *S) float32
        Each axis has at least one pixel. Reflection is repeated where it adds more than the image has.
    entry : NetworkEntry
        Entry of the network.
    context : sequence of (int, int), optional
        Pixels at the start and end of each axis for which no output is requested. A network with a margin reads them in
        place of a reflection; those at the start are then multiples of its strides.

    Returns
    -------
    padded : (C, *S') float32, C-contiguous
        The image itself if there is nothing to add. Only the end of an axis is padded, unless the network has a margin.
    inside : tuple of slice
        The part of the network's output that belongs to the image without its context, one slice per axis.

    Examples
    --------
    >>> from napari_grd.models.networks import entry
    >>> padded, inside = pad_to_legal(np.ones((1, 1, 20), np.float32), entry("resunet"))
    >>> padded.shape, inside
    ((1, 16, 32), (slice(0, 1, None), slice(0, 20, None)))
    >>> padded, inside = pad_to_legal(np.ones((1, 25, 56, 30), np.float32), entry("mala"))
    >>> padded.shape, inside
    ((1, 53, 268, 268), (slice(0, 25, None), slice(0, 56, None), slice(0, 30, None)))
    """
    sizes = image.shape[1:]
    context = context or [(0, 0)] * len(sizes)
    wanted = [size - sum(ends) for size, ends in zip(sizes, context, strict=True)]
    legal = entry.input_size([w if m else n for w, m, n in zip(wanted, entry.margin, sizes, strict=True)])
    read, widths, inside = [slice(None)], [(0, 0)], []
    for size, (before, _), out, length, margin in zip(sizes, context, wanted, legal, entry.margin, strict=True):
        start = before - margin if margin else 0
        read.append(slice(max(0, start), min(size, start + length)))
        widths.append((max(0, -start), max(0, start + length - size)))
        first = 0 if margin else before
        inside.append(slice(first, first + out))
    image = image[tuple(read)]
    if any(map(any, widths)):
        image = np.pad(image, widths, mode="reflect")
    return np.ascontiguousarray(image, np.float32), tuple(inside)
