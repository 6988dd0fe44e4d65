"""Removal of objects that do not exceed the noise.

In a sparse field (:mod:`napari_grd.data.noise`) a network finds objects in contrast-stretched noise. Therefore each
object is compared with the background around it: it is kept if their medians differ by some deviations of the noise or,
for models whose objects may be as bright as their surroundings, if there is a significant edge.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.compiled import compiled
from napari_grd.data.intensity import PlaneStatistics, measure_intensity
from napari_grd.models.model import Contrast, ModelConfig

_SIDE = 0.75  # share of the surroundings that an object must exceed,
_CLEAR = 4.5  # by so many deviations of single pixels (noise alone takes 0.7 between this share and half)
_CLEAR_LARGE = 3.0  # the same of an object of many cells, which noise hardly raises as a whole (at most by 2.3)
_LARGE = 32  # cells
_CLEAR_ALONE = 10.0  # in a field with hardly any signal: the rest is specks
_EDGE = 8.0  # deviations of cell means between the 10th and 90th percentile in and around an object
_DIFFERENT = 0.05  # of the range: minimum difference of bright or dark objects
_MOST = 0.9  # share of the objects that determines the kind
_SMOOTHING = 0.7  # pixels; with much more, noise is no longer independent from cell to cell, and not recognized
_AROUND = 3  # width of the surroundings in cells


def remove_faint(
    labels: NDArray[np.uint32],
    image: NDArray[np.generic],
    statistics: PlaneStatistics,
    contrast: Contrast | None = None,
    *,
    clear_large: float = _CLEAR_LARGE,
) -> NDArray[np.uint32]:
    """Remove objects that do not exceed the noise of their field, and pixels that were not scanned.

    Parameters
    ----------
    labels : (H, W) uint32
        0 is background.
    image : (C, H, W) array of real numbers
        The segmented image, as stored.
    statistics : PlaneStatistics
        Statistics of the whole field. Without a noise estimate, all objects are kept.
    contrast : {"bright", "dark", "edges"}, optional
        How objects of this kind differ from their surroundings. Default: in any of these ways.
    clear_large : float
        Deviations of the noise that a bright or dark object of many cells must exceed its surroundings by.

    Returns
    -------
    (H, W) uint32
        The remaining objects with their ids; the same array if all remain.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> image = rng.normal(100, 10, (1, 64, 64))
    >>> image[0, 10:20, 10:20] += 200
    >>> labels = np.zeros((64, 64), np.uint32)
    >>> labels[10:20, 10:20], labels[40:50, 40:50] = 1, 2
    >>> noise = PlaneStatistics(np.array([[80.0, 120.0]]), np.array([10.0]), np.array([10.0]))
    >>> np.unique(remove_faint(labels, image, noise)).tolist()
    [0, 1]
    """
    padding = statistics.is_padding(image)
    if padding is not None:
        labels = np.where(padding, np.uint32(0), labels)
    count = int(labels.max(initial=0))
    if statistics.noise is None or statistics.texture is None or not count:
        return labels
    boxes = _boxes(labels, count)
    kept = np.zeros(count + 1, np.bool_)
    clear = np.full(count + 1, _CLEAR if statistics.stands_out else _CLEAR_ALONE)
    if statistics.stands_out and contrast in ("bright", "dark"):
        clear[np.bincount(labels.reshape(-1), minlength=count + 1) >= _LARGE * statistics.cell**2] = clear_large
    for plane, noise, texture in zip(image, statistics.noise, statistics.texture, strict=True):
        # Exact, and compiled for two types at most: each takes seconds.
        values = np.ascontiguousarray(plane, np.result_type(plane.dtype, np.float32))
        brighter, darker, edge = _standing_out(labels, values, boxes, statistics.cell, _AROUND)
        if contrast in ("bright", "dark"):
            kept |= (brighter if (contrast == "bright") != statistics.inverted else darker) > clear * noise
        else:
            kept |= np.maximum(brighter, darker) > clear * noise
            kept |= edge > _EDGE * texture
    if kept[1:].all():
        return labels
    kept[0] = False
    return np.where(kept, np.arange(count + 1, dtype=np.uint32), np.uint32(0))[labels]


def remove_faint_3d(
    labels: NDArray[np.uint32],
    image: NDArray[np.generic],
    statistics: PlaneStatistics,
    config: ModelConfig,
    *,
    diameter: float | None = None,
    depth: float = 1.0,
) -> NDArray[np.uint32]:
    """Remove objects that do not exceed the noise of a volume, and voxels that were not scanned.

    As :func:`remove_faint` in each plane of the slightly smoothed volume; an object is kept if it exceeds the noise in
    any plane. Without smoothing, objects would be compared with the noise of single voxels of one plane, whereas a
    volume shows them in many.

    Parameters
    ----------
    labels : (D, H, W) uint32
        0 is background.
    image : (C, D, H, W) array of real numbers
        The segmented volume, as stored.
    statistics : PlaneStatistics
        Of the whole volume. The noise is measured anew, as that of the smoothed volume is lower.
    config : ModelConfig
        Its normalization and contrast.
    diameter : float, optional
        Of objects, in pixels.
    depth : float
        Distance of the planes in pixels.

    Returns
    -------
    (D, H, W) uint32
        The remaining objects with their ids; the same array if all remain.
    """
    padding = statistics.is_padding(image)
    if padding is not None:
        labels = np.where(padding, np.uint32(0), labels)
    count = int(labels.max(initial=0))
    if not count:
        return labels
    sigmas = (0.0, _SMOOTHING / depth, _SMOOTHING, _SMOOTHING)
    smooth = ndimage.gaussian_filter(statistics.normalize(image), sigmas)
    measured = measure_intensity([smooth], config.normalization, diameter)
    if measured.noise is None:
        return labels
    kept = np.zeros(count + 1, np.bool_)
    for place, plane in enumerate(labels):
        # One of many planes may exceed the noise by chance, so large sections are treated as small ones.
        kept[remove_faint(plane, smooth[:, place], measured, config.contrast, clear_large=_CLEAR)] = True
    if kept[1:].all():
        return labels
    return np.where(kept, np.arange(count + 1, dtype=np.uint32), np.uint32(0))[labels]


def contrast_of(images: Sequence[NDArray[Any]], labels: Sequence[NDArray[Any] | None]) -> Contrast | None:
    """Determine how the objects of labeled images differ from their surroundings.

    Parameters
    ----------
    images : sequence of (C, H, W) arrays
        Normalized or not.
    labels : sequence of ((H, W) integer array or None)
        0 is background; negative pixels are ignored.

    Returns
    -------
    {"bright", "dark", "edges"} or None
        The first two if nine of ten objects are brighter, or darker, in the first channel by a twentieth of the image's
        range; None without objects, or for volumes.

    Examples
    --------
    >>> labels = np.zeros((40, 40), int)
    >>> labels[10:20, 10:20] = 1
    >>> contrast_of([5.0 * labels[None]], [labels])
    'bright'
    """
    shares = []
    for image, segmented in zip(images, labels, strict=True):
        if segmented is None or segmented.ndim != 2 or segmented.max(initial=0) <= 0:
            continue
        # Labels may have any values; background, if present, is the lowest.
        ids, index = np.unique(np.maximum(segmented, 0), return_inverse=True)
        numbered = (index.reshape(segmented.shape) + int(ids[0] > 0)).astype(np.uint32)
        plane = np.ascontiguousarray(image[0], np.float32)
        low, high = np.nanpercentile(plane, [1, 99.8])
        boxes = _boxes(numbered, int(numbered.max()))
        brighter, darker, _ = _standing_out(numbered, plane, boxes, 3, _AROUND)
        difference = np.where(brighter > darker, brighter, -darker)
        shares.append(difference[1:] / max(float(high - low), 1e-12))
    if not shares:
        return None
    joined = np.concatenate(shares)
    if np.mean(joined > _DIFFERENT) >= _MOST:
        return "bright"
    return "dark" if np.mean(joined < -_DIFFERENT) >= _MOST else "edges"


@compiled()
def _boxes(labels, count):  # type: ignore[no-untyped-def]
    """First and last row and column of each label."""
    boxes = np.empty((count + 1, 4), np.int64)
    boxes[:, 0] = boxes[:, 2] = 2**31
    boxes[:, 1] = boxes[:, 3] = -1
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            k = labels[y, x]
            if k:
                boxes[k, 0] = min(boxes[k, 0], y)
                boxes[k, 1] = max(boxes[k, 1], y)
                boxes[k, 2] = min(boxes[k, 2], x)
                boxes[k, 3] = max(boxes[k, 3], x)
    return boxes


@compiled()
def _smallest(values, count, k):  # type: ignore[no-untyped-def]
    """The k-th smallest, from 0, of the first ``count`` values, which are reordered (Hoare's quickselect).

    numba takes three times as long to compile its sort and median as this.
    """
    low, high = 0, count - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while pivot < values[j]:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if j < k:
            low = i
        if k < i:
            high = j
    return values[k]


@compiled()
def _standing_out(labels, plane, boxes, cell, around):  # type: ignore[no-untyped-def]
    """Difference of each label's median above and below most of the background around it; spread of cells."""
    height, width = labels.shape
    reach = around * cell
    rim = 2 * reach
    brighter = np.zeros(len(boxes), np.float64)
    darker = np.zeros(len(boxes), np.float64)
    edge = np.zeros(len(boxes), np.float64)
    for k in range(1, len(boxes)):
        if boxes[k, 1] < 0:
            continue
        top, bottom = max(0, boxes[k, 0] - reach), min(height, boxes[k, 1] + reach + 1)
        left, right = max(0, boxes[k, 2] - reach), min(width, boxes[k, 3] + reach + 1)
        size = (bottom - top) * (right - left)
        inside, whole, outside, others = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
        n_inside = n_whole = n_outside = n_others = 0
        for y in range(top, bottom):
            for x in range(left, right):
                value = float(plane[y, x])
                if not np.isfinite(value):
                    continue
                if labels[y, x] == k:
                    whole[n_whole] = value
                    n_whole += 1
                    # The interior of a very large object is not comparable with its edge, especially on an uneven
                    # background.
                    if (
                        (y >= rim and labels[y - rim, x] != k)
                        or (y + rim < height and labels[y + rim, x] != k)
                        or (x >= rim and labels[y, x - rim] != k)
                        or (x + rim < width and labels[y, x + rim] != k)
                    ):
                        inside[n_inside] = value
                        n_inside += 1
                elif labels[y, x] == 0:
                    outside[n_outside] = value
                    n_outside += 1
                else:
                    others[n_others] = value
                    n_others += 1
        if n_inside == 0:  # the object nearly fills a small view
            inside, n_inside = whole, n_whole
        if n_outside == 0:
            outside, n_outside = others, n_others
        if n_inside and n_outside:
            middle = (_smallest(inside, n_inside, (n_inside - 1) // 2) + _smallest(inside, n_inside, n_inside // 2)) / 2
            # Objects along a step of the background, as in a stitched mosaic, are as bright as one side of it.
            brighter[k] = middle - _smallest(outside, n_outside, int(_SIDE * (n_outside - 1)))
            darker[k] = _smallest(outside, n_outside, int((1 - _SIDE) * (n_outside - 1))) - middle
        means = np.empty(size // (cell * cell) + 1)
        n_means = 0
        for y in range(top, bottom - cell + 1, cell):
            for x in range(left, right - cell + 1, cell):
                total, used = 0.0, 0
                for v in range(y, y + cell):
                    for u in range(x, x + cell):
                        if (labels[v, u] == k or labels[v, u] == 0) and np.isfinite(float(plane[v, u])):
                            total += float(plane[v, u])
                            used += 1
                if used == cell * cell and n_means < len(means):
                    means[n_means] = total / used
                    n_means += 1
        if n_means > 4:
            high = _smallest(means, n_means, int(0.9 * (n_means - 1)))
            edge[k] = high - _smallest(means, n_means, int(0.1 * (n_means - 1)))
    return brighter, darker, edge
