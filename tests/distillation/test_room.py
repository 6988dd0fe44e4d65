"""A job that will not fit into memory or onto the disk says so before it begins."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_grd.config import NetworkConfig, TrainConfig
from napari_grd.distillation.recipes import iter_train
from napari_grd.distillation.teacher_cache import TeacherCache
from napari_grd.errors import OutOfMemory, OutputError
from napari_grd.inference import memory
from napari_grd.io import disk
from napari_grd.jobs import Notice, Progress, drain
from napari_grd.teaching.base import TeacherPrediction

Usage = namedtuple("Usage", "total used free")
IMAGES = [np.random.default_rng(seed).random((1, 64, 64), np.float32) for seed in range(4)]


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
        with pytest.raises(OutputError, match=r"answers to 3 more images take about .* are free on the disk of"):
            drain(job)
        assert teacher.asked == 1
        return
    drain(job, events.append, warn=False)
    assert teacher.asked == 4
    assert [type(event) for event in events if not isinstance(event, Progress)] == [Notice] * (ends == "notice")


@pytest.mark.parametrize(("share", "ends"), [(0.9, "error"), (1.5, "notice"), (4.0, "silence")])
def test_images_to_train_on(share: float, ends: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = sum(4 * image.size for image in IMAGES)
    monkeypatch.setattr(memory, "available_memory", lambda: int(share * needed))
    labels = [np.pad(np.ones((20, 20), int), 22)] * 4
    config = TrainConfig(
        network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=4), steps=1, batch=1, patch=32, device="cpu"
    )
    job = iter_train([image[0] for image in IMAGES], labels, config, validation=0.0)
    if ends == "error":
        with pytest.raises(OutOfMemory, match=r"4 images of together 0 million values take .*fewer of them"):
            drain(job)
        return
    first = next(job)
    job.close()
    assert isinstance(first, Notice) == (ends == "notice")
