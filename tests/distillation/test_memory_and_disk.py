"""A job that will not fit into memory or onto the disk says so before it begins."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_grd.config import NetworkConfig, TrainConfig
from napari_grd.distillation.prepare import check_images
from napari_grd.distillation.recipes import iter_train
from napari_grd.distillation.teacher_cache import TeacherCache
from napari_grd.errors import OutOfMemory, OutputError
from napari_grd.inference import memory
from napari_grd.io import disk
from napari_grd.jobs import Notice, Progress, drain
from napari_grd.models.complexity import step_bytes
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.resunet import ResUNet
from napari_grd.teaching.base import TeacherPrediction

Usage = namedtuple("Usage", "total used free")
IMAGES = [np.random.default_rng(seed).random((1, 64, 64), np.float32) for seed in range(4)]


SMALL = TrainConfig(
    network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=4), steps=1, batch=1, patch=32, device="cpu"
)


class Teacher:
    """Says that there is one object, and counts how often."""

    name, gives_embeddings, fingerprint = "one", False, "0123456789abcdef" * 2
    asked = 0

    def predict(self, image: Any) -> TeacherPrediction:
        self.asked += 1
        noise = np.random.default_rng(0).random(image.shape[1:], np.float32)
        return TeacherPrediction(np.ones(image.shape[1:], np.uint32), noise)


@pytest.mark.parametrize(("share", "ends"), [(0.9, "error"), (1.5, "notice"), (4.0, "silence")])
def test_answers_of_a_teacher(share: float, ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drain(TeacherCache(tmp_path / "one", Teacher()).fill(IMAGES[:1]))
    needed = 3 * disk.size_on_disk(tmp_path / "one")
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: Usage(10**9, 0, int(share * needed)))
    teacher, events = Teacher(), []
    job = TeacherCache(tmp_path / "all", teacher).fill(IMAGES)
    if ends == "error":
        with pytest.raises(OutputError, match=r"predictions of 3 more images need about .* are free on the disk of"):
            drain(job)
        assert teacher.asked == 1
        return
    drain(job, events.append, warn=False)
    assert teacher.asked == 4
    assert [type(event) for event in events if not isinstance(event, Progress)] == [Notice] * (ends == "notice")


@pytest.mark.parametrize(("share", "ends"), [(0.9, "error"), (1.5, "notice"), (4.0, "silence")])
def test_images_to_train_on(share: float, ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = sum(4 * image.size for image in IMAGES) + round(step_bytes(SMALL.network, 32**2))
    monkeypatch.setattr(memory, "available_memory", lambda: int(share * needed))
    labels = [np.pad(np.ones((20, 20), int), 22)] * 4
    job = iter_train([image[0] for image in IMAGES], labels, SMALL, validation=0.0)
    if ends == "error":
        with pytest.raises(OutOfMemory, match=r"4 images of together 0 million .* 1 patches of 32 x 32 .* needed, and"):
            drain(job)
        return
    first = next(job)
    job.close()
    assert isinstance(first, Notice) == (ends == "notice")


@pytest.mark.parametrize("changes", [{"batch": 10_000}, {"patch": 64, "batch": 2500}, {"devices": 10_000}])
def test_a_step_that_does_not_fit(changes: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 2**30)
    data = check_images(IMAGES, None, SMALL, "cyx")
    drain(data.check_memory(SMALL))
    with pytest.raises(OutOfMemory, match=r"Set a smaller batch \(now \d+\) or patch"):
        drain(data.check_memory(SMALL.replace(**changes)))


@pytest.mark.parametrize("widths", [(8, 8, 8, 8, 8), (32, 64, 128, 256, 512)])
def test_what_a_step_takes_is_what_its_network_keeps(widths: tuple[int, ...]) -> None:
    network = NetworkConfig(widths=widths)
    model = Model.create(ModelConfig(network=network)).network.train()
    weights = {parameter.data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.setdefault(t.data_ptr(), t), lambda t: t):
        output = model(torch.zeros(1, 1, 128, 128))
    found = sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights)
    assert output.requires_grad
    by_pixel = step_bytes(network, 10**9) - step_bytes(network, 0)
    assert by_pixel / 1e9 - 1300 == pytest.approx(found / 128**2, rel=0.05)


def test_a_network_that_needs_numbers_is_trained_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = NetworkConfig(widths=(3, 4, 4, 4, 4), embedding=4)
    forward = ResUNet.forward

    def looks(self: Any, image: torch.Tensor) -> torch.Tensor:
        return forward(self, image * float(image.mean().item() < np.inf))

    monkeypatch.setattr(ResUNet, "forward", looks)
    assert step_bytes(network, 10**6) == pytest.approx(1300e6, rel=0.01)
