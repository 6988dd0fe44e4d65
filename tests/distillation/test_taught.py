"""A teacher's predictions of stored images: the same as of the whole, block by block."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import zarr

from napari_grd.config import DistillConfig, SegmentConfig
from napari_grd.data.inputs import IGNORED
from napari_grd.data.simulate import nuclei_2d
from napari_grd.data.stored_image import StoredImage
from napari_grd.distillation import prepare, taught
from napari_grd.distillation.recipes import iter_distill
from napari_grd.distillation.taught import TaughtImage
from napari_grd.distillation.teacher_cache import TeacherCache
from napari_grd.errors import ConfigError, DataError
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.io.disk import size_on_disk
from napari_grd.jobs import Progress, drain
from napari_grd.models.model import Model, ModelConfig
from napari_grd.teaching.confidence import ConfidentTeacher, without_uncertain
from napari_grd.teaching.embedding import EmbeddingTeacher
from napari_grd.teaching.labels import LabelTeacher
from napari_grd.teaching.registry import as_teacher

Make = Callable[..., DistillConfig]
EMBEDDING = {"network.embedding": 16}


@pytest.fixture(autouse=True)
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lazy arrays of these tests count as large."""
    monkeypatch.setattr(prepare, "IN_MEMORY", 100)


@pytest.fixture
def teacher() -> EmbeddingTeacher:
    made = as_teacher("nuclei")
    assert isinstance(made, EmbeddingTeacher)
    return EmbeddingTeacher(made.model, SegmentConfig(runtime="torch", precision="f32"))


def on_disk(array: np.ndarray[Any, Any], folder: Path) -> Any:
    return zarr.create_array(folder, data=array, chunks=tuple(min(side, 100) for side in array.shape))


def whole(shape: Any) -> tuple[slice, ...]:
    return tuple(slice(0, size) for size in shape)


