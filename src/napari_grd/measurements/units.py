"""Step, origin and unit of measurements, from the calibration of a label image."""

from typing import Any

from napari_grd.io.calibration import Calibration
from napari_grd.io.units import LENGTHS, MICROMETERS


def measuring_units(place: Calibration, ndim: int) -> tuple[dict[str, Any], str]:
    """Arguments for :func:`~napari_grd.measurements.objects.measure`, in the unit of x.

    Parameters
    ----------
    place : Calibration
        Of all axes.
    ndim : {2, 3}
        An object extends over this many axes, the last ones.

    Returns
    -------
    options : dict
        ``scale``, ``translate`` and ``unit`` as far as they are known; pixels if one axis has no length.
    unknown : str
        That axis; empty if there is none, or no axis has a unit.
    """
    units = place.units[-ndim:]
    if not any(units):
        return {"scale": place.scale, "translate": place.translate}, ""
    lengths = [MICROMETERS.get(unit or "") for unit in units]
    if None in lengths:
        return {"unit": "px"}, place.axes[-ndim:][lengths.index(None)]
    factors = [1.0] * (len(place.axes) - ndim) + [(length or 1) / (lengths[-1] or 1) for length in lengths]
    return {
        "scale": tuple(abs(step) * factor for step, factor in zip(place.scale, factors, strict=True)),
        "translate": tuple(start * factor for start, factor in zip(place.translate, factors, strict=True)),
        "unit": LENGTHS[units[-1] or ""],
    }, ""
