"""Training and distilling as a user calls them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.distillation.prepare import object_diameter
from napari_grd.distillation.recipes import iter_distill, iter_train
from napari_grd.errors import ConfigError, LabelError
from napari_grd.hub import load_model
from napari_grd.jobs import FileSaved, Progress, StepMetrics, drain
from napari_grd.models.model import Model
from napari_grd.teaching.embedding import EmbeddingTeacher, load
from napari_grd.teaching.labels import LabelTeacher

Make = Callable[..., DistillConfig]


@pytest.fixture(scope="module")
def teacher(nuclei: Any) -> EmbeddingTeacher:
    config = TrainConfig(steps=40, batch=2, patch=48, device="cpu").replace(
        network={"name": "resunet", "widths": (4, 8, 8, 8, 8), "embedding": 8}
    )
    return EmbeddingTeacher(drain(iter_train(*nuclei, config)))


def test_distilling_reports_all_terms_and_writes_the_student(
    nuclei: Any, small: Make, teacher: EmbeddingTeacher, tmp_path: Path
) -> None:
    events: list[Any] = []
    student = drain(iter_distill(teacher, *nuclei, small(steps=10), out_dir=tmp_path), events.append)
    terms = next(e for e in events if isinstance(e, StepMetrics) and e.kind == "train").values
    assert {"affinity", "foreground", "agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground"} <= set(
        terms
    )
    assert {e.stage for e in events if isinstance(e, Progress)} >= {"Asking the teacher", "Distilling", "Validating"}
    loaded = load_model(tmp_path / "student.grd.safetensors")
    for name, tensor in student.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor)
    assert loaded.pca is not None
    assert loaded.pca.shape == (4, 8)
    assert loaded.card.teacher == teacher.name
    assert loaded.card.recipe["steps"] == 10
    assert loaded.config.object_diameter is not None


def test_without_labels_the_teachers_instances_teach(nuclei: Any, small: Make, teacher: EmbeddingTeacher) -> None:
    student = drain(iter_distill(teacher, nuclei[0], config=small()))
    assert student.card.scores.keys() >= {"ap50", "aji"}


def test_some_labels(nuclei: Any, small: Make, teacher: EmbeddingTeacher) -> None:
    labels = [nuclei[1][0], None, nuclei[1][2], None, None]
    assert isinstance(drain(iter_distill(teacher, nuclei[0], labels, small())), Model)


def test_a_label_teacher_teaches_through_an_assistant(nuclei: Any, small: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    config = small(**{"assistant.steps": 8, "assistant.network": {"widths": (2, 4, 4, 4, 4), "embedding": 8}})
    source = LabelTeacher(zip(*nuclei, strict=True))
    drain(iter_distill(source, nuclei[0], config=config, out_dir=tmp_path), events.append)
    stages = [e.stage for e in events if isinstance(e, Progress)]
    assert stages.index("Fitting the assistant") < stages.index("Distilling")
    assert {e.path.name for e in events if isinstance(e, FileSaved) and e.kind == "model"} == {
        "assistant.grd.safetensors",
        "student.grd.safetensors",
    }


def test_validation_images_of_their_own(nuclei: Any, small: Make) -> None:
    images, labels = nuclei
    events: list[Any] = []
    drain(iter_train(images[:4], labels[:4], small(), validation=(images[4:], labels[4:])), events.append)
    assert {e.total for e in events if isinstance(e, Progress) and e.stage == "Validating"} == {1}


def test_several_channels_and_no_background(small: Make) -> None:
    rng = np.random.default_rng(0)
    image = rng.random((64, 64, 3))
    labels = 1 + (np.arange(64)[:, None] // 16 + 4 * (np.arange(64) // 16)).astype(int)
    model = drain(iter_train([image], [labels], small(background="none"), axes="yxc"))
    assert model.config.in_channels == 3
    assert not model.config.foreground


def test_training_needs_labels(nuclei: Any, small: Make) -> None:
    with pytest.raises(LabelError, match="no labels"):
        drain(iter_train(nuclei[0], [None] * 5, small(), validation=0))


def test_embeddings_of_another_length(nuclei: Any, small: Make, teacher: EmbeddingTeacher) -> None:
    config = small(**{"network.embedding": 4})
    with pytest.raises(ConfigError, match=r"8 channels, the student's 4.*Set network.embedding to 8"):
        drain(iter_distill(teacher, nuclei[0], config=config))
    graph_only = config.replace(**{"weights.node": 0, "weights.agd_inter": 0, "weights.igd_inter": 0})
    assert isinstance(drain(iter_distill(teacher, nuclei[0], config=graph_only)), Model)


def test_a_training_begins_with_given_weights(nuclei: Any, small: Make, teacher: EmbeddingTeacher) -> None:
    config = small(steps=1, **{"optim.lr": 1e-9, "optim.ema": 0.0})
    before = {name: value.clone() for name, value in teacher.model.network.state_dict().items()}
    model = drain(
        iter_train(*nuclei, config.replace(network=teacher.model.config.network.model_dump()), start=teacher.model)
    )
    for name, value in model.network.named_parameters():
        assert torch.allclose(value, before[name], atol=1e-6)
    for name, value in teacher.model.network.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_is_seen_enlarged_is_taught_on_the_pixels_of_the_image(
    nuclei: Any, small: Make, teacher: EmbeddingTeacher
) -> None:
    model = teacher.model
    assert model.config.object_diameter is not None
    enlarged = load(model, model.config.object_diameter / 2)
    config = small(network=model.config.network.model_dump())
    student = drain(iter_distill(enlarged, nuclei[0], config=config, start=model, validation=0.0))
    taught = object_diameter([enlarged.predict(image[None]).labels for image in nuclei[0]])
    assert student.config.object_diameter == pytest.approx(taught)


def test_a_training_does_not_begin_with_another_network(nuclei: Any, small: Make, teacher: EmbeddingTeacher) -> None:
    with pytest.raises(ConfigError, match="The model to start from has network"):
        drain(iter_train(*nuclei, small(**{"network.widths": (3, 3, 3, 3, 3)}), start=teacher.model))


def test_a_stopped_job_leaves_the_student_so_far(
    nuclei: Any, small: Make, teacher: EmbeddingTeacher, tmp_path: Path
) -> None:
    config = small(validate_every=2)
    job = iter_distill(teacher, nuclei[0], config=config, out_dir=tmp_path)
    for event in job:
        if isinstance(event, Progress) and event.stage == "Distilling" and event.done == 4:
            break
    job.close()
    found = load_model(tmp_path / "student-so-far.grd.safetensors")
    assert found.card.summary.endswith("stopped early")
    assert found.card.scores.keys() >= {"ap50", "aji"}
    assert found.pca is not None
    drain(iter_distill(teacher, nuclei[0], config=config, out_dir=tmp_path))
    assert sorted(path.name for path in tmp_path.glob("student*")) == ["student.grd.safetensors"]


def test_a_job_stopped_before_its_first_step_leaves_no_student(
    nuclei: Any, small: Make, teacher: EmbeddingTeacher, tmp_path: Path
) -> None:
    job = iter_distill(teacher, nuclei[0], config=small(), out_dir=tmp_path)
    assert any(isinstance(event, FileSaved) for event in job)  # the first checkpoint
    job.close()
    assert not list(tmp_path.glob("student*"))