def asked(teacher: EmbeddingTeacher, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The parts that a teacher predicts from now on."""
    parts: list[Any] = []
    predict = teacher.predict_part

    def note(image: Any, *rest: Any) -> Any:
        parts.append(image)
        return predict(image, *rest)

    monkeypatch.setattr(teacher, "predict_part", note)
    return parts


@pytest.mark.parametrize("diameter", [None, 15, 38])  # as it is, enlarged, shrunk
def test_blocks_are_parts_of_the_whole(
    teacher: EmbeddingTeacher, diameter: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = EmbeddingTeacher(teacher.model, teacher.config.replace(object_diameter=diameter))
    monkeypatch.setattr(taught, "_SIDES", {2: (160, 160)})
    image, _ = nuclei_2d(np.random.default_rng(0), (170, 200) if diameter == 15 else (330, 400))
    sure = ConfidentTeacher(teacher)
    expected = sure.predict(image[None])
    cache = TeacherCache(tmp_path / "cache", sure)
    blocks = TaughtImage(StoredImage(on_disk(image, tmp_path / "i"), "yx"), sure, cache, confidence=0.7)
    needed: list[int] = []
    monkeypatch.setattr(taught, "check_disk", lambda _folder, count, _what: iter(needed.append(count) or ()))
    (first, *_) = drain(blocks.iter_begin(1, 1000, "Asking"))
    assert 0 < len(np.unique(first)) - 1 < 40
    labels, output = blocks.prediction.labels, blocks.prediction.output
    box = whole(image.shape)
    assert expected.embeddings is not None
    assert expected.foreground is not None
    assert expected.confidence is not None
    known = without_uncertain(expected.labels, expected.confidence, 0.7)
    found = labels.read(box)
    assert np.mean((found > 0) == (known > 0)) > 0.995
    pairs = np.unique(np.stack([known, found])[:, (known > 0) & (found > 0)], axis=1)
    assert len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]  # one number an object
    assert np.mean((found == IGNORED) == (known == IGNORED)) > 0.99  # views of a block have other phases of the stride
    assert (found == IGNORED).any() == (known == IGNORED).any()
    assert needed == [pytest.approx(size_on_disk(tmp_path / "cache"), rel=0.01)]  # all blocks were read
    np.testing.assert_allclose(output[(..., *box)][:-1], expected.embeddings, atol=0.01)
    np.testing.assert_allclose(output[(..., *box)][-1], expected.foreground, atol=0.01)


def test_blocks_of_a_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taught, "_SIDES", {3: (16, 32, 32)})
    torch.manual_seed(0)
    network = {"name": "subpixel_unet3d", "widths": (2, 4, 4), "embedding": 4}
    settings = SegmentConfig(runtime="torch", precision="f32", halo=16)
    teacher = EmbeddingTeacher(Model.create(ModelConfig(network=network, ndim=3, offsets=OFFSETS_3D)), settings)
    volume = np.random.default_rng(0).random((40, 80, 72)).astype(np.float32)
    expected = teacher.predict(volume[None])
    image = StoredImage(on_disk(volume, tmp_path / "i"), "zyx", ndim=3)
    blocks = TaughtImage(image, teacher, TeacherCache(tmp_path / "cache", teacher))
    drain(blocks.iter_begin(0, 10, "Asking"))
    prediction = blocks.prediction
    box = (slice(10, 36), slice(20, 70), slice(0, 72))
    prediction.labels.read(box)
    assert expected.embeddings is not None
    difference = np.abs(prediction.output[(..., *box)][:-1] - expected.embeddings[(..., *box)])
    assert np.median(difference) < 2e-3  # beyond the halo of 16 voxels, that this network sees


def test_a_student_is_the_same_as_of_an_image_in_memory(
    teacher: EmbeddingTeacher, small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _ = nuclei_2d(np.random.default_rng(0), (160, 200))
    config = small(**EMBEDDING, confidence=0.6)
    expected = drain(iter_distill(teacher, [image], config=config, out_dir=tmp_path / "memory"))
    array = on_disk(image, tmp_path / "i")
    job = iter_distill(teacher, [array], config=config, out_dir=tmp_path / "out")
    for event in job:
        if isinstance(event, Progress) and event.stage == "Distilling" and event.done == 3:
            job.close()
    parts = asked(teacher, monkeypatch)
    model = drain(iter_distill(teacher, [array], config=config, out_dir=tmp_path / "out"))
    assert not parts  # all are cached
    assert model.config == expected.config
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], tensor), name


def test_only_the_blocks_that_patches_touch_are_predicted_and_only_once(
    teacher: EmbeddingTeacher, small: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taught, "_SIDES", {2: (128, 128)})
    tile, _ = nuclei_2d(np.random.default_rng(0), (256, 256))
    array = on_disk(np.tile(tile, (4, 4)), tmp_path / "i")
    parts = asked(teacher, monkeypatch)
    config = small(**EMBEDDING, steps=2, batch=1)
    events: list[Any] = []
    student = drain(iter_distill(teacher, [array], config=config, cache_dir=tmp_path / "cache"), events.append)
    assert 4 <= len(parts) < 30 < 64
    assert max(part.size for part in parts) <= (128 + 2 * 64 + 2 * 80 + 2 * 32) ** 2
    assert student.config.object_diameter == pytest.approx(25, rel=0.25)
    assert student.config.contrast == "bright"
    assert len([e for e in events if isinstance(e, Progress)]) > len(parts)
    known = len(parts)
    drain(iter_distill(teacher, [array], config=config, cache_dir=tmp_path / "cache"))
    assert len(parts) == known
    array[:] = array[:] + 1  # another image: what is cached is of no use
    drain(iter_distill(teacher, [array], config=config, cache_dir=tmp_path / "cache"))
    assert len(parts) == 2 * known


def test_labels_and_teacher_of_a_stored_image(teacher: EmbeddingTeacher, small: Make, tmp_path: Path) -> None:
    image, labels = nuclei_2d(np.random.default_rng(0), (160, 200))
    arrays = on_disk(image, tmp_path / "i"), on_disk(labels.astype(np.uint32), tmp_path / "l")
    config = small(**EMBEDDING, steps=3)
    expected = drain(iter_distill(teacher, [image, image], [labels, None], config))
    model = drain(iter_distill(teacher, [arrays[0], image], [arrays[1], None], config))
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], tensor), name


def test_what_cannot_be_distilled(teacher: EmbeddingTeacher, small: Make, tmp_path: Path) -> None:
    image, labels = nuclei_2d(np.random.default_rng(0), (96, 96))
    array = on_disk(image, tmp_path / "i")
    with pytest.raises(ConfigError, match=r"Image 0 is large and .* 'labels' needs whole images\. Pass parts"):
        drain(iter_distill(LabelTeacher([(image, labels)]), [array], config=small()))
    noise = on_disk(np.random.default_rng(0).normal(100, 1, (128, 128)).astype(np.float32), tmp_path / "noise")
    with pytest.raises(DataError, match="The teacher found no instance"):
        drain(iter_distill(teacher, [noise], config=small(**EMBEDDING)))
