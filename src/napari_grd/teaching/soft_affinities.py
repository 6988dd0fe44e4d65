"""Soft affinities: the probability, from another program's outputs, that two pixels belong together.

Cellpose and StarDist predict more than labels: the probability of foreground, flows that diverge at borders, distances
to the border. These functions convert these to soft affinities at the standard offsets, by one formula::

    A(p, q) = min(f_p, f_q) * same(p, q) + 1 - max(f_p, f_q)
              both foreground, one object   both background

``f`` is the probability of foreground. The two pixels of a pair are assumed to be fully correlated: if one is uncertain
(in a faint cell), so is the other, and a pair deep inside an uncertain object still belongs together, either as object
or as background. The three functions differ in ``same``, in [0, 1]. Where the teacher is certain, all return the
affinities of its labels, with background as one segment.

Shapes: K standard offsets, S the spatial axes. The standard offsets run along
one axis each, and so do the paths between the pixels of a pair.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from napari_grd.graph.offsets import Index, default_offsets, pair_ends

Float = NDArray[np.float32]

_TRUST_IN_LABELS = 0.6
"""Above 0.5, so that flows modulate the labels, but do not overrule them."""

_LEAST_THRESHOLD = 0.01
"""Bounds the odds of a threshold close to 0 or 1."""

_BLUR = 3
"""Pixels over which a network blurs the reversal of flows at a border."""


def centered(probability: Float, threshold: float) -> Float:
    """Shift a probability so that the teacher's threshold becomes 0.5, which is the student's threshold.

    The odds are divided by those of the threshold; the order of pixels, 0 and 1 are preserved.

    Parameters
    ----------
    probability : (*S) float32
        In [0, 1], of being part of an instance.
    threshold : float
        The teacher's foreground threshold; in (0, 1).

    Returns
    -------
    (*S) float32

    Examples
    --------
    >>> centered(np.array([0, 0.25, 0.75, 1], np.float32), 0.75).tolist()
    [0.0, 0.10000000149011612, 0.5, 1.0]
    """
    if threshold == 0.5:
        return probability
    threshold = min(max(threshold, _LEAST_THRESHOLD), 1 - _LEAST_THRESHOLD)
    inside = probability * (1 - threshold)
    result: Float = (inside / (inside + (1 - probability) * threshold)).astype(np.float32)
    return result


def affinities_from_probability(labels: NDArray[Any], foreground: Float) -> Float:
    """Soft affinities of labels with a probability of foreground.

    ``same`` is 1 where the labels are equal, else 0.

    Parameters
    ----------
    labels : (*S) integers
        Instances, 0 is background.
    foreground : (*S) float32
        Probability in [0, 1] of being part of an instance.

    Returns
    -------
    (K, *S) float32
        In [0, 1]; 0 for pairs that leave the image.

    Examples
    --------
    >>> labels, foreground = np.array([[1, 1, 0]]), np.array([[1, 0.5, 0]], np.float32)
    >>> affinities_from_probability(labels, foreground)[1].tolist()
    [[0.0, 0.5, 0.5]]
    """
    return _soften(foreground, lambda _, here, partner: labels[here] == labels[partner])


def affinities_from_flows(labels: NDArray[Any], flows: Float, foreground: Float) -> Float:
    """Soft affinities of labels computed from flows, as in Cellpose.

    At every pixel the flow points to the center of its object. A network that is trained on unit vectors predicts their
    mean, so at a border of probability ``b`` the flow changes by ``2 b``. For neighbors ``x`` and ``x + u`` that gives
    ``b = min(|d| / 2, max(0, d . u))``, ``d`` being the change of the flow: it counts fully where the flows diverge
    within 60 degrees of ``u``, and not where they converge, as at a center. A path's ``border`` is the largest sum over
    three steps of the path, as networks blur the reversal, or its largest probability of background. Labels and flows
    are combined::

        same(p, q) = 0.6 * [equal labels] + 0.4 * (1 - border(p, q))

    Parameters
    ----------
    labels : (*S) integers
        Instances, 0 is background.
    flows : (D, *S) float32
        Flow along each of the D spatial axes, unit vectors where the network is certain. Longer ones are shortened.
    foreground : (*S) float32
        Probability in [0, 1] of being part of an instance.

    Returns
    -------
    (K, *S) float32
        In [0, 1]; 0 for pairs that leave the image. Independent of the flows, a pair of certain foreground is above 0.5
        if the labels are equal, and below if not.

    Notes
    -----
    A pair in a concave object whose straight path leaves the object gets 0.6 instead of 1.

    Examples
    --------
    >>> labels, certain = np.array([[1, 1, 2, 2]]), np.ones((1, 4), np.float32)
    >>> flows = np.zeros((2, 1, 4), np.float32)
    >>> affinities_from_flows(labels, flows, certain)[1].astype(float).round(1).tolist()
    [[0.0, 1.0, 0.4, 1.0]]
    >>> flows[1] = [[0, -1, 1, 0]]
    >>> affinities_from_flows(labels, flows, certain)[1].astype(float).round(1).tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """
    unit = flows / np.maximum(1, np.sqrt((flows**2).sum(0)))
    turns = [_turn(unit, axis) for axis in range(labels.ndim)]

    def same(offset: tuple[int, ...], here: Index, partner: Index) -> Float:
        axis = _axis(offset)
        length = -offset[axis]
        parting = _path(turns[axis], min(_BLUR, length), axis, np.sum)
        parting = _path(parting, length + 1 - min(_BLUR, length), axis, np.max)
        outside = 1 - _path(foreground, length + 1, axis, np.min)
        equal = labels[here] == labels[partner]
        border = np.maximum(np.minimum(parting, 1), outside)
        result: Float = _TRUST_IN_LABELS * equal + (1 - _TRUST_IN_LABELS) * (1 - border)
        return result

    return _soften(foreground, same)


def affinities_from_distances(distances: Float, foreground: Float) -> Float:
    """Soft affinities of objects given by radial distances, as in StarDist.

    Each pixel has the distance to the border of its object along rays, interpolated between rays. Whether its object
    extends to a pixel ``k`` away is evaluated with a tolerance of one pixel, in both directions::

        same(p, q) = sqrt(reach(p, q) * reach(q, p))
        reach(p, q) = clip(distance of p towards q - k + 1/2, 0, 1)

    Parameters
    ----------
    distances : (R, Y, X) float32
        Pixels to the border of the object along R rays, ray ``i`` at the angle
        ``2 pi i / R`` from x towards y. The border is half a pixel beyond the last pixel.
    foreground : (Y, X) float32
        Probability in [0, 1] of being part of an instance.

    Returns
    -------
    (K, Y, X) float32
        In [0, 1]; 0 for pairs that leave the image.

    Examples
    --------
    >>> distances = np.full((4, 1, 4), 0.5, np.float32)
    >>> distances[0], distances[2] = [[1.5, 0.5, 1.5, 0.5]], [[0.5, 1.5, 0.5, 1.5]]
    >>> affinities_from_distances(distances, np.ones((1, 4), np.float32))[1].tolist()
    [[0.0, 1.0, 0.0, 1.0]]
    """

    def same(offset: tuple[int, ...], here: Index, partner: Index) -> Float:
        axis = _axis(offset)
        length = -offset[axis]
        quarter = 1 if axis == 0 else 0  # of a turn, from x towards y
        ahead, back = _ray(distances, quarter + 2)[here], _ray(distances, quarter)[partner]
        result: Float = np.sqrt(np.clip(ahead - length + 0.5, 0, 1) * np.clip(back - length + 0.5, 0, 1))
        return result

    return _soften(foreground, same)


def _soften(foreground: Float, same: Callable[[tuple[int, ...], Index, Index], Any]) -> Float:
    result = np.zeros((len(default_offsets(foreground.ndim)), *foreground.shape), np.float32)
    for affinity, offset, here, partner in _pairs(result):
        own, other = foreground[here], foreground[partner]
        affinity[here] = np.minimum(own, other) * same(offset, here, partner) + 1 - np.maximum(own, other)
    return result


def _pairs(result: Float) -> Iterator[tuple[Float, tuple[int, ...], Index, Index]]:
    """The affinities of each offset with pairs inside the image, with the ends of its pairs."""
    shape = result.shape[1:]
    for affinity, offset in zip(result, default_offsets(len(shape)), strict=True):
        here, partner = pair_ends(offset, shape)
        if affinity[here].size:
            yield affinity, offset, here, partner


def _axis(offset: tuple[int, ...]) -> int:
    return next(axis for axis, step in enumerate(offset) if step)


def _turn(unit: Float, axis: int) -> Float:
    """Probability of a border between neighbors along an axis: ``(*S)``, one shorter along it."""
    change = np.diff(unit, axis=axis + 1)
    result: Float = np.minimum(np.sqrt((change**2).sum(0)) / 2, np.maximum(change[axis], 0))
    return result


def _path(values: Float, length: int, axis: int, reduce: Callable[..., Any]) -> Float:
    """Reduce over every run of ``length`` along an axis."""
    if length == 1:
        return values
    result: Float = reduce(sliding_window_view(values, length, axis), axis=-1)
    return result


def _ray(distances: Float, quarters: int) -> Float:
    """Distances in a direction, in quarters of a turn from x towards y."""
    position = quarters % 4 / 4 * len(distances)
    before = int(position)
    share = np.float32(position - before)
    result: Float = (1 - share) * distances[before] + share * distances[(before + 1) % len(distances)]
    return result
