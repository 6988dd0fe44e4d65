"""The assistant: an embedding network trained from a teacher without embeddings, which then acts as the teacher."""

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
    """Train an embedding network on a teacher's instances, and on its soft affinities and foreground if available.

    This is the direct distillation into a larger network.

    Parameters
    ----------
    teacher : Teacher
        The teacher.
    data : TrainingData
        Labeled images, and the predictions of the teacher.
    config : DistillConfig
        The recipe; network and steps are those of ``config.assistant``.
    folder : Path or None
        Folder of the job; the assistant has a subfolder.

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
