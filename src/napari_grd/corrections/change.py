"""What a gesture changed, and what it takes to undo it."""

from dataclasses import dataclass

import numpy as np

from napari_grd.corrections.said import Said
from napari_grd.corrections.solve import Solved

Plane = tuple[int, ...]


@dataclass(frozen=True)
class Change:
    """Where labels may differ now.

    Attributes
    ----------
    plane : tuple of int
        Index of the plane; of a link, the second one.
    window : (slice, slice)
        Rows and columns; empty if nothing changed.
    ids : tuple of int
        Objects that gained or lost pixels there, sorted.
    elsewhere : tuple of Change
        The same for other planes; only links change any.
    """

    plane: Plane
    window: tuple[slice, slice]
    ids: tuple[int, ...]
    elsewhere: tuple["Change", ...] = ()


@dataclass(frozen=True, eq=False)
class Part:
    """What a correction did to a plane: what had been said there before, and what it solved."""

    plane: Plane
    before: Said
    solved: Solved

    @property
    def change(self) -> Change:
        """Where labels may differ."""
        y0, x0, y1, x1 = self.solved.box
        differ = self.solved.before != self.solved.after
        ids = np.union1d(self.solved.before[differ], self.solved.after[differ])
        return Change(self.plane, (slice(y0, y1), slice(x0, x1)), tuple(ids[ids > 0].tolist()))


@dataclass(frozen=True, eq=False)
class Step:
    """A correction that was made, with all that it takes to undo it.

    Attributes
    ----------
    id : str
        Of the correction.
    parts : tuple of Part
        At least one, no two of a plane.
    """

    id: str
    parts: tuple[Part, ...]

    @property
    def change(self) -> Change:
        """Where labels may differ."""
        main, *others = (part.change for part in self.parts)
        return Change(main.plane, main.window, main.ids, tuple(others))
