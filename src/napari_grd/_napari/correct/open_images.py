"""Open images beside the corrected ones: what is rehearsed, and what a student is distilled on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_grd._napari.best_channel import channel_group, default_channels
from napari_grd._napari.correct.learning_jobs import CorrectedLayer
from napari_grd._napari.correct.target import ImagePlane
from napari_grd._napari.source import Channel, ImageSource, channel_axis, channel_choices, image_layers
from napari_grd._napari.windows import middle_of, windows_of
from napari_grd.inference.sampling import sample_planes

if TYPE_CHECKING:
    import napari.viewer

_MOST_PLANES, _MOST_IMAGES = 8, 32  # planes or windows of a layer, and layers without corrections


def untouched_images(viewer: "napari.viewer.Viewer", corrected: Sequence[CorrectedLayer]) -> list[ImageSource]:
    """Open images without corrections that have as many channels as the first corrected one."""
    first = corrected[0].target.source
    used = {channel.layer for channel in first.channels} | {layer.target.source.layer for layer in corrected}
    # Other stains of a corrected image are not images of the same kind.
    for layer in corrected:
        used.update(channel_group(viewer, layer.target.source.layer))
    sources: list[ImageSource] = []
    for image in image_layers(viewer):
        if image not in used and image.ndim >= 2 and image.rgb == first.layer.rgb:
            chosen = _like(first, viewer, image)
            sources += [] if chosen is None else [ImageSource(image, chosen)]
    return sources


def _like(first: ImageSource, viewer: "napari.viewer.Viewer", layer: Image) -> tuple[Channel, ...] | None:
    """The channels of a layer that another source has; None if they are missing or ambiguous."""
    if first.channel_axis is None:
        return default_channels(viewer, layer, len(first.channels)) if channel_axis(layer) is None else None
    choices = {channel.index: channel for channel in channel_choices(viewer, layer)}
    same = tuple(choices[channel.index] for channel in first.channels if channel.index in choices)
    return same if len(same) == len(first.channels) else None


def middle_plane(source: ImageSource) -> ImagePlane:
    """The plane in the middle of a stack or series; of a large one its middle."""
    return ImagePlane(source, 0, tuple(size // 2 for size in source.plane_shape), middle_of(source.shape()))


def planes_without_corrections(
    corrected: Sequence[CorrectedLayer], untouched: Sequence[ImageSource]
) -> list[ImagePlane]:
    """Planes of all these images, or windows of large ones, a few of each image, evenly spaced."""
    planes = [
        plane
        for layer in corrected
        for plane in _parts(layer.target.source, layer.target.level)
        if plane.plane not in layer.labels
    ]
    return planes + [plane for source in untouched[:_MOST_IMAGES] for plane in _parts(source, 0)]


def _parts(source: ImageSource, level: int) -> list[ImagePlane]:
    windows = windows_of(source.shape(level))
    places = sample_planes((*source.plane_shape, len(windows)), _MOST_PLANES)
    return [ImagePlane(source, level, place[:-1], windows[place[-1]]) for place in places]
