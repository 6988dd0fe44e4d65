"""Borders between touching objects of a label image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def widen_borders(labels: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Set the pixels at borders of touching objects to 0, plane by plane (method.md, section 4).

    Parameters
    ----------
    labels : (..., Y, X) integer
        Objects by number from 1. Background, 0, and ignored pixels, below, separate no objects and stay as they are.

    Returns
    -------
    (..., Y, X) int64
        0 where the 3 x 3 pixels around one, within its plane, belong to two objects or more.

    Examples
    --------
    >>> widen_borders(np.array([[1, 1, 1, 2, 2, 0, 3]]))
    array([[1, 1, 0, 0, 2, 0, 3]])
    """
    labels = np.asarray(labels, np.int64)
    window = (1,) * (labels.ndim - 2) + (3, 3)
    none = labels.max(initial=0) + 1  # the filters compute in double precision
    highest = ndimage.maximum_filter(labels, window, mode="mirror")
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, none), window, mode="mirror")
    result: NDArray[np.int64] = np.where((labels > 0) & (lowest != highest), 0, labels)
    return result
