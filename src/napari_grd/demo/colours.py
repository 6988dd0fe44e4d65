"""Images and label images as colours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import find_boundaries

_GOLDEN = 0.6180339887  # steps of the golden ratio never come close to an earlier hue
_OPACITY = 0.45

Rgb = NDArray[np.float32]


def grey(image: NDArray[Any], low: float = 1.0, high: float = 99.8) -> Rgb:
    """An image for display.

    Parameters
    ----------
    image : (C, H, W) array
        One channel gives grey, two or more become red, green (and blue).
    low, high : float
        Percentiles that become black and full intensity.

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


def label_colours(count: int) -> Rgb:
    """Colours of the labels 0 (black) to ``count``, the same in every picture.

    Examples
    --------
    >>> label_colours(2).shape
    (3, 3)
    """
    from matplotlib.colors import hsv_to_rgb

    ids = np.arange(count + 1)
    hsv = np.stack([ids * _GOLDEN % 1, 0.55 + 0.35 * (ids % 3) / 2, 1 - 0.18 * (ids % 2)], axis=-1)
    colours: Rgb = hsv_to_rgb(hsv).astype(np.float32)
    colours[0] = 0
    return colours


def overlay(image: NDArray[Any], labels: NDArray[Any], *, fill: bool = True) -> Rgb:
    """An image with its objects coloured and outlined.

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
    picture = grey(image)
    colours = label_colours(int(labels.max(initial=0)))[labels]
    inside = labels > 0
    if fill:
        picture[inside] = (1 - _OPACITY) * picture[inside] + _OPACITY * colours[inside]
    outline = find_boundaries(labels, mode="inner")  # type: ignore[no-untyped-call]
    picture[outline] = colours[outline]
    return picture


def matched(labels: NDArray[Any], reference: NDArray[Any]) -> NDArray[np.int64]:
    """Renumber labels so that an object has the id of the reference object it covers best.

    Each reference id is given once, to the object with the largest overlap;
    the others are numbered on. So the same object has the same colour in every
    segmentation, and an object that is split or merged shows.

    Parameters
    ----------
    labels, reference : (H, W) int
        Instances, 0 is background.

    Examples
    --------
    >>> matched(np.array([[1, 1, 2]]), np.array([[7, 7, 7]]))
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
