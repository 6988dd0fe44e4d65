"""Colors shared by all layers that show a difference."""

from napari.utils import Colormap

_LOWER, _HIGHER = "#4d9bff", "#ff8c1a"  # safe for color-blind readers
_CLEAR = (0.0, 0.0, 0.0, 0.0)
_SIMILAR = (1.0, 0.9, 0.0)

SIMILARITY = Colormap([(*_SIMILAR, 0.0), (*_SIMILAR, 0.85)], name="similarity")
"""For an image over others: yellow where it is high, and what lies below where it is low."""

SIMILARITY_DIFFERENCE = Colormap([_LOWER, _CLEAR, _HIGHER], name="student minus teacher (over others)")
"""For an image over others, which are seen where both agree."""

DIFFERENCE = Colormap([_LOWER, "black", _HIGHER], name="student minus teacher")
"""For images: blue where the student is lower, black where both agree, orange where it is higher."""

LINE_DIFFERENCE = Colormap([_LOWER, "gray", _HIGHER], name="student minus teacher (lines)")
"""For lines, which would be invisible in black."""

DIFFERENCE_LIMITS = (-0.5, 0.5)
"""Differences of cosines that are shown in full color."""
