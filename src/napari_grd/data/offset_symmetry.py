"""Affinities of a rotated and flipped image: pairs change their direction, and so their channel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ConfigError
from napari_grd.graph.offsets import Offset, pair_ends


def transform_affinities(
    affinities: NDArray[np.float32], offsets: Sequence[Offset], turns: int, flip: bool
) -> NDArray[np.float32]:
    """Affinities of a plane after rotations by 90° and a flip of its last axis.

    A rotated pair is along another offset, or against one: then it belongs to its other end::

        (p, p + o)  --turn-->  (p', p' + Ro)      Ro an offset: that channel, at p'
                                                  -Ro an offset: that channel, at p' + Ro

    Parameters
    ----------
    affinities : (K, H, W) float32
        Channel ``k`` at pixel ``p`` is that of the pair ``(p, p + offsets[k])``.
    offsets : sequence of Offset
        K offsets that are the same set, up to signs, after a rotation.
    turns : int
        Number of rotations by 90 degrees, as in :func:`numpy.rot90`.
    flip : bool
        Whether the last axis is flipped afterwards.

    Returns
    -------
    (K, H, W) or (K, W, H) float32
        NaN where the partner is outside.

    Raises
    ------
    ConfigError
        If a rotated offset is not among the offsets.

    Examples
    --------
    >>> columns = np.array([[[np.nan, 1, 0]], [[np.nan] * 3]], np.float32)
    >>> transform_affinities(columns, [(0, -1), (-1, 0)], 0, True)[0]
    array([[nan,  0.,  1.]], dtype=float32)
    """
    moved = np.rot90(affinities, turns, axes=(-2, -1))
    if flip:
        moved = moved[..., ::-1]
    result = np.full(moved.shape, np.nan, np.float32)
    channel = {tuple(offset): k for k, offset in enumerate(offsets)}
    for values, offset in zip(moved, offsets, strict=True):
        turned = _turned(offset, turns, flip)
        back = (-turned[0], -turned[1])
        if turned in channel:
            here, _ = pair_ends(turned, values.shape)
            result[channel[turned]][here] = values[here]
        elif back in channel:
            here, partner = pair_ends(back, values.shape)
            result[channel[back]][here] = values[partner]
        else:
            raise ConfigError(f"The offset {tuple(offset)} has no counterpart after a turn.", "Use offsets_2d().")
    return result


def _turned(offset: Offset, turns: int, flip: bool) -> tuple[int, int]:
    down, right = offset
    for _ in range(turns % 4):
        down, right = -right, down
    return (down, -right) if flip else (down, right)
