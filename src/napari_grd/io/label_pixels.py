"""Label images with their axes in one order, their calibration, and the channels of their image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from napari_grd.io.calibration import Calibration
from napari_grd.io.image_data import ImageData


@dataclass(frozen=True, eq=False)
class LabelPixels:
    """A label image with axes in the order of "tzyx".

    Attributes
    ----------
    labels : array of int
        The label image.
    axes : str
        One letter per axis.
    calibration : Calibration
        Calibration of these axes, from the label file or else the image.
    channels : mapping of str to array
        Each of the image's channels, with the axes of the labels.
    notes : tuple of str
        Messages for the user, in full sentences.
    """

    labels: Any = field(repr=False)
    axes: str
    calibration: Calibration
    channels: Mapping[str, Any]
    notes: tuple[str, ...]


def segmented_pixels(labels: Any, image: ImageData) -> LabelPixels:
    """Labels that were just computed from an image, with the axes of the image but channels."""
    letters = image.axes.replace("c", "")
    order = sorted(letters, key="tzyx".index)
    labels = np.transpose(labels, [letters.index(letter) for letter in order])
    return LabelPixels(labels, "".join(order), pick_axes(image.calibration, order), channels_by_name(image), ())


def channels_by_name(image: ImageData) -> dict[str, Any]:
    """Channels by name, axes in our order."""
    order = sorted(image.axes, key="ctzyx".index)
    pixels: Any = np.transpose(image.pixels, [image.axes.index(letter) for letter in order])
    if "c" not in image.axes:
        return {image.channels[0].name or "intensity": pixels}
    colors = ("red", "green", "blue") if image.is_rgb else ()
    channels: dict[str, Any] = {}
    for number, channel in enumerate(image.channels):
        name = channel.name or (colors[number] if colors else f"channel {number}")
        channels[name if name not in channels else f"{name} ({number})"] = pixels[number]
    return channels


def pick_axes(place: Calibration, order: Sequence[str]) -> Calibration:
    """The calibration of these axes, in this order."""
    places = [place.axes.index(letter) for letter in order]
    return replace(
        place,
        axes=tuple(order),
        scale=tuple(place.scale[i] for i in places),
        translate=tuple(place.translate[i] for i in places),
        units=tuple(place.units[i] for i in places),
    )
