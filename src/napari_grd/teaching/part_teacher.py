"""A teacher that can predict a part of an image as it would within the whole."""

from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher, TeacherPrediction


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

    def measure(self, image: Any) -> PlaneStatistics:
        """As :meth:`napari_grd.teaching.embedding.EmbeddingTeacher.measure`."""
        ...

    def predict_part(
        self, pixels: NDArray[Any], statistics: PlaneStatistics, inside: tuple[slice, ...]
    ) -> TeacherPrediction:
        """As :meth:`napari_grd.teaching.embedding.EmbeddingTeacher.predict_part`."""
        ...
