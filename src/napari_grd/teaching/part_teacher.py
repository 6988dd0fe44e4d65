"""A teacher that can predict a part of an image as it would within the whole."""

from dataclasses import dataclass, replace
from typing import Any, Protocol, cast, runtime_checkable

from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.inference.blocks import Block
from napari_grd.inference.boxes import Box
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher, TeacherPrediction


@dataclass(frozen=True, eq=False)
class WholeImage:
    """What a teacher has to know of an image to predict parts of it.

    Attributes
    ----------
    shape, grid : tuple of int
        Its spatial shape in pixels, and that of the network's grid for it.
    statistics : PlaneStatistics
        Its intensities.
    """

    shape: tuple[int, ...]
    grid: tuple[int, ...]
    statistics: PlaneStatistics

    def cut_out(self, shape: tuple[int, ...]) -> "tuple[WholeImage, Block]":
        """A part of it as an image by itself, at the same scale, with the block that is all of that."""
        sizes = zip(shape, self.shape, self.grid, strict=True)
        part = replace(self, shape=shape, grid=tuple(max(1, round(size * new / old)) for size, old, new in sizes))
        pixels, grid = (cast(Box, tuple(slice(0, size) for size in sides)) for sides in (part.shape, part.grid))
        return part, Block(pixels, pixels, grid, grid, pixels, None)


@runtime_checkable
class PartTeacher(Teacher, Protocol):
    """A model as a teacher; programs that normalize each image by itself cannot do this.

    Attributes
    ----------
    model : Model
        Its network.
    config : SegmentConfig
        Settings of the prediction.
    """

    @property
    def model(self) -> Model: ...
    @property
    def config(self) -> SegmentConfig: ...

    def measure(self, image: Any) -> WholeImage:
        """As :meth:`napari_grd.teaching.embedding.EmbeddingTeacher.measure`."""
        ...

    def predict_part(self, pixels: NDArray[Any], whole: WholeImage, block: Block) -> TeacherPrediction:
        """As :meth:`napari_grd.teaching.embedding.EmbeddingTeacher.predict_part`."""
        ...
