"""Sampling of planes from a stack or series."""

import math

import numpy as np


def sample_planes(plane_shape: tuple[int, ...], count: int) -> list[tuple[int, ...]]:
    """Indices of evenly spaced planes, including the first and the last.

    Examples
    --------
    >>> sample_planes((9,), 3), sample_planes((), 3)
    ([(0,), (4,), (8,)], [()])
    """
    total = math.prod(plane_shape)
    numbers = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
    return [tuple(int(i) for i in np.unravel_index(number, plane_shape)) if plane_shape else () for number in numbers]
