"""Images, label images and embeddings as RGB images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

_GOLDEN = 0.6180339887  # hues at golden-ratio steps stay distinct
_OPACITY = 0.45
_GAIN = 0.6  # unit embeddings then fill most of the range of a color

Rgb = NDArray[np.float32]


def image_to_rgb(image: NDArray[Any], low: float = 1.0, high: float = 99.8) -> Rgb:
    """An image for display.

    Parameters
    ----------
    image : (C, H, W) array
        One channel becomes gray, two or more become red, green (and blue).
    low, high : float
        Percentiles mapped to black and full intensity.

    Returns
    -------
    (H, W, 3) float32
        In [0, 1].
    """
    planes = []
    for channel in image[:3]:
        dark, bright = np.percentile(channel, (low, high))
        planes.append(np.clip((channel - dark) / max(bright - dark, 1e-6), 0, 1))
    if len(planes) == 1:
        planes *= 3
    elif len(planes) == 2:
        planes.append(np.zeros_like(planes[0]))
    return np.stack(planes, axis=-1).astype(np.float32)


def label_colors(count: int) -> Rgb:
    """Colors of the labels 0 (black) to ``count``, the same in every image.

    Examples
    --------
    >>> label_colors(2).shape
    (3, 3)
    """
    from matplotlib.colors import hsv_to_rgb

    ids = np.arange(count + 1)
    hsv = np.stack([ids * _GOLDEN % 1, 0.55 + 0.35 * (ids % 3) / 2, 1 - 0.18 * (ids % 2)], axis=-1)
    colors: Rgb = hsv_to_rgb(hsv).astype(np.float32)
    colors[0] = 0
    return colors


def overlay(image: NDArray[Any], labels: NDArray[Any], *, fill: bool = True) -> Rgb:
    """An image with its objects colored and outlined.

    Parameters
    ----------
    image : (C, H, W) array
        Any intensities.
    labels : (H, W) int
        Instances, 0 is background.
    fill : bool, default True
        Whether objects are tinted, or outlined only.

    Returns
    -------
    (H, W, 3) float32
        In [0, 1].
    """
    picture = image_to_rgb(image)
    colors = label_colors(int(labels.max(initial=0)))[labels]
    inside = labels > 0
    if fill:
        picture[inside] = (1 - _OPACITY) * picture[inside] + _OPACITY * colors[inside]
    outline = find_boundaries(labels, mode="inner")  # type: ignore[no-untyped-call]
    picture[outline] = colors[outline]
    return picture


def renumbered_to_match(labels: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.int64]:
    """Renumber labels so that an object has the id of the reference object with the largest overlap.

    Each reference id is given once, to the object with the largest overlap;
    the others get new ids. So the same object has the same color in every segmentation, and split or merged objects are
    visible.

    Parameters
    ----------
    labels, reference : (H, W) int
        Instances, 0 is background.

    Examples
    --------
    >>> renumbered_to_match(np.array([[1, 1, 2]]), np.array([[7, 7, 7]]))
    array([[7, 7, 8]])
    """
    both = (labels > 0) & (reference > 0)
    pairs, overlaps = np.unique(np.stack([labels[both], reference[both]]), axis=1, return_counts=True)
    names: dict[int, int] = {}
    for own, other in pairs.T[np.argsort(-overlaps, kind="stable")].tolist():
        if own not in names and other not in names.values():
            names[own] = other
    next_id = int(reference.max(initial=0)) + 1
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int64)
    for own in np.unique(labels[labels > 0]).tolist():
        if own in names:
            table[own] = names[own]
        else:
            table[own] = next_id
            next_id += 1
    renumbered: NDArray[np.int64] = table[labels]
    return renumbered


def embedding_colors(
    embedding: NDArray[np.float32], basis: NDArray[np.float32], foreground: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Embeddings as colors: a model's first three principal components become red, green and blue.

    Parameters
    ----------
    embedding : (C, H, W) float32
        Raw embedding.
    basis : (4, C) float32
        A model's ``pca``: mean and three components.
    foreground : (H, W) float32, optional
        Probability; the background is darkened by it.

    Returns
    -------
    (H, W, 3) float32
        In [0, 1]; a model's colors mean the same in every image.

    Examples
    --------
    >>> basis = np.eye(4, dtype=np.float32)
    >>> embedding_colors(np.ones((4, 2, 3), np.float32), basis).shape
    (2, 3, 3)
    """
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=0, keepdims=True), 1e-12)
    directions = np.moveaxis(unit, 0, -1) @ basis[1:].T - basis[0] @ basis[1:].T
    colors: NDArray[np.float32] = np.clip(0.5 + _GAIN * directions, 0, 1).astype(np.float32)
    if foreground is not None:
        colors *= 0.15 + 0.85 * foreground[..., None]
    return colors
