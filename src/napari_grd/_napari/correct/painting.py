"""What was painted with napari's own tools, as corrections."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd._napari.correct.objects import Pixel, Plane
from napari_grd.corrections import Correction, Draw, Erase, Region


def painted(before: NDArray[np.uint32], after: NDArray[Any], plane: Plane) -> list[Correction]:
    """The corrections that painting said.

    Parameters
    ----------
    before : uint32 array, shape (H, W)
        The plane as it was.
    after : integer array, shape (H, W)
        As it was painted.
    plane : tuple of int
        Which plane.

    Returns
    -------
    list of Correction
        A Draw for each number that was painted with, an Erase for each object that lost pixels to the background.

    Examples
    --------
    >>> before = np.array([[1, 1, 0, 0]], np.uint32)
    >>> painted(before, np.array([[1, 1, 1, 0]]), ())[0].pixel
    (0, 0)
    """
    changed = before != after
    rows = np.flatnonzero(changed.any(axis=1))
    if not len(rows):
        return []
    columns = np.flatnonzero(changed.any(axis=0))
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    origin = (window[0].start, window[1].start)
    changed, old, new = changed[window], before[window], after[window]
    found: list[Correction] = []
    for number in np.unique(old[changed & (new == 0)]).tolist():
        erased = Region.from_mask(changed & (new == 0) & (old == number), origin)
        found.append(Erase(erased, _pixel_of(before, after, number), plane=plane))
    for number in np.unique(new[changed & (new != 0)]).tolist():
        drawn = Region.from_mask(changed & (new == number), origin)
        found.append(Draw(drawn, _pixel_of(before, after, number), plane=plane))
    return found


def _pixel_of(before: NDArray[np.uint32], after: NDArray[Any], number: int) -> Pixel | None:
    """A pixel that the object has before and after."""
    y, x = np.nonzero((before == number) & (after == number))
    return (int(y[0]), int(x[0])) if len(y) else None
