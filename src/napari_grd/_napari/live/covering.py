"""The layer that hides what Live would segment: one that was made of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from napari.layers import Image, Labels

from napari_grd._napari.outputs import made_by
from napari_grd._napari.roles import Role, role_of


def segmented_layers(viewer: Any) -> Iterator[Labels]:
    """All layers that a model has segmented, the topmost first, with the corrections that were made since."""
    for layer in reversed(viewer.layers):
        if isinstance(layer, Labels) and role_of(layer) in (Role.MODEL, Role.CORRECTED):
            yield layer


def covering(viewer: Any, image: Image, model: str) -> Labels | None:
    """The visible layer of a model over an image; None if there is none.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    image : Image
    model : str
        Name of the model that Live uses: labels of another one may be compared with it.
    """
    for layer in segmented_layers(viewer):
        made = made_by(layer).get("model")
        if "region" in made_by(layer):  # the rest of the image has no labels yet
            continue
        named = made.get("name") if isinstance(made, dict) else None
        if layer.visible and named == model and _place(layer) == _place(image):
            return layer
    return None


def _place(layer: Image | Labels) -> list[list[float]]:
    """First and last pixel of the displayed plane in the world, in whole numbers of a hundredth of a pixel."""
    step = np.abs(np.asarray(layer.scale)[-2:]) / 100
    corners: list[list[float]] = np.rint(layer.extent.world[:, -2:] / step).tolist()
    return corners
