"""Texts of Inspect: names of views, and the meaning of their colors."""

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
    "embedding": ("Embedding as colors", "Pixels that the model assigns to one object have one color."),
    "affinities": (
        "Affinities, offset by offset",
        "How certain the model is that two pixels at a fixed offset belong to one object. A slider selects the offset.",
    ),
    "boundaries": ("Boundary map", "Boundaries between objects, as predicted by the model."),
    "graph": (
        "Instance graph",
        "Each object as a node; edges to its neighbors show how similar they are to the model.",
    ),
}

_LEGEND = {
    "embedding": "<b>Embedding</b>: same color, same object. A model's colors mean the same in every image;"
    " background is dark.",
    "affinities": "<b>Affinities</b>: yellow, the two pixels belong to one object; purple, they do not.",
    "boundaries": "<b>Boundary map</b>: the brighter, the surer a boundary.",
    "graph": "<b>Graph</b>: lines from blue (the objects look different to the model) to yellow (they look alike,"
    " and would be merged if they touched).",
    "similarity": "<b>Similarity</b>: yellow similar to the pixel under the mouse, black dissimilar.",
}

_DIFFERENCE = "<b>Difference</b>: blue where the student is lower than the teacher, orange where it is higher."
_EMBEDDING_DIFFERENCE = "<b>Embedding</b>: black where both agree, yellow where they differ."


def legend(eye: Eye, views: Collection[str]) -> str:
    """The meaning of the colors of these views, as rich text.

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
    """Description of an offset, for the line under the slider.

    Examples
    --------
    >>> offset_text((0, -9), 5, 10)
    'Affinity 6 of 10, offset (0, -9): each pixel and the one 9 px to its left'
    """
    words = {0: ("above", "below"), 1: ("to its left", "to its right")}
    parts = [f"{abs(step)} px {words[axis][step > 0]}" for axis, step in enumerate(offset) if step]
    return f"Affinity {number + 1} of {count}, offset {offset}: each pixel and the one {' and '.join(parts)}"
