"""A teacher that predicts the patches of each step, instead of whole images once.

Teacher and student see the same augmented patch (Beyer et al., "Knowledge distillation: A good teacher is patient and
consistent", CVPR 2022). On a GPU this takes less time than reading predictions from a cache.
"""

from dataclasses import replace

import torch

from napari_grd.config import NormalizationConfig
from napari_grd.data.dataset import Batch, TeacherLayout
from napari_grd.errors import ConfigError
from napari_grd.models.model import Model
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.embedding import EmbeddingTeacher


class OnlineTeacher:
    """A teacher's network for the patches of a training.

    Parameters
    ----------
    model : Model
        The teacher. Its network is moved to the device of the batches.
    threshold : float
        Its foreground threshold, which becomes 0.5 in its predictions.
    """

    def __init__(self, model: Model, threshold: float) -> None:
        self._model = model
        self._shift = float(torch.logit(torch.tensor(threshold)))

    @property
    def layout(self) -> TeacherLayout:
        """Layout of its predictions."""
        return TeacherLayout(embedding=self._model.embedding_channels, foreground=self._model.config.foreground)

    @torch.no_grad()
    def predict(self, batch: Batch, *, bf16: bool = False) -> Batch:
        """The batch with the teacher's predictions.

        Parameters
        ----------
        batch : Batch
            Patches, on the device of the training.
        bf16 : bool
            Run the network in bfloat16.
        """
        device = batch.image.device
        self._model.network.to(device).eval()
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            output = self._model.network(batch.image)
        embedding, logit = self._model.split(output.float())
        parts = [embedding]
        if logit is not None:
            parts.append(torch.sigmoid(logit - self._shift)[:, None])
        return replace(batch, teacher=torch.cat(parts, dim=1))


def online_teacher(teacher: Teacher, normalization: NormalizationConfig, in_channels: int) -> OnlineTeacher:
    """The online form of a teacher.

    Raises
    ------
    ConfigError
        If the teacher is not a model of napari-grd, or expects images that are scaled or normalized differently.
    """
    remedy = "Set online to false: its predictions of whole images are used then."
    if not isinstance(teacher, EmbeddingTeacher):
        raise ConfigError(f"The teacher {teacher.name!r} cannot predict patches during the training.", remedy)
    model, settings = teacher.model, teacher.config
    if any(model.margin):
        raise ConfigError(f"The teacher {teacher.name!r} returns less than a patch (valid convolutions).", remedy)
    if settings.object_diameter is not None or settings.pixel_size is not None:
        raise ConfigError(f"The teacher {teacher.name!r} rescales images, so it cannot predict patches.", remedy)
    if model.config.normalization != normalization or model.config.in_channels != in_channels:
        raise ConfigError(
            f"The teacher {teacher.name!r} normalizes images differently, or expects {model.config.in_channels} "
            f"channels instead of {in_channels}.",
            remedy,
        )
    partition = settings.partition or model.config.partition
    return OnlineTeacher(model, partition.foreground_threshold)
