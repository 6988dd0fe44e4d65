"""Training and distillation of networks that take volumes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_grd as grd
from napari_grd.config import AssistantConfig, DistillConfig, NetworkConfig
from napari_grd.data.dataset import Batch, TeacherLayout
from napari_grd.data.simulate import nuclei_3d
from napari_grd.distillation.objective import Objective
from napari_grd.distillation.prepare import check_images, object_diameter, split, targets
from napari_grd.distillation.recipes import iter_distill, iter_train
from napari_grd.errors import ConfigError, ImageError
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.jobs import drain

Volume = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
NETWORK = NetworkConfig(name="resunet3d", widths=(2, 2, 2, 2, 2), embedding=4)


@pytest.fixture(scope="module")
def volume() -> Volume:
    image, labels = nuclei_3d(np.random.default_rng(0), (40, 48, 48))
    return image, labels.astype(int)


def recipe(**changes: Any) -> DistillConfig:
    config = DistillConfig(
        network=NETWORK,
        steps=2,
        batch=1,
        patch=32,
        patch_depth=16,
        anisotropy=1.0,
        validate_every=100,
        device="cpu",
        assistant=AssistantConfig(network=NETWORK, steps=1),
    )
    return config.replace(**changes)


@pytest.fixture(scope="module")
def teacher(volume: Volume) -> grd.Model:
    return drain(iter_train(volume[0], volume[1], recipe(), axes="zyx", validation=0.0))


def test_a_model_for_volumes_segments_volumes(teacher: grd.Model, volume: Volume) -> None:
    assert teacher.config.ndim == 3
    assert teacher.config.offsets == OFFSETS_3D
    assert teacher.config.anisotropy == 1
    labels = grd.segment(teacher, volume[0], axes="zyx")
    assert labels.shape == volume[0].shape


def test_a_student_learns_from_embeddings_and_scores_the_last_planes(
    teacher: grd.Model, volume: Volume, tmp_path: Path
) -> None:
    seen: list[Any] = []
    student = grd.distill(
        teacher, *volume, config=recipe(), axes="zyx", out_dir=tmp_path, validation=0.2, on_event=seen.append
    )
    terms = {name for event in seen if getattr(event, "kind", "") == "train" for name in event.values}
    assert {"affinity", "agd", "node", "edge", "agd_inter", "igd_inter", "teacher_foreground"} <= terms
    assert "ap50" in student.card.scores
    previews = [event for event in seen if type(event).__name__ == "PreviewImages"]
    assert previews[-1].images["labels"].shape == (48, 48)
    again = grd.load_model(tmp_path / "student.grd.safetensors")
    assert again.config == student.config


def test_instances_alone_train_an_assistant_first(volume: Volume) -> None:
    from napari_grd.teaching.labels import LabelTeacher

    known = LabelTeacher([(volume[0], volume[1])], axes="zyx")
    student = drain(iter_distill(known, volume[0], config=recipe(), axes="zyx", validation=0.0))
    assert student.config.ndim == 3
    with pytest.raises(ConfigError, match=r"assistant\.network.*takes planes"):
        drain(iter_distill(known, volume[0], config=recipe(assistant={"steps": 1}), axes="zyx"))


def test_a_killed_training_resumes_bit_for_bit(volume: Volume, tmp_path: Path) -> None:
    config = recipe(steps=3)
    whole = drain(iter_train(volume[0], volume[1], config, axes="zyx", validation=0.0))
    job = iter_train(volume[0], volume[1], config, axes="zyx", validation=0.0, out_dir=tmp_path)
    for event in job:
        if getattr(event, "done", 0) and event.stage == "Training":
            break
    job.close()
    resumed = drain(iter_train(volume[0], volume[1], config, axes="zyx", validation=0.0, out_dir=tmp_path))
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(resumed.network.state_dict()[name], value, rtol=0, atol=0)


def test_valid_convolutions_are_trained_on_the_central_part(volume: Volume) -> None:
    network = NetworkConfig(name="mala", widths=(1, 1, 1, 1), embedding=2)
    config = recipe(network=network, patch=32, patch_depth=2, steps=1)
    model = drain(iter_train(volume[0], volume[1], config, axes="zyx", validation=0.0))
    assert model.config.network.name == "mala"
    assert model.config.partition.fragment_ratio > 0


def test_small_objects_of_dense_volumes_are_no_fragments(volume: Volume) -> None:
    model = drain(iter_train(volume[0], volume[1], recipe(background="ignore", steps=1), axes="zyx", validation=0.0))
    assert model.config.partition.fragment_ratio == 0


def test_what_volumes_need_is_said(volume: Volume) -> None:
    with pytest.raises(ConfigError, match="anisotropy is not set"):
        check_images(volume[0], volume[1], recipe(anisotropy=None), "zyx")
    with pytest.raises(ImageError, match=r"\(8, 48, 48\) pixels, but a patch has \(16, 32, 32\).*patch_depth to 8"):
        check_images(volume[0][:8], volume[1][:8], recipe(), "zyx")
    with pytest.raises(ImageError, match="the model works in 3D"):
        check_images(volume[0][0], volume[1][0], recipe(), "yx")


def test_a_volume_that_is_too_thin_to_split_is_trained_on_as_a_whole(volume: Volume) -> None:
    data = check_images(volume[0][:18], volume[1][:18], recipe(), "zyx")
    assert split(data, 0.2, least=16) == (data, None)
    kept, held = split(data, 0.1, least=16)
    assert (kept.images[0].shape[1], held.images[0].shape[1]) == (16, 2)


def test_the_diameter_is_that_of_a_sphere_in_pixels() -> None:
    z, y, x = np.mgrid[-20:21, -20:21, -20:21]
    ball = (z**2 + y**2 + x**2 <= 15**2).astype(int)
    assert object_diameter([ball]) == pytest.approx(30, abs=0.5)
    assert object_diameter([ball[::4]], anisotropy=4.0) == pytest.approx(30, abs=1)


def test_widened_borders_repel_and_unlabeled_voxels_stay_ignored() -> None:
    labels = np.array([[[1, 1, 1, 2, 2, 2, 0, 0]]])
    config = recipe(background="ignore", widen_borders=True)
    found = targets(labels, config)
    assert found.tolist() == [[[1, 1, 0, 0, 2, 2, -1, -1]]]
    embedding = torch.ones(1, 4, 1, 1, 8)
    batch = Batch(torch.zeros(1, 1, 1, 1, 8), torch.from_numpy(found)[None], None, (0,))
    offsets = ((0, 0, -1), (0, -1, 0), (-1, 0, 0))
    loss = Objective(config, offsets)(embedding, None, batch, 0)["affinity"]
    # Of the five valid pairs 1-1, 1-0, 0-0, 0-2 and 2-2 three are repulsive: their affinity of 1 is wrong.
    assert loss.item() == pytest.approx(3 / 5)


def test_the_central_part_of_a_batch() -> None:
    labels = torch.arange(5 * 6 * 7).reshape(1, 5, 6, 7)
    batch = Batch(torch.zeros(1, 1, 5, 6, 7), labels, labels[:, None].float(), (0,))
    part = batch.targets_within((3, 2, 7))
    assert torch.equal(part.labels, labels[:, 1:4, 2:4])
    assert torch.equal(part.teacher[:, 0].long(), part.labels)
    assert batch.targets_within((5, 6, 7)) is batch
    assert TeacherLayout(affinities=12).pairs == slice(0, 12)
