"""A model as the teacher: the full method."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.fingerprint import model_fingerprint, text_key
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.errors import ConfigError
from napari_grd.hub import load_model, resolve_model
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.rescale import depth_factor, rescale_image
from napari_grd.inference.segment import predict
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.view import resolve_view
from napari_grd.models.model import Model
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction
from napari_grd.teaching.soft_affinities import centered


class EmbeddingTeacher:
    """A teacher that predicts embeddings, and instances by partitioning.

    Parameters
    ----------
    model : Model
        The teacher's network.
    config : SegmentConfig, optional
        Settings of the prediction. With an object diameter or a pixel size, the image is rescaled to the scale of the
        training images, and the prediction back to that of the image.
    """

    gives_embeddings = True

    def __init__(self, model: Model, config: SegmentConfig | None = None) -> None:
        self.model = model
        self.config = (config or SegmentConfig()).as_known()

    @property
    def name(self) -> str:
        """The name on the model's card."""
        return self.model.card.name

    @property
    def restrictions(self) -> str:
        """Restrictions of the model's license; empty if there are none."""
        return self.model.card.restrictions

    @cached_property
    def fingerprint(self) -> str:
        """A hash of weights, model settings, runtime, precision, partition and scale.

        Device, threads and tiling are excluded: they change results only by rounding.
        """
        partition = self.config.partition or self.model.config.partition
        parts = [
            model_fingerprint(self.model),
            self.config.runtime,
            self.config.precision,
            partition.model_dump_json(by_alias=True),
            "centred",  # the word in caches of earlier versions
        ]
        view = self.config.model_dump(include={"object_diameter", "pixel_size"}, exclude_none=True)
        parts += [f"{name} {value}" for name, value in view.items()]
        return text_key(*parts)

    def predict(self, image: NDArray[Any]) -> TeacherPrediction:
        """Embeddings, foreground and instances of one image.

        Parameters
        ----------
        image : (C, *S) array
            Raw intensities.

        Returns
        -------
        TeacherPrediction
            Embeddings ``(C, *S)``; foreground ``(*S)`` if the model has one.

        Raises
        ------
        ImageError
            If the image does not fit the model.
        ConfigError
            If a scale is set, but the model does not state its own.
        """
        return self._predict(image)

    def measure(self, image: Any) -> PlaneStatistics:
        """Intensities of a whole image ``(C, *S)``, array-like, for :meth:`predict_part`.

        Raises
        ------
        ImageError
            If the image does not fit the model.
        ConfigError
            If it is rescaled for the model.
        """
        axes, model = _axes(image), self.model.config
        source = cast(PlaneSource, ArraySource(image, axes, ndim=len(axes) - 1, in_channels=model.in_channels))
        view = resolve_view(source, model, self.config)
        if view.scale != 1 or depth_factor(model, view.config) != 1:
            raise ConfigError(
                f"The teacher {self.name!r} rescales images, so it cannot predict parts of one.",
                "Rescale the image before, or pass parts of it as numpy arrays.",
            )
        return SourceStatistics(source, 0, model, view).of(())

    def predict_part(
        self, pixels: NDArray[Any], statistics: PlaneStatistics, inside: tuple[slice, ...]
    ) -> TeacherPrediction:
        """The prediction of a part of an image, as within the whole.

        Parameters
        ----------
        pixels : (C, *S) array
            Raw intensities of the part and its surroundings, from multiples of the network's stride on.
        statistics : PlaneStatistics
            Of the whole image.
        inside : tuple of slice
            The part within these.
        """
        return self._predict(pixels, statistics, inside)

    def _predict(
        self,
        image: NDArray[Any],
        statistics: PlaneStatistics | None = None,
        inside: tuple[slice, ...] | None = None,
    ) -> TeacherPrediction:
        prediction = predict(self.model, image, self.config, axes=_axes(image), intensity_range=statistics)
        if inside is not None:
            assert prediction.pixels is not None
            pixels = prediction.pixels[:, *inside]
            prediction = replace(
                prediction,
                embedding=prediction.embedding[:, *inside],
                foreground=None if prediction.foreground is None else prediction.foreground[inside],
                shape=pixels.shape[1:],
                pixels=pixels,
            )
        partition = self.config.partition or self.model.config.partition
        labels = partition_prediction(prediction, partition)
        embedding, foreground = rescale_image(prediction.embedding, labels.shape), prediction.foreground
        if foreground is not None:
            foreground = centered(rescale_image(foreground[None], labels.shape)[0], partition.foreground_threshold)
        return TeacherPrediction(labels, foreground, embedding)


def _axes(image: Any) -> str:
    return "c" + "zyx"[1 - image.ndim :]


def info() -> TeacherInfo:
    """Return the registry's information about this teacher."""
    return TeacherInfo(
        name="model",
        summary="A model of napari-grd: teaches embeddings, by the full method.",
        license="the model's, see its card",
        options={
            "source": "a model, the name of a built-in one, or the path of a model file",
            "object_diameter": "typical object diameter in the images, in pixels, if not that of its training images",
            "config": "a SegmentConfig: settings of the prediction",
        },
    )


def load(
    source: Model | str | Path, object_diameter: float | None = None, config: SegmentConfig | None = None
) -> EmbeddingTeacher:
    """Create a teacher from a model.

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    """
    model = source if isinstance(source, Model) else load_model(resolve_model(source))
    if object_diameter is not None:
        config = (config or SegmentConfig()).replace(object_diameter=object_diameter)
    return EmbeddingTeacher(model, config)
