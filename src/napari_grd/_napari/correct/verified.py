"""Which objects somebody has verified, and which of these are still as they were."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.corrections import Accept, Correction

Plane = tuple[int, ...]


class Verified:
    """Numbers of verified objects, plane by plane."""

    def __init__(self) -> None:
        self._standing: dict[Plane, dict[str, int]] = {}

    def look(self, plane: Plane, labels: NDArray[Any], corrections: Iterable[Correction]) -> None:
        """See which of a plane's acceptances still hold.

        Parameters
        ----------
        plane : tuple of int
        labels : integer array, shape (H, W)
            The plane now.
        corrections : iterable of Correction
            All of the plane.
        """
        found = {one.id: still(one, labels) for one in corrections if isinstance(one, Accept)}
        self._standing[plane] = {one: number for one, number in found.items() if number}

    def objects(self, plane: Plane) -> set[int]:
        """Numbers of the verified objects of a plane."""
        return set(self._standing.get(plane, {}).values())

    def holds(self, correction: Correction) -> bool:
        """Whether this is an acceptance whose object has not changed since."""
        return correction.id in self._standing.get(correction.plane, {})


def still(accepted: Accept, labels: NDArray[Any]) -> int:
    """The number of an accepted object if it has exactly the pixels that were accepted, else 0.

    Examples
    --------
    >>> from napari_grd.corrections import Region
    >>> accepted = Accept((0, 1), Region([(0, 1, 2)]))
    >>> still(accepted, np.array([[0, 4, 4]])), still(accepted, np.array([[4, 4, 4]]))
    (4, 0)
    """
    number = int(labels[accepted.pixel])
    y0, x0, y1, x1 = accepted.region.box
    # One pixel more on all sides: an object that has grown has a pixel beside what was accepted.
    top, left = max(0, y0 - 1), max(0, x0 - 1)
    seen = labels[top : y1 + 1, left : x1 + 1] == number
    for y, x, length in accepted.region.runs:
        run = seen[y - top, x - left : x - left + length]
        if not run.all():
            return 0
    return number if int(np.count_nonzero(seen)) == accepted.region.area else 0
