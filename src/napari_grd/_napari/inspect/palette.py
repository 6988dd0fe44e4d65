"""Colors that mean the same in every layer of the plugin that shows a difference."""

from napari.utils import Colormap

_LOWER, _HIGHER = "#4d9bff", "#ff8c1a"  # told apart by color-blind people too

DIFFERENCE = Colormap([_LOWER, "black", _HIGHER], name="student minus teacher")
"""Of images: blue where the student is lower, black where both agree, orange where it is higher."""

LINE_DIFFERENCE = Colormap([_LOWER, "gray", _HIGHER], name="student minus teacher (lines)")
"""Of lines, which would vanish in black."""

DIFFERENCE_LIMITS = (-0.5, 0.5)
"""Differences of cosines that take the full colors."""
