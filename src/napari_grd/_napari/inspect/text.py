"""Texts of Inspect: names of views, and the meaning of their colors."""

from collections.abc import Collection, Sequence
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
    "similarity": "<b>Similarity</b>: the yellower, the more similar to the pixel under the mouse.",
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


def offset_text(offset: Offset, number: int, count: int, size: Sequence[float] = ()) -> str:
    """Description of an offset, for the line under the slider.

    Parameters
    ----------
    offset : tuple of int
        Of a plane or volume.
    number, count : int
        Which offset, of how many.
    size : sequence of float
        Size of a pixel along each axis in micrometers; 0 where it is not known.

    Examples
    --------
    >>> offset_text((0, -9), 5, 10)
    'Affinity 6 of 10, offset (0, -9): each pixel and the one 9 px to its left'
    >>> offset_text((-4, 0, 0), 9, 12, (0.04, 0.008, 0.008))
    'Affinity 10 of 12, offset (-4, 0, 0): each voxel and the one 4 planes (160 nm) before it'
    """
    words = (("planes", "before it", "behind it"), ("px", "above", "below"), ("px", "to its left", "to its right"))
    parts = []
    for step, length, (unit, back, forth) in zip(
        offset, size or (0.0,) * len(offset), words[-len(offset) :], strict=True
    ):
        if step:
            named = "plane" if unit == "planes" and abs(step) == 1 else unit
            parts.append(f"{abs(step)} {named}{_length(abs(step) * length)} {forth if step > 0 else back}")
    what = "voxel" if len(offset) == 3 else "pixel"
    return f"Affinity {number + 1} of {count}, offset {offset}: each {what} and the one {' and '.join(parts)}"


def _length(micrometers: float) -> str:
    if not micrometers:
        return ""
    return f" ({micrometers:.3g} µm)" if micrometers >= 1 else f" ({1000 * micrometers:.3g} nm)"
