"""The spatial and temporal calibration of an array."""

from collections.abc import Sequence
from dataclasses import dataclass

from napari_grd.io.units import MICROMETERS


@dataclass(frozen=True)
class Calibration:
    """Names, steps, origin and units of an array's axes, one of each for every axis.

    Attributes
    ----------
    axes : tuple of str
        Names; ``t``, ``c``, ``z``, ``y``, ``x`` have their usual meaning.
    scale : tuple of float
        Distance between two pixels, in the axis' unit.
    translate : tuple of float
        Position of the center of the first pixel.
    units : tuple of (str or None)
        Names as in OME-Zarr (``micrometer``, ``second``); None if unknown.
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
        """A calibration; the defaults are 1, 0 and None.

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

    @property
    def micrometers(self) -> tuple[float, float] | None:
        """Height and width of a pixel; None if a unit of length is missing.

        Examples
        --------
        >>> Calibration.of("yx", (500.0, 500.0), units=("nanometer", "nanometer")).micrometers
        (0.5, 0.5)
        """
        size = {
            axis: abs(step) * MICROMETERS.get(unit or "", 0)
            for axis, step, unit in zip(self.axes, self.scale, self.units, strict=True)
        }
        height, width = size.get("y", 0), size.get("x", 0)
        return (height, width) if height and width else None

    @property
    def pixel_size(self) -> float | None:
        """Side of a pixel in micrometers; None if unknown, or pixels are not square."""
        height, width = self.micrometers or (0.0, 1.0)
        return width if abs(height / width - 1) < 0.01 else None

    @property
    def anisotropy(self) -> float | None:
        """Distance of planes divided by the width of a pixel; None if unknown.

        Examples
        --------
        >>> Calibration.of("zyx", (2.0, 0.5, 0.5), units=("micrometer",) * 3).anisotropy
        4.0
        """
        width = (self.micrometers or (0.0, 0.0))[1]
        if not width or "z" not in self.axes:
            return None
        z = self.axes.index("z")
        depth = abs(self.scale[z]) * MICROMETERS.get(self.units[z] or "", 0)
        return depth / width or None

    def without(self, axis: int) -> "Calibration":
        """The calibration without an axis."""
        keep = [i for i in range(len(self.axes)) if i != axis]
        return Calibration(
            tuple(self.axes[i] for i in keep),
            tuple(self.scale[i] for i in keep),
            tuple(self.translate[i] for i in keep),
            tuple(self.units[i] for i in keep),
        )
