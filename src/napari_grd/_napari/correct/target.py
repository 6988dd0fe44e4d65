"""What is corrected: a Labels layer, the image it is of, and where a pixel of one lies in the other."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from napari_grd._napari.files.calibrated import layer_calibration
from napari_grd._napari.labels_layers import labels_layer
from napari_grd._napari.source import Channel, ImageSource, Region
from napari_grd.corrections.correction import Plane, Point
from napari_grd.errors import GrdError, LabelError

_AXES = {0: "yx", 1: "zyx", 2: "tzyx"}
_REMEDY = "Choose the labels and the image they were made of."


@dataclass(frozen=True, eq=False)
class ImagePlane:
    """A plane of an image, or a region of it, at a level of its pyramid."""

    source: ImageSource
    level: int
    plane: Plane
    region: Region = (slice(None), slice(None))

    def read(self) -> NDArray[Any]:
        """Its pixels, ``(C, H, W)``."""
        return np.asarray(self.source.read(self.level, self.plane, self.region))


@dataclass(frozen=True, eq=False)
class CorrectionTarget:
    """A Labels layer as planes of rows and columns.

    The last two axes of the layer are rows and columns; a channel axis, which has a single position in labels, is
    left out. All other axes make the plane.
    """

    layer: Labels
    source: ImageSource  # the image, with the channels that the model reads
    level: int  # of the image's pyramid, whose pixels the labels have
    shape: tuple[int, ...]  # (*planes, rows, columns)
    axes: str  # a letter for each of these
    plane_axes: tuple[int, ...]  # axes of the layer that the plane is an index of

    @classmethod
    def of(cls, layer: Labels, image: Image, channels: tuple[Channel, ...] | None = None) -> "CorrectionTarget":
        """Bring labels and image together, unless they are not of one shape, or have axes that cannot be corrected."""
        sizes = finest(layer).shape
        names = layer_calibration({"axis_labels": layer.axis_labels}, layer.ndim).axes
        planes = tuple(axis for axis in range(layer.ndim - 2) if not (names[axis] == "c" and sizes[axis] == 1))
        if len(planes) not in _AXES or layer.ndim < 2:
            raise LabelError(
                f"The labels {layer.name!r} have the axes {', '.join(names)}.",
                "Correct planes, stacks, series, or series of stacks.",
            )
        axes = "tyx" if len(planes) == 1 and names[planes[0]] == "t" else _AXES[len(planes)]
        source = ImageSource(image, channels)
        shape = tuple(int(sizes[axis]) for axis in (*planes, layer.ndim - 2, layer.ndim - 1))
        level = next((number for number in range(source.levels) if source.shape(number) == shape[-2:]), None)
        if level is None or source.plane_shape != shape[:-2]:
            image_shape = (*source.plane_shape, *source.shape())
            raise LabelError(
                f"The labels {layer.name!r} have the shape {shape}, the image {image.name!r} has {image_shape}.",
                _REMEDY,
            )
        return cls(layer, source, level, shape, axes, planes)

    @classmethod
    def all_of(cls, layer: Labels, layers: Iterable[Layer]) -> "list[CorrectionTarget]":
        """The labels with each image among layers that they fit."""
        targets = []
        for image in layers:
            with suppress(GrdError):
                targets += [cls.of(layer, image)] if isinstance(image, Image) else []
        return targets

    def image_plane(self, plane: Plane) -> ImagePlane:
        """The image under a plane of the labels."""
        return ImagePlane(self.source, self.level, plane)

    def labels(self) -> NDArray[np.uint32]:
        """All labels in memory, a copy of shape ``shape``, unless a number is negative or too large."""
        data = np.asarray(finest(self.layer))
        if data.size and (data.min() < 0 or data.max() > np.iinfo(np.uint32).max):
            raise LabelError(
                f"The labels {self.layer.name!r} have numbers from {data.min()} to {data.max()}.",
                "Give objects numbers from 1 to 4294967295.",
            )
        return data.astype(np.uint32).reshape(self.shape)

    def on_layer(self, labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """A view of such labels in the shape of the layer's data."""
        return labels.reshape(finest(self.layer).shape)

    def place(self, world: Sequence[float]) -> tuple[Plane, Point]:
        """Plane and point (y, x), in pixels, of a position of the world; the plane is clipped to the layer."""
        coordinates = self.layer.world_to_data(world)
        plane = tuple(
            int(np.clip(round(float(coordinates[axis])), 0, size - 1))
            for axis, size in zip(self.plane_axes, self.shape, strict=False)
        )
        return plane, (float(coordinates[-2]), float(coordinates[-1]))

    def lift(self, points: NDArray[np.floating[Any]], plane: Plane) -> NDArray[np.float64]:
        """Points (..., 2) of a plane as coordinates (..., ndim) of the layer's data."""
        lifted = np.zeros((*points.shape[:-1], self.layer.ndim))
        lifted[..., list(self.plane_axes)] = plane
        lifted[..., -2:] = points
        return lifted

    def current_plane(self, viewer: Any) -> Plane:
        """The plane that the viewer's sliders stand at."""
        return self.place(viewer.dims.point)[0]

    def show_plane(self, viewer: Any, plane: Plane) -> None:
        """Move the viewer's sliders to a plane."""
        if self.current_plane(viewer) != plane:
            world = self.layer.data_to_world(self.lift(np.zeros(2), plane))
            first = viewer.dims.ndim - self.layer.ndim
            axes = [first + axis for axis in self.plane_axes]
            viewer.dims.set_point(axes, [float(world[axis]) for axis in self.plane_axes])

    @property
    def pixel_size(self) -> float:
        """Length of a pixel's side in the world."""
        return float(np.sqrt(np.abs(np.prod(self.layer.scale[-2:]))))


def empty_labels(image: Image, channels: tuple[Channel, ...] | None = None) -> Labels:
    """A layer without objects over an image, with a position for each of its planes."""
    source = ImageSource(image, channels)
    shape = (*source.plane_shape, *source.shape())
    try:
        labels = np.zeros(shape, np.uint32)
    except (MemoryError, ValueError) as error:
        raise LabelError(
            f"Labels of the shape {shape} do not fit in memory.", "Segment the image on disk with Live."
        ) from error
    return labels_layer(source, 0, [labels], name=f"objects of {image.name}", made_by={})


def finest(layer: Layer) -> Any:
    """The data of a layer; of a pyramid its finest level."""
    return layer.data[0] if layer.multiscale else layer.data
