"""What Inspect says: names of views, and what their colors mean."""

from collections.abc import Collection
from typing import Literal

from napari_grd._napari.inspect.request import View
from napari_grd.graph.offsets import Offset

Eye = Literal["student", "teacher", "difference"]

EYES: dict[Eye, str] = {
    "student": "the student",
    "teacher": "the teacher",
    "difference": "student minus teacher",
}

VIEW_NAMES: dict[View, tuple[str, str]] = {
    "embedding": ("Embedding as colors", "Pixels that the model takes for one object have one color."),
    "affinities": (
        "Affinities, offset by offset",
        "How surely two pixels a fixed step apart are one object. A slider goes through the steps.",
    ),
    "boundaries": ("Boundary map", "Where the model sees one object end and the next begin."),
    "graph": (
        "Instance graph",
        "Each object as a dot, joined with its neighbors by lines that tell how alike they look to the model.",
    ),
}

_LEGEND = {
    "embedding": "<b>Embedding</b>: same color, same object. A model's colors mean the same in every image;"
    " background is dark.",
    "affinities": "<b>Affinities</b>: yellow, the two pixels belong together; purple, they do not.",
    "boundaries": "<b>Boundary map</b>: the brighter, the surer a boundary.",
    "graph": "<b>Graph</b>: lines from blue (the objects look different to the model) to yellow (they look alike,"
    " and would be merged if they touched).",
    "similarity": "<b>Similarity</b>: yellow like the pixel under the mouse, black unlike it.",
}

_DIFFERENCE = "<b>Difference</b>: blue where the student is lower than the teacher, orange where it is higher."
_EMBEDDING_DIFFERENCE = "<b>Embedding</b>: black where both agree, yellow where they point elsewhere."


def legend(eye: Eye, views: Collection[str]) -> str:
    """What the colors of these views mean, as rich text.

    Examples
    --------
    >>> legend("student", ["boundaries"])
    '<b>Boundary map</b>: the brighter, the surer a boundary.'
    """
    if eye != "difference":
        return "<br>".join(text for view, text in _LEGEND.items() if view in views)
    lines = [_EMBEDDING_DIFFERENCE] if "embedding" in views else []
    if set(views) - {"embedding"}:
        lines.append(_DIFFERENCE)
    return "<br>".join(lines)


def offset_text(offset: Offset, number: int, count: int) -> str:
    """An offset in words, for the line under the slider.

    Examples
    --------
    >>> offset_text((0, -9), 5, 10)
    'Affinity 6 of 10, offset (0, -9): each pixel and the one 9 px to its left'
    """
    words = {0: ("above", "below"), 1: ("to its left", "to its right")}
    parts = [f"{abs(step)} px {words[axis][step > 0]}" for axis, step in enumerate(offset) if step]
    return f"Affinity {number + 1} of {count}, offset {offset}: each pixel and the one {' and '.join(parts)}"
