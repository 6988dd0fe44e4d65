"""Affinities of an image whose axes are exchanged and flipped: pairs change their direction, and so their channel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ConfigError
from napari_grd.graph.offsets import Offset, pair_ends


def transform_affinities(
    affinities: NDArray[np.float32], offsets: Sequence[Offset], order: Sequence[int], flips: Sequence[bool]
) -> NDArray[np.float32]:
    """Affinities of an image after an exchange of its axes and flips.

    A moved pair is along another offset, or against one: then it belongs to its other end::

        (p, p + o)  --move-->  (p', p' + Mo)      Mo an offset: that channel, at p'
                                                  -Mo an offset: that channel, at p' + Mo

    Parameters
    ----------
    affinities : (K, *S) float32
        Channel ``k`` at pixel ``p`` is that of the pair ``(p, p + offsets[k])``.
    offsets : sequence of Offset
        K offsets that are the same set, up to signs, after the move.
    order : sequence of int
        For each axis of the result, the axis of the image it comes from, as in :func:`numpy.transpose`.
    flips : sequence of bool
        Which axes of the result are flipped afterwards.

    Returns
    -------
    (K, *S') float32
        NaN where the partner is outside.

    Raises
    ------
    ConfigError
        If a moved offset is not among the offsets.

    See Also
    --------
    order_and_flips : Of a rotation by right angles.

    Examples
    --------
    >>> columns = np.array([[[np.nan, 1, 0]], [[np.nan] * 3]], np.float32)
    >>> transform_affinities(columns, [(0, -1), (-1, 0)], (0, 1), (False, True))[0]
    array([[nan,  0.,  1.]], dtype=float32)
    """
    moved = move_axes(affinities, order, flips)
    result = np.full(moved.shape, np.nan, np.float32)
    channel = {tuple(offset): k for k, offset in enumerate(offsets)}
    for values, offset in zip(moved, offsets, strict=True):
        ahead = tuple(-offset[axis] if flip else offset[axis] for axis, flip in zip(order, flips, strict=True))
        back = tuple(-step for step in ahead)
        if ahead in channel:
            here, _ = pair_ends(ahead, values.shape)
            result[channel[ahead]][here] = values[here]
        elif back in channel:
            here, partner = pair_ends(back, values.shape)
            result[channel[back]][here] = values[partner]
        else:
            raise ConfigError(f"The offset {tuple(offset)} has no counterpart after a turn.", "Use offsets_2d().")
    return result


def move_axes(array: NDArray[Any], order: Sequence[int], flips: Sequence[bool]) -> NDArray[Any]:
    """Exchange and flip the last axes of an array (a view); arguments as for :func:`transform_affinities`.

    Examples
    --------
    >>> move_axes(np.array([[1, 2], [3, 4]]), (1, 0), (True, False))
    array([[2, 4],
           [1, 3]])
    """
    leading = array.ndim - len(order)
    moved = array.transpose(*range(leading), *(leading + axis for axis in order))
    return np.flip(moved, tuple(leading + axis for axis, flip in enumerate(flips) if flip))


def order_and_flips(turns: int, flip: bool) -> tuple[tuple[int, int], tuple[bool, bool]]:
    """The axes and flips that equal rotations by 90 degrees, as in :func:`numpy.rot90`, and a flip of the last axis.

    Examples
    --------
    >>> order_and_flips(1, flip=False)
    ((1, 0), (True, False))
    """
    turns %= 4
    order = (1, 0) if turns % 2 else (0, 1)
    return order, (turns in (1, 2), (turns in (2, 3)) != flip)
