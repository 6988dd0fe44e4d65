"""Two processes train as one: same weights, same bank, one stop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from napari_grd.config import DistillConfig, TrainConfig
from napari_grd.distillation.checkpoint import load_checkpoint
from napari_grd.distillation.parallel import resolve_device
from napari_grd.distillation.recipes import iter_distill, iter_train
from napari_grd.distillation.stages import CHECKPOINT
from napari_grd.errors import ConfigError
from napari_grd.jobs import Progress, drain
from napari_grd.teaching.embedding import EmbeddingTeacher

Make = Callable[..., DistillConfig]


@pytest.fixture
def teacher(nuclei: Any, small: Make) -> EmbeddingTeacher:
    return EmbeddingTeacher(drain(iter_train(*nuclei, small(steps=2))))


def test_two_processes_share_bank_and_stop(nuclei: Any, small: Make, teacher: EmbeddingTeacher, tmp_path: Path) -> None:
    config = small(devices=2, steps=500, **{"bank.capacity": 64})
    job = iter_distill(teacher, *nuclei, config, out_dir=tmp_path)
    for event in job:
        if isinstance(event, Progress) and event.stage == "Distilling" and event.done >= 3:
            break
    job.close()  # one flag for all: a rank that stopped alone would hang here
    state = load_checkpoint(tmp_path / CHECKPOINT)
    steps = state["state"]["step"]
    assert 3 <= steps < 500
    entries = min(64, steps * config.batch * 2)
    assert len(state["objective"]["counts"]) == entries  # those of both ranks


def test_two_processes_finish_with_a_model(nuclei: Any, small: Make, tmp_path: Path) -> None:
    model = drain(iter_train(*nuclei, small(devices=2, steps=3), out_dir=tmp_path))
    assert (tmp_path / "teacher.grd.safetensors").exists()
    assert all(torch.isfinite(p).all() for p in model.network.parameters())
    assert model.card.scores["ap50"] >= 0


def test_a_missing_device_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(ConfigError, match="'cuda' is not available"):
        resolve_device(TrainConfig(device="cuda"))


def test_precision_follows_the_device() -> None:
    assert resolve_device(TrainConfig(device="cpu")) == ("cpu", "32-true")
    assert resolve_device(TrainConfig(device="cpu", precision="bf16")) == ("cpu", "bf16-mixed")
