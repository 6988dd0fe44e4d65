"""Constraints for the compiled loops, as flat positions in one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Positions = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GridConstraints:
    """Constraints of one image; pixels are positions in the flat image.

    Attributes
    ----------
    must_link, cannot_link : (M, 2), (N, 2) int64
    foreground, background : (P,), (Q,) int64
        Foreground and background constraints; linked pixels are in ``foreground``.
    """

    must_link: _Positions
    cannot_link: _Positions
    foreground: _Positions
    background: _Positions

    def masked(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The foreground with the constraints applied."""
        result = mask.copy()
        result.flat[self.foreground] = True
        result.flat[self.background] = False
        return result
