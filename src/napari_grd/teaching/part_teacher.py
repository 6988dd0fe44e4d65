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
        """Intensities of a whole image ``(C, *S)``, an array or array-like.

        Raises
        ------
        ImageError
            If the image does not fit the model.
        ConfigError
            If it would be rescaled for the model.
        """
        ...

    def predict_part(
        self, pixels: NDArray[Any], statistics: PlaneStatistics, inside: tuple[slice, ...]
    ) -> TeacherPrediction:
        """Predict a part of an image.

        Parameters
        ----------
        pixels : (C, *S) array
            Raw intensities of the part and its surroundings, from multiples of the network's stride on.
        statistics : PlaneStatistics
            Of the whole image.
        inside : tuple of slice
            The part within these.
        """
        ...
