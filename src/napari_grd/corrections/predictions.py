"""Predictions of the planes of an image, for corrections that need the embedding."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import ImageError
from napari_grd.inference.prediction import Prediction
from napari_grd.inference.rescale import nearest


@dataclass(frozen=True, eq=False)
class PlanePrediction:
    """The prediction of a plane, on the grid of its labels.

    Attributes
    ----------
    embedding : (H, W, C) float32
        Raw embedding, channels last.
    foreground : (H, W) float32 or None
        Probability in [0, 1].

    Raises
    ------
    ImageError
        If the two do not fit each other.
    """

    embedding: NDArray[np.float32]
    foreground: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shape = self.embedding.shape
        if len(shape) != 3 or (self.foreground is not None and self.foreground.shape != shape[:2]):
            given = None if self.foreground is None else self.foreground.shape
            raise ImageError(
                f"The embedding has shape {shape}, the foreground {given}.",
                "Pass a plane (y, x, channel) and its foreground (y, x).",
            )

    @classmethod
    def of(cls, prediction: Prediction) -> "PlanePrediction":
        """A prediction of one plane, brought to the image's grid by nearest neighbor, as its labels are."""
        embedding, foreground = np.moveaxis(prediction.embedding, 0, -1), prediction.foreground
        if embedding.shape[:2] != prediction.shape:
            embedding = nearest(embedding, (*prediction.shape, embedding.shape[-1]))
            foreground = None if foreground is None else nearest(foreground, prediction.shape)
        return cls(embedding, foreground)


@dataclass(eq=False)
class Predictions:
    """Predictions of an image, plane by plane.

    Attributes
    ----------
    limit : int or None
        Bytes of embeddings that are kept, and at least one plane: the least recently used ones are dropped.

    Examples
    --------
    >>> Predictions().of(()) is None
    True
    """

    _planes: dict[tuple[int, ...], PlanePrediction] = field(default_factory=dict)
    limit: int | None = None

    @classmethod
    def of_prediction(cls, prediction: Prediction) -> "Predictions":
        """A prediction of a plane, or of a stack through a 2D model."""
        predictions = cls()
        predictions.put((), prediction)
        return predictions

    def put(self, plane: tuple[int, ...], prediction: Prediction) -> None:
        """Take in a prediction of this plane, or of the stack whose planes begin with this index."""
        for index, each in zip(np.ndindex(prediction.plane_shape), prediction.planes(), strict=True):
            self.put_plane((*plane, *index), PlanePrediction.of(each))

    def update(self, other: "Predictions") -> None:
        """Take in the planes of another one."""
        for plane, prediction in other._planes.items():
            self.put_plane(plane, prediction)

    def put_plane(self, plane: tuple[int, ...], prediction: PlanePrediction) -> None:
        """Take in the prediction of one plane as the most recently used one; drops those that are too much."""
        self._planes.pop(tuple(plane), None)
        self._planes[tuple(plane)] = prediction
        size = sum(each.embedding.nbytes for each in list(self._planes.values()))  # another thread may be reading
        while self.limit is not None and size > self.limit and len(self._planes) > 1:
            size -= self._planes.pop(next(iter(self._planes))).embedding.nbytes

    def of(self, plane: tuple[int, ...]) -> PlanePrediction | None:
        """The plane at this index of the axes before y and x; None if there is no prediction."""
        prediction = self._planes.get(tuple(plane))
        if prediction is not None and self.limit is not None:
            self._planes[tuple(plane)] = self._planes.pop(tuple(plane))  # the most recently used one is last
        return prediction

    def clear(self) -> None:
        """Discard all predictions, as the model has changed."""
        self._planes.clear()
