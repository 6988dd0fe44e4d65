"""Conversion between calibrations and the attributes of napari layers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pint

from napari_grd.io.calibration import Calibration

LayerData = tuple[Any, dict[str, Any], str]  # data, keyword arguments and kind of a layer

_PIXEL = "pixel"
_ALIASES = {"time": "t", "frame": "t", "channel": "c", "depth": "z", "row": "y", "column": "x"}
_UNNAMED = "tczyx"


def layer_options(calibration: Calibration) -> dict[str, Any]:
    """Keyword arguments of a layer: scale, translate, units and axis labels."""
    return {
        "scale": calibration.scale,
        "translate": calibration.translate,
        "units": tuple(_known(unit) for unit in calibration.units),
        "axis_labels": calibration.axes,
    }


def layer_calibration(meta: Mapping[str, Any], ndim: int) -> Calibration:
    """The calibration of a layer, for saving.

    Parameters
    ----------
    meta : mapping
        The layer's keyword arguments, as napari passes them to writers.
    ndim : int
        Number of its axes. Unnamed axes are taken as the last of t, z, y and x.
    """
    units = [str(unit) for unit in meta.get("units") or (_PIXEL,) * ndim]
    return Calibration.of(
        _names([str(label) for label in meta.get("axis_labels") or ()], ndim),
        meta.get("scale"),
        meta.get("translate"),
        [None if unit == _PIXEL else unit for unit in units],
    )


def image_name(name: str, metadata: Mapping[str, Any] | None) -> str:
    """The source file or layer of labels from their metadata; else their own name."""
    made = (metadata or {}).get("napari_grd", {})
    return str(made.get("image") or name) if isinstance(made, Mapping) else name


def is_turned(meta: Mapping[str, Any]) -> bool:
    """Whether a layer is rotated, sheared or moved in a way that a calibration cannot represent."""
    values = [np.asarray(meta.get(key, 0), float) for key in ("rotate", "shear", "affine")]
    return not all(np.allclose(value, np.eye(len(value)) if value.ndim == 2 else 0) for value in values)


def _names(labels: list[str], ndim: int) -> list[str]:
    defaults = list(("tzyx" if ndim < 5 else _UNNAMED)[-ndim:])
    if len(labels) != ndim:
        return defaults
    names = [_ALIASES.get(label.lower(), label.lower()) for label in labels[:-2]]
    free = [name for name in defaults[:-2] if name not in names]
    # napari calls unnamed axes -3, -2 and -1.
    named = [free.pop() if name.lstrip("-").isdecimal() and free else name for name in reversed(names)]
    return [*reversed(named), *defaults[-2:]]


def _known(unit: str | None) -> str:
    """A unit that napari accepts; files may contain anything."""
    if unit is None:
        return _PIXEL
    try:
        pint.Unit(unit)
    except Exception:  # pint raises any error of its parser
        return _PIXEL
    return unit
