"""Where the pixels of an array lie in the world."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Calibration:
    """Names, steps, origin and units of an array's axes, one of each for every axis.

    Attributes
    ----------
    axes : tuple of str
        Names; ``t``, ``c``, ``z``, ``y``, ``x`` have their usual meaning.
    scale : tuple of float
        Distance of two pixels, in the axis' unit.
    translate : tuple of float
        Where the centre of the first pixel lies.
    units : tuple of (str or None)
        Names as OME-Zarr spells them (``micrometer``, ``second``); None where there is none.
    """

    axes: tuple[str, ...]
    scale: tuple[float, ...]
    translate: tuple[float, ...]
    units: tuple[str | None, ...]

    @classmethod
    def of(
        cls,
        axes: Sequence[str],
        scale: Sequence[float] | None = None,
        translate: Sequence[float] | None = None,
        units: Sequence[str | None] | None = None,
    ) -> "Calibration":
        """A calibration; what is not given is 1, 0 and None.

        Examples
        --------
        >>> Calibration.of("yx", scale=(0.5, 0.5)).translate
        (0.0, 0.0)
        """
        count = len(axes)
        return cls(
            tuple(axes),
            tuple(float(step) for step in scale) if scale is not None else (1.0,) * count,
            tuple(float(start) for start in translate) if translate is not None else (0.0,) * count,
            tuple(units) if units is not None else (None,) * count,
        )

    def without(self, axis: int) -> "Calibration":
        """The calibration of an array that this axis was taken out of."""
        keep = [at for at in range(len(self.axes)) if at != axis]
        return Calibration(
            tuple(self.axes[at] for at in keep),
            tuple(self.scale[at] for at in keep),
            tuple(self.translate[at] for at in keep),
            tuple(self.units[at] for at in keep),
        )
