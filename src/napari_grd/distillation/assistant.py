"""The assistant: an embedding network that learns what a teacher without embeddings says, and teaches in its place."""

from pathlib import Path

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.distillation.prepare import ImageSet
from napari_grd.distillation.stages import iter_fit
from napari_grd.io.atomic import make_folder
from napari_grd.jobs import Job
from napari_grd.teachers.base import Teacher
from napari_grd.teachers.embedding import EmbeddingTeacher


def iter_assistant(
    teacher: Teacher, data: ImageSet, held: ImageSet | None, config: DistillConfig, folder: Path | None
) -> Job[EmbeddingTeacher]:
    """Fit an embedding network to a label-only teacher's instances.

    Parameters
    ----------
    teacher : Teacher
        Whose instances they are.
    data, held : ImageSet
        Images with labels, to train and to validate on.
    config : DistillConfig
        The recipe; network and steps are those of ``config.assistant``.
    folder : Path or None
        Of the whole job; the assistant has a folder of its own in it.

    Returns
    -------
    EmbeddingTeacher
    """
    wanted = {name: getattr(config, name) for name in TrainConfig.model_fields}
    wanted.update(network=config.assistant.network, steps=config.assistant.steps)
    training = TrainConfig(**wanted)
    model = yield from iter_fit(
        data,
        held,
        data.examples(config.normalization),
        training,
        folder=None if folder is None else make_folder(folder / "assistant"),
        kind="assistant",
        stage="Fitting the assistant",
    )
    return EmbeddingTeacher(model.with_card(name=f"assistant of {teacher.name}"))
