"""The default among the channels of an image: the one with the highest contrast-to-noise ratio."""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from napari.layers import Image

from napari_grd._napari.outputs import is_view
from napari_grd._napari.source import Channel, ImageSource, channel_axis, channel_choices, image_layers
from napari_grd.data.channel_contrast import contrast_to_noise

_SIDE = 1024  # pixels along y and x that are evaluated
_MOST = 64  # measurements of a layer that are kept
_known: "WeakKeyDictionary[Image, dict[Any, float]]" = WeakKeyDictionary()


def channel_group(viewer: Any, layer: Image) -> list[Image]:
    """The layers that are channels of one image, in the order they were added.

    Those of one file, or that lie on each other with all but the lowest blended additively, as napari adds channels; of
    one shape and place. Alone if there is none beside it, or if it is RGB.
    """
    if layer.rgb or layer.ndim < 2 or is_view(layer):
        return [layer]
    images = [
        other
        for other in reversed(image_layers(viewer))
        if other is layer or (not other.rgb and other.ndim == layer.ndim and _place(other) == _place(layer))
    ]
    of_one_file = [
        other for other in images if layer.source.path is not None and other.source.path == layer.source.path
    ]
    if len(of_one_file) > 1:
        return of_one_file
    first = last = images.index(layer)
    while first and images[first].blending == "additive":
        first -= 1
    while last + 1 < len(images) and images[last + 1].blending == "additive":
        last += 1
    return images[first : last + 1]


def preferred_image(viewer: Any) -> Image | None:
    """The image to begin with: the selected one if it is visible, else the topmost visible one.

    napari selects what was added last, which of several channels is the last one: that is no choice of the user. Of
    these the visible one with the highest contrast-to-noise ratio is taken.
    """
    images = image_layers(viewer)
    shown = [layer for layer in images if layer.visible] or images
    if not shown:
        return None
    active = viewer.layers.selection.active
    begin = active if active in shown else shown[0]
    group = [layer for layer in channel_group(viewer, begin) if layer in shown]
    if len(group) < 2 or begin is not group[-1]:
        return begin
    return best_channel([Channel(layer, None, layer.name) for layer in group]).layer


def default_channels(viewer: Any, layer: Image, count: int) -> tuple[Channel, ...] | None:
    """The default channels for a model that takes ``count``; None if they are ambiguous.

    One channel: the gray value of an RGB layer, the layer itself, or the position of its channel axis with the highest
    contrast-to-noise ratio. Three channels and RGB: red, green, blue. Otherwise there must be exactly as many choices
    as channels.
    """
    choices = channel_choices(viewer, layer)
    if layer.rgb:
        return {1: tuple(choices[:1]), 3: tuple(choices[1:])}.get(count)
    if count == 1:
        return (choices[0] if channel_axis(layer) is None else best_channel(choices),)
    return tuple(choices) if len(choices) == count else None


def best_channel(channels: Sequence[Channel]) -> Channel:
    """The channel of the greatest :func:`contrast`; the first of equal ones."""
    return max(channels, key=contrast)


def contrast(channel: Channel) -> float:
    """The contrast-to-noise ratio in the middle of the middle plane; 0 where it cannot be read."""
    source = ImageSource(channel.layer, (channel,))
    values, key = _known.setdefault(channel.layer, {}), source.key
    if key not in values:
        if len(values) > _MOST:
            values.clear()  # of data that were replaced
        values[key] = _measured(source)
    return values[key]


def note_on(chosen: Channel, channels: Sequence[Channel]) -> str:
    """Which of several channels is read, and what speaks for it; empty if there is one."""
    if len(channels) < 2:
        return ""
    best, own = best_channel(channels), contrast(chosen)
    of = f"Channel {chosen.label!r}, 1 of {len(channels)}"
    if own >= contrast(best):
        return f"{of}: the highest contrast-to-noise ratio, {own:.0f}."
    return f"{of}: contrast-to-noise ratio {own:.0f}; that of {best.label!r} is {contrast(best):.0f}."


def _measured(source: ImageSource) -> float:
    level = source.levels - 1
    middle = tuple(size // 2 for size in source.plane_shape)
    sizes = source.shape(level)
    starts = [max(0, (size - _SIDE) // 2) for size in sizes]
    rows, columns = (slice(start, start + _SIDE) for start in starts)
    try:
        return contrast_to_noise(source.read(level, middle, (rows, columns))[0])
    except Exception:  # lazy data raise anything; whoever segments it reports it
        return 0.0


def _place(layer: Image) -> tuple[Any, ...]:
    """Equal for layers that show the same pixels' places."""
    return (*np.asarray(layer.scale), *np.asarray(layer.translate), *layer.extent.data.ravel())
