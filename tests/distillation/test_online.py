"""A teacher that predicts the patches of a training."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_grd.config import PartitionConfig, SegmentConfig, TrainConfig
from napari_grd.data.dataset import Batch, TeacherLayout
from napari_grd.data.intensity import normalized
from napari_grd.distillation.online import OnlineTeacher, online_teacher
from napari_grd.distillation.recipes import iter_distill, iter_train
from napari_grd.errors import ConfigError
from napari_grd.inference.segment import predict
from napari_grd.jobs import StepMetrics, drain
from napari_grd.teaching.embedding import EmbeddingTeacher
from napari_grd.teaching.labels import LabelTeacher


@pytest.fixture(scope="module")
def teacher(nuclei: Any) -> EmbeddingTeacher:
    config = TrainConfig(steps=40, batch=2, patch=48, device="cpu")
    model = drain(iter_train(*nuclei, config, validation=0.0))
    changed = model.config.replace(partition=PartitionConfig(foreground_threshold=0.7))
    return EmbeddingTeacher(replace(model, config=changed), SegmentConfig(runtime="torch", precision="f32"))


def test_it_predicts_a_patch_as_the_teacher_predicts_an_image(nuclei: Any, teacher: EmbeddingTeacher) -> None:
    image = np.asarray(nuclei[0][0], np.float32)[None]
    cached = teacher.predict(image)
    online = online_teacher(teacher, teacher.model.config.normalization, 1)
    patch = torch.from_numpy(normalized(image, teacher.model.config.normalization))[None]
    batch = online.predict(Batch(patch, torch.zeros(1, *image.shape[1:], dtype=torch.int64), None, (0,)))
    assert online.layout == TeacherLayout(embedding=16, foreground=True)
    assert batch.teacher is not None
    embedding, _, foreground = online.layout.split(batch.teacher)
    assert embedding is not None
    assert foreground is not None
    np.testing.assert_allclose(embedding[0], cached.embeddings, atol=1e-4)
    np.testing.assert_allclose(foreground[0], cached.foreground, atol=1e-4)
    assert abs(predict(teacher.model, image, axes="cyx").foreground - cached.foreground).max() > 0.05  # centered


def test_labeled_images_need_no_cache(nuclei: Any, small: Any, teacher: EmbeddingTeacher, tmp_path: Path) -> None:
    events: list[Any] = []
    config = small(online=True, network=teacher.model.config.network)
    student = drain(iter_distill(teacher, *nuclei, config, validation=0.0, out_dir=tmp_path / "out"), events.append)
    assert student.card.teacher == teacher.name
    assert not (tmp_path / "out" / "teacher-cache").exists()
    terms = next(event.values for event in events if isinstance(event, StepMetrics))
    assert {"agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground"} <= set(terms)


def test_unlabeled_images_get_the_teachers_instances(nuclei: Any, small: Any, teacher: EmbeddingTeacher) -> None:
    labels = [nuclei[1][0], *[None] * 4]
    config = small(online=True, network=teacher.model.config.network)
    student = drain(iter_distill(teacher, nuclei[0], labels, config, validation=0.0))
    assert student.card.recipe["online"] is True


def test_a_teacher_that_cannot_is_refused(nuclei: Any, small: Any, teacher: EmbeddingTeacher) -> None:
    labels = LabelTeacher(zip(*nuclei, strict=True))
    with pytest.raises(ConfigError, match="cannot predict patches"):
        drain(iter_distill(labels, *nuclei, small(online=True), validation=0.0))
    magnified = EmbeddingTeacher(teacher.model, SegmentConfig(object_diameter=40.0))
    with pytest.raises(ConfigError, match="rescales images"):
        online_teacher(magnified, teacher.model.config.normalization, 1)
    with pytest.raises(ConfigError, match="1 channels instead of 3"):
        online_teacher(teacher, teacher.model.config.normalization, 3)


def test_a_threshold_of_a_half_changes_nothing(teacher: EmbeddingTeacher) -> None:
    batch = Batch(torch.rand(1, 1, 32, 32), torch.zeros(1, 32, 32, dtype=torch.int64), None, (0,))
    found = OnlineTeacher(teacher.model, 0.5).predict(batch).teacher
    assert found is not None
    _, logit = teacher.model.split(teacher.model.network(batch.image))
    assert logit is not None
    torch.testing.assert_close(found[:, -1], torch.sigmoid(logit))
