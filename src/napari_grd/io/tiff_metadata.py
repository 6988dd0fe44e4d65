"""Metadata of a TIFF: pixel size, time step, and channel names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np

from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import Channel
from napari_grd.io.units import TIMES, unit_name

_INCH, _CENTIMETER = 2, 3  # values of the tag ResolutionUnit
_PRINTED = 19.5  # micrometers: larger pixel sizes are print resolutions (72, 300, 1200 dpi)


@dataclass(frozen=True)
class Steps:
    """Step, unit and origin of axes, by letter, as far as known."""

    scale: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    translate: dict[str, float] = field(default_factory=dict)

    def calibration(self, axes: str) -> Calibration:
        """Calibration of an array with these axes."""
        return Calibration.of(
            axes,
            [self.scale.get(axis, 1.0) for axis in axes],
            [self.translate.get(axis, 0.0) for axis in axes],
            [self.units.get(axis) for axis in axes],
        )


def steps_of(file: Any, series: Any, image: int) -> Steps:
    """Steps of a series of a tifffile.TiffFile; ``image`` is its index in the OME-XML."""
    if series.kind == "ome" and file.ome_metadata:
        return _ome_steps(_ome_image(file.ome_metadata, image, series.name or ""))
    if file.is_imagej and file.imagej_metadata:
        return _imagej_steps(file)
    if file.is_lsm and file.lsm_metadata:
        return _lsm_steps(file.lsm_metadata)
    return _tag_steps(series.keyframe)


def channels_of(file: Any, series: Any, image: int, count: int) -> tuple[Channel, ...]:
    """Names and colors of ``count`` channels, as far as known."""
    channels: list[Channel] = []
    if series.kind == "ome" and file.ome_metadata:
        described = _ome_image(file.ome_metadata, image, series.name or "")
        channels = [_ome_channel(channel) for channel in described.iter("Channel")]
    elif file.is_imagej and file.imagej_metadata:
        channels = _imagej_channels(file.imagej_metadata, count)
    return tuple(channels) if len(channels) == count else (Channel(),) * count


def ome_root(text: str) -> ElementTree.Element:
    """The OME-XML without its namespaces."""
    root = ElementTree.fromstring(text)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _ome_image(text: str, image: int, name: str) -> ElementTree.Element:
    images = ome_root(text).findall("Image")
    if image < len(images) and (images[image].get("Name") or "") == name:
        return images[image]
    # Images without any existing plane are not counted.
    named = [element for element in images if (element.get("Name") or "") == name]
    return named[0] if named else ElementTree.Element("Image")


def _ome_steps(image: ElementTree.Element) -> Steps:
    steps = Steps()
    pixels = image.find("Pixels")
    if pixels is None:
        return steps
    for axis in "zyx":
        letter = axis.upper()
        _add(steps, axis, pixels.get(f"PhysicalSize{letter}"), pixels.get(f"PhysicalSize{letter}Unit", "µm"))
    for axis, other in ("yx", "xy"):  # pixels are square by default
        if axis not in steps.scale and other in steps.scale:
            steps.scale[axis], steps.units[axis] = steps.scale[other], steps.units[other]
    _add(steps, "t", pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    planes = pixels.findall("Plane")
    if "t" not in steps.scale:
        _add(steps, "t", _time_between(planes), _first(planes, "DeltaTUnit", "s"))
    for axis in "tzyx":
        name = "DeltaT" if axis == "t" else f"Position{axis.upper()}"
        start = _number(planes[0].get(name)) if planes else None
        # Stage positions have arbitrary units, which are unrelated to the pixel size.
        if start is not None and unit_name(planes[0].get(f"{name}Unit", "s")) == steps.units.get(axis):
            steps.translate[axis] = start
    return steps


def _time_between(planes: list[ElementTree.Element]) -> float | None:
    times = [_number(plane.get("DeltaT")) for plane in planes if plane.get("TheZ") == plane.get("TheC") == "0"]
    between = np.diff([time for time in times if time is not None])
    return float(np.median(between)) if len(between) and np.median(between) > 0 else None


def _first(planes: list[ElementTree.Element], name: str, default: str) -> str:
    return planes[0].get(name, default) if planes else default


def _ome_channel(channel: ElementTree.Element) -> Channel:
    color = None
    if (stored := channel.get("Color")) is not None:
        try:
            red_green_blue = (int(stored) & 0xFFFFFFFF) >> 8
            color = f"{red_green_blue:06X}" if red_green_blue else None
        except ValueError:
            pass
    return Channel(name=channel.get("Name") or channel.get("Fluor") or "", color=color)


def _imagej_steps(file: Any) -> Steps:
    steps = Steps()
    metadata: Mapping[str, Any] = file.imagej_metadata
    unit = str(metadata.get("unit", ""))
    tags = file.pages[0].tags
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        _add(steps, axis, _inverse(tags, tag), metadata.get(f"{axis}unit", unit))
    _add(steps, "z", metadata.get("spacing"), metadata.get("zunit", unit))
    _add(steps, "t", metadata.get("finterval"), metadata.get("tunit", "sec"))
    return steps


def _imagej_channels(metadata: Mapping[str, Any], count: int) -> list[Channel]:
    tables = metadata.get("LUTs") or []
    names = metadata.get("Labels") or []
    names = [str(name).splitlines()[0] if name else "" for name in names] if len(names) == count > 1 else [""] * count
    if len(tables) != count:
        return [Channel(name=name) for name in names]
    colors = ["".join(f"{int(value):02X}" for value in np.asarray(table)[:, -1]) for table in tables]
    plain = ("FFFFFF", "000000")
    return [Channel(name, None if color in plain else color) for name, color in zip(names, colors, strict=True)]


def _lsm_steps(metadata: Mapping[str, Any]) -> Steps:
    steps = Steps()
    for axis in "zyx":
        size = metadata.get(f"VoxelSize{axis.upper()}")
        _add(steps, axis, None if not size else float(size) * 1e6, "µm")
    _add(steps, "t", metadata.get("TimeIntervall"), "s")
    return steps


def _tag_steps(page: Any) -> Steps:
    """Pixel size from the resolution, unless that is a print resolution."""
    steps = Steps()
    unit = page.tags.valueof("ResolutionUnit", _INCH)
    micrometers = {_INCH: 25_400.0, _CENTIMETER: 10_000.0}.get(int(unit))
    for axis, tag in (("x", "XResolution"), ("y", "YResolution")):
        step = _inverse(page.tags, tag)
        if step and micrometers and step * micrometers < _PRINTED:
            _add(steps, axis, round(step * micrometers, 9), "µm")
    return steps if "x" in steps.scale and "y" in steps.scale else Steps()


def _inverse(tags: Any, name: str) -> float | None:
    try:
        above, below = tags.valueof(name)
        return float(below) / float(above)
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _add(steps: Steps, axis: str, step: Any, unit: Any) -> None:
    """Store a step if it and its unit are meaningful; not if it is in pixels."""
    name = unit_name(str(unit))
    if name is None or (name in TIMES) != (axis == "t"):
        return
    if (number := _number(step)) is not None and number > 0:
        steps.scale[axis], steps.units[axis] = number, name


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
