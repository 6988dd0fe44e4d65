"""A model as the teacher: the full method."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.fingerprint import model_fingerprint, text_key
from napari_grd.hub import load_model, resolve_model
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.blocks import Block, is_whole
from napari_grd.inference.prediction import Prediction, partition_prediction
from napari_grd.inference.rescale import depth_factor, grid_shape, rescale_image, rescale_region
from napari_grd.inference.segment import predict
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.task import prepare
from napari_grd.inference.view import resolve_view
from napari_grd.jobs import Stopwatch, drain
from napari_grd.models.model import Model
from napari_grd.teaching.base import TeacherInfo, TeacherPrediction
from napari_grd.teaching.part_teacher import WholeImage
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
        prediction = predict(self.model, image, self.config, axes=_axes(image))
        return self._taught(prediction, lambda values: rescale_image(values, prediction.shape))

    def measure(self, image: Any) -> WholeImage:
        """Scale and intensities of a whole image ``(C, *S)``, array-like, for :meth:`predict_part`.

        Raises
        ------
        ImageError
            If the image does not fit the model.
        ConfigError
            If a scale is set, but the model does not state its own.
        """
        axes, model = _axes(image), self.model.config
        source = cast(PlaneSource, ArraySource(image, axes, ndim=len(axes) - 1, in_channels=model.in_channels))
        view, shape = resolve_view(source, model, self.config), tuple(image.shape[1:])
        grid = grid_shape(shape, view.scale, depth_factor(model, view.config))
        return WholeImage(shape, grid, SourceStatistics(source, 0, model, view).of(()))

    def predict_part(self, pixels: NDArray[Any], whole: WholeImage, block: Block) -> TeacherPrediction:
        """The prediction of a part of an image, as within the whole.

        Parameters
        ----------
        pixels : (C, *S) array
            Raw intensities of the ``read`` of the block.
        whole : WholeImage
            The whole image.
        block : Block
            The part; its ``pixels`` are predicted.
        """
        task = replace(drain(prepare(self.model, whole.shape, self.config)), grid=whole.grid)
        job = task.predict_block(pixels, block, whole.statistics, Stopwatch("", task.steps(block)), 0)

        def on_pixels(values: NDArray[np.float32]) -> NDArray[np.float32]:
            if is_whole(block, whole.grid):
                return rescale_image(values, whole.shape)
            return rescale_region(values, block.grid, whole.grid, whole.shape, block.pixels)

        return self._taught(drain(job), on_pixels)

    def _taught(
        self, prediction: Prediction, on_pixels: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    ) -> TeacherPrediction:
        partition = self.config.partition or self.model.config.partition
        labels, foreground = partition_prediction(prediction, partition), prediction.foreground
        if foreground is not None:
            foreground = centered(on_pixels(foreground[None])[0], partition.foreground_threshold)
        return TeacherPrediction(labels, foreground, on_pixels(prediction.embedding))


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
