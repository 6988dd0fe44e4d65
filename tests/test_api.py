"""What the public functions do, one after the other, as a script calls them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_grd as grd
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation.teacher_cache import TeacherCache
from napari_grd.errors import Cancelled, ModelFileError


@pytest.fixture(scope="module")
def nuclei() -> tuple[Any, Any]:
    return nuclei_2d(np.random.default_rng(3), (160, 160))


@pytest.fixture(scope="module")
def student() -> grd.Model:
    return grd.load_model("nuclei")


def test_the_builtin_student_finds_nuclei(student: grd.Model, nuclei: tuple[Any, Any]) -> None:
    (card,) = (card for card in grd.builtin_models() if card.name == "nuclei")
    assert card.parameters < 300_000
    assert card.trained_on
    assert card.scores
    image, labels = nuclei
    found = grd.segment(student, image)
    assert found.dtype == np.uint32
    # Simulated nuclei are not what it was trained on; it has to find most of them all the same.
    assert grd.evaluate(reference=labels, labels=found).ap50 > 0.5


def test_partition_again_without_the_network(student: grd.Model, nuclei: tuple[Any, Any]) -> None:
    config = grd.SegmentConfig(object_diameter=None)
    prediction = grd.predict(student, nuclei[0], config)
    assert prediction.embedding.shape == (16, 160, 160)
    np.testing.assert_array_equal(grd.partition(prediction), grd.segment(student, nuclei[0], config))
    fewer = grd.partition(prediction, grd.PartitionConfig(min_size=400))
    assert fewer.max() < grd.partition(prediction).max()


def test_embedding_affinities_and_graph(student: grd.Model, nuclei: tuple[Any, Any]) -> None:
    image, labels = nuclei
    embedding = grd.embed(student, image)
    affinities = grd.affinities(student, image)
    assert embedding.shape == (16, 160, 160)
    assert affinities.shape == (10, 160, 160)
    assert np.abs(affinities).max() <= 1 + 1e-5
    graph = grd.instance_graph(labels, embedding)
    assert len(graph.ids) == labels.max()


def test_segment_can_be_cancelled(student: grd.Model, nuclei: tuple[Any, Any]) -> None:
    with pytest.raises(Cancelled):
        grd.segment(student, nuclei[0], cancelled=lambda: True)


def test_distill_again_for_these_images(nuclei: tuple[Any, Any], tmp_path: Path, monkeypatch: Any) -> None:
    asked: list[Any] = []
    write = TeacherCache._write

    def counted(*args: Any) -> Any:
        asked.append(1)
        return write(*args)

    monkeypatch.setattr(TeacherCache, "_write", counted)
    config = grd.DistillConfig(steps=2, batch=1, patch=64, device="cpu")
    for out in ("a", "b"):
        grd.distill("nuclei", [nuclei[0]], config=config, out_dir=tmp_path / out, cache_dir=tmp_path / "cache")
    assert len(asked) == 1  # the second student found the teacher's outputs
    assert (tmp_path / "b" / "student.grd.safetensors").exists()


def test_an_unknown_model_lists_the_known() -> None:
    with pytest.raises(ModelFileError, match=r"'nuclej'.*Models: nuclei"):
        grd.load_model("nuclej")
