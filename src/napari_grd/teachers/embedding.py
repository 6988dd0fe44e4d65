"""A model as the teacher: the full method."""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.data.fingerprint import model_fingerprint
from napari_grd.inference.prediction import partition_prediction
from napari_grd.inference.segment import predict
from napari_grd.io.model_file import load_model
from napari_grd.io.resolve import resolve_model
from napari_grd.models import Model
from napari_grd.teachers.base import TeacherInfo, TeacherPrediction


class EmbeddingTeacher:
    """A teacher that gives embeddings, and instances made of them.

    Parameters
    ----------
    model : Model
        The teacher's network.
    config : SegmentConfig, optional
        How it is run. Object diameter and pixel size are passed over: embeddings
        are compared pixel by pixel with the student's, so the image keeps its scale.
    """

    gives_embeddings = True

    def __init__(self, model: Model, config: SegmentConfig | None = None) -> None:
        self.model = model
        self.config = (config or SegmentConfig()).replace(object_diameter=None, pixel_size=None)

    @property
    def name(self) -> str:
        """The name on the model's card."""
        return self.model.card.name

    @property
    def restrictions(self) -> str:
        """What the model's licence forbids; empty if nothing."""
        return self.model.card.restrictions

    @cached_property
    def fingerprint(self) -> str:
        """A hash of weights, model settings, runtime, precision and partition.

        Device, threads and tiling are left out: they change results by no more
        than rounding.
        """
        partition = self.config.partition or self.model.config.partition
        parts = (
            model_fingerprint(self.model),
            self.config.runtime,
            self.config.precision,
            partition.model_dump_json(),
        )
        return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()

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
        """
        axes = "c" + "zyx"[-(np.ndim(image) - 1) :]
        prediction = predict(self.model, image, self.config, axes=axes)
        labels = partition_prediction(prediction, self.config.partition)
        return TeacherPrediction(labels, prediction.foreground, prediction.embedding)


def info() -> TeacherInfo:
    """What the registry says of this teacher."""
    return TeacherInfo(
        name="model",
        summary="A model of napari-grd: teaches embeddings, by the full method.",
        licence="the model's, see its card",
        options={
            "source": "a model, the name of a built-in one, or the path of a model file",
            "config": "a SegmentConfig: how it is run",
        },
    )


def load(source: Model | str | Path, config: SegmentConfig | None = None) -> EmbeddingTeacher:
    """Make a teacher of a model.

    Raises
    ------
    ModelFileError
        If there is no such model, or its file cannot be read.
    """
    model = source if isinstance(source, Model) else load_model(resolve_model(source))
    return EmbeddingTeacher(model, config)
