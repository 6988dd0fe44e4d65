"""What a Labels layer is: a model's segmentation, or labels that were made by hand."""

import re
from collections.abc import Sequence
from enum import IntEnum

from napari.layers import Labels

from napari_grd._napari.outputs import made_by

_TRUTH = re.compile(r"truth|reference|manual|annotat|by hand|expert|(?<![a-z])gt(?![a-z])", re.IGNORECASE)


class Role(IntEnum):
    """How much a layer is a model's result; the greatest is judged, the least is the reference."""

    TRUTH = 0
    """Its name says that it is the ground truth."""
    UNKNOWN = 1
    """Drawn in napari, or opened from a file that does not say."""
    CORRECTED = 2
    """A model's result that was corrected."""
    LIVE = 3
    """Of what was seen; a layer of the whole image is judged rather than this."""
    MODEL = 4


def role_of(layer: Labels) -> Role | None:
    """The role of a layer, by its metadata and its name; None for a picture of errors, or a preview."""
    made = made_by(layer)
    if "judged" in made or "preview" in made:
        return None
    if made.get("live"):
        return Role.LIVE
    if "model" in made or "models" in made:
        return Role.CORRECTED if made.get("corrected") else Role.MODEL
    return Role.TRUTH if _TRUTH.search(layer.name) else Role.UNKNOWN


def judged_and_reference(layers: Sequence[Labels]) -> tuple[Labels, Labels] | None:
    """The layer to judge, and the one to judge it by.

    Parameters
    ----------
    layers : sequence of Labels
        The topmost first. Of layers of one role the topmost is judged.

    Returns
    -------
    (Labels, Labels) or None
        None if there are not two. A reference has the shape of what is judged, if one has.
    """
    roles = {layer: role for layer in layers if (role := role_of(layer)) is not None}
    if len(roles) < 2:
        return None
    judged = max(roles, key=lambda layer: roles[layer])
    shape = judged.extent.data.shape, judged.extent.data.tolist()
    others = [layer for layer in roles if layer is not judged]
    fitting = [layer for layer in others if (layer.extent.data.shape, layer.extent.data.tolist()) == shape]
    return judged, min(fitting or others, key=lambda layer: roles[layer])
