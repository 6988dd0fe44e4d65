"""The assistant: an embedding network that learns what a teacher without embeddings says, and teaches in its place."""

from pathlib import Path

from napari_grd.config import DistillConfig
from napari_grd.distillation.stage_progress import FIT
from napari_grd.distillation.stages import TrainingData, iter_fit
from napari_grd.io.atomic import make_folder
from napari_grd.jobs import Job
from napari_grd.teaching.base import Teacher
from napari_grd.teaching.embedding import EmbeddingTeacher


def iter_assistant(
    teacher: Teacher,
    data: TrainingData,
    config: DistillConfig,
    folder: Path | None,
) -> Job[EmbeddingTeacher]:
    """Fit an embedding network to a teacher's instances, and to its soft affinities and foreground if it gives any.

    It is the direct distillation of a student, into a larger network.

    Parameters
    ----------
    teacher : Teacher
        Whom it learns from.
    data : TrainingData
        Labeled images, and the predictions of the teacher.
    config : DistillConfig
        The recipe; network and steps are those of ``config.assistant``.
    folder : Path or None
        Of the whole job; the assistant has a folder of its own in it.

    Returns
    -------
    EmbeddingTeacher
    """
    model = yield from iter_fit(
        data,
        config.replace(network=config.assistant.network, steps=config.assistant.steps),
        folder=None if folder is None else make_folder(folder / "assistant"),
        kind="assistant",
        stage=FIT,
        teacher=teacher,
    )
    return EmbeddingTeacher(model.with_card(name=f"assistant of {teacher.name}"))
