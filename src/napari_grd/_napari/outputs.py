"""World transform and provenance of layers computed from other layers."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_grd import __version__
from napari_grd.config import SegmentConfig
from napari_grd.config_base import Config
from napari_grd.errors import ConfigError

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_grd.models.model import Model


_VIEW = ("object_diameter", "pixel_size", "invert", "intensity_range", "anisotropy")


def provenance(model: "Model | None" = None, config: Config | None = None, **more: Any) -> dict[str, Any]:
    """Provenance of a layer: version, model and settings, JSON-compatible."""
    made: dict[str, Any] = {"version": __version__}
    if model is not None:
        made["model"] = model.card.model_dump(mode="json", exclude={"recipe"})
    if config is not None:
        made["config"] = config.model_dump(mode="json")
    return made | more


def made_by(layer: "Layer | None") -> dict[str, Any]:
    """What is known of how a layer was made, as far as it was made here."""
    provenance = None if layer is None else layer.metadata.get("napari_grd")
    return provenance if isinstance(provenance, dict) else {}


def is_view(layer: "Layer") -> bool:
    """Whether a layer is only for looking at: a view of Inspect, or a preview of Distill."""
    return not made_by(layer).keys().isdisjoint(("view", "preview"))


def view_settings(made_by: Mapping[str, Any]) -> SegmentConfig:
    """The model's view of the image when labels were made, as far as :func:`provenance` recorded it.

    Missing or invalid values are estimated from the image; labels of earlier versions, which recorded none, were made
    at the image's own size.
    """
    config = made_by.get("config")
    if not isinstance(config, Mapping):
        return SegmentConfig()
    settings = SegmentConfig(object_diameter=None)
    for name in _VIEW:
        if name in config:
            with suppress(ConfigError):
                settings = settings.replace(**{name: config[name]})
    return settings


def add_unselected(layers: Any, layer: "Layer", index: int | None = None) -> None:
    """Add a layer to a viewer's layers, on top or at an index, and leave the selected layer selected."""
    active = layers.selection.active
    layers.insert(len(layers) if index is None else index, layer)
    layers.selection.active = active


def output_options(
    layer: "Layer",
    *,
    axes: Sequence[int] | None = None,
    new_axes: Sequence[str] = (),
    factors: Sequence[float] | None = None,
    start: Sequence[float] | None = None,
    made_by: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Keyword arguments that align a new layer with the data it was computed from.

    Parameters
    ----------
    layer : Layer
        The layer it was computed from.
    axes : sequence of int, optional
        Axes of the layer that the new one keeps, in its order. Default: all.
    new_axes : sequence of str
        Labels of axes that the new layer has in front of these, with step 1.
    factors : sequence of float, optional
        By how much each kept axis is coarser than the layer's data (a level
        of a pyramid). Default: 1.
    start : sequence of float, optional
        First pixel of the new layer, in data coordinates of each kept axis
        (a region). Default: 0.
    made_by : mapping, optional
        From :func:`provenance`.

    Returns
    -------
    dict
        scale, translate, units, axis_labels, metadata; rotate, shear and
        affine too where all axes are kept.
    """
    kept = list(range(layer.ndim)) if axes is None else list(axes)
    count = len(new_axes)
    scale = np.asarray(layer.scale)[kept]
    coarser = np.ones(len(kept)) if factors is None else np.asarray(factors, float)
    first = np.zeros(len(kept)) if start is None else np.asarray(start, float)
    # The center of a coarse pixel is not that of the first fine one it covers.
    origin = first + (coarser - 1) / 2
    default = [str(axis) for axis in range(-count - len(kept), 0)][count:]
    unnamed = tuple(str(axis) for axis in range(-layer.ndim, 0))  # napari's names of unnamed axes
    names = default if layer.axis_labels == unnamed else [layer.axis_labels[axis] for axis in kept]
    options: dict[str, Any] = {
        "scale": (*(1.0,) * count, *(scale * coarser)),
        "translate": (*(0.0,) * count, *(np.asarray(layer.translate)[kept] + origin * scale)),
        "units": (*("pixel",) * count, *(str(layer.units[axis]) for axis in kept)),
        "axis_labels": (*new_axes, *names),
        "metadata": {"napari_grd": dict(made_by or {})},
    }
    if kept == list(range(layer.ndim)) and not count:
        options["rotate"] = layer.rotate
        options["shear"] = layer.shear
        options["affine"] = layer.affine
        # The layer's axes may be rotated, so the translation must be rotated with them.
        options["translate"] = tuple(layer.affine.inverse(layer.data_to_world(origin)))
    return options
