"""A checkpoint is good or is not gone on from: divergence, damage and full disks cost at most one of them."""

import json
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from napari_grd.config import NetworkConfig, TrainConfig
from napari_grd.data.simulate import nuclei_2d
from napari_grd.distillation import checkpoint as module
from napari_grd.distillation.checkpoint import load_checkpoint, previous_path, save_checkpoint
from napari_grd.distillation.recipes import iter_train
from napari_grd.distillation.stages import CHECKPOINT
from napari_grd.errors import ConfigError, DataError, GrdError, GrdWarning, OutputError
from napari_grd.io.model_file import save_model
from napari_grd.jobs import Notice, Progress, drain
from napari_grd.models.model import Model, ModelConfig

PAIRS = [nuclei_2d(np.random.default_rng(seed), (64, 64)) for seed in range(2)]


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(
        network=NetworkConfig(widths=(2, 4, 4, 4, 4), embedding=8), steps=6, batch=2, patch=48, device="cpu"
    ).replace(**changes)


def job(folder: Path | None, settings: TrainConfig) -> Any:
    images, labels = zip(*PAIRS, strict=True)
    return iter_train(images, labels, settings, validation=0.0, out_dir=folder)


def stop_at(folder: Path, step: int, settings: TrainConfig) -> Path:
    running = job(folder, settings)
    for event in running:
        if isinstance(event, Progress) and event.stage == "Training" and event.done == step:
            break
    running.close()
    return folder / CHECKPOINT


def assert_same(a: Model, b: Model) -> None:
    one, other = a.network.state_dict(), b.network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole() -> Model:
    """What comes of a training that nothing happens to."""
    model: Model = drain(job(None, config()))
    return model


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of one that was stopped at its third step."""
    return stop_at(tmp_path_factory.mktemp("stopped"), 3, config(checkpoint_every=1e-6))


@pytest.fixture
def path(stopped: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    for each in (stopped, previous_path(stopped)):
        shutil.copy(each, tmp_path)
    return tmp_path / CHECKPOINT


@pytest.mark.parametrize(("rate", "every"), [(1e30, 1e9), (1e18, 1e-6)])
def test_a_diverging_training_keeps_its_last_good_state(tmp_path: Path, rate: float, every: float) -> None:
    settings = config(steps=30, checkpoint_every=every, **{"optim.lr": rate, "optim.clip": 1e30})
    words = r"at step \d+\. The last good state.*optim\.lr \(now 1e\+\d+\), in a new folder"
    with pytest.raises(ConfigError, match=words):
        drain(job(tmp_path, settings))
    kept = load_checkpoint(tmp_path / CHECKPOINT)
    assert module.is_finite(kept)
    events: list[Any] = []
    with pytest.raises(ConfigError, match="at step"):  # it is gone on from, and comes to the same
        drain(job(tmp_path, settings), events.append)
    assert not any(isinstance(event, Notice) for event in events)


def test_no_model_file_of_weights_that_are_no_numbers(tmp_path: Path) -> None:
    model = Model.create(ModelConfig())
    next(iter(model.network.parameters())).data[0] = float("nan")
    with pytest.raises(OutputError, match="not finite"):
        save_model(model, tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # in the last weight: nothing but a digest can tell
    path.write_bytes(content)


def without(path: Path, part: str) -> None:
    state = load_checkpoint(path)
    del state[part]
    save_checkpoint(path, state)


DAMAGES: dict[str, Callable[[Path], Any]] = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "strange": lambda path: path.write_bytes(b"\x02\0\0\0\0\0\0\0{}"),
    "no number": lambda path: save_checkpoint(path, spoiled(path)),
}


def spoiled(path: Path) -> dict[str, Any]:
    state = load_checkpoint(path)
    next(module.tensors_of(state["network"])).fill_(float("nan"))
    return state


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_falls_back_to_its_predecessor(path: Path, whole: Model, damage: str) -> None:
    before = previous_path(path).read_bytes()
    DAMAGES[damage](path)
    previous_path(path).write_bytes(before)
    with pytest.warns(GrdWarning, match=r"is damaged; the training resumes from its predecessor, at step [23]"):
        resumed = drain(job(path.parent, config()))
    assert_same(resumed, whole)


@pytest.mark.parametrize("damage", DAMAGES)
def test_without_a_good_predecessor_it_is_an_error_that_names_it(path: Path, damage: str) -> None:
    DAMAGES[damage](path)
    previous_path(path).write_bytes(b"damaged, too")
    with pytest.raises(DataError, match=r"checkpoint\.safetensors.*cannot be read.*Delete it to restart"):
        drain(job(path.parent, config()))
    path.unlink()
    running = job(path.parent, config())  # as it was told
    assert any(isinstance(event, Progress) and event.done == 1 for event in running)
    running.close()


@pytest.mark.parametrize("part", ["signature", "network", "optimizer", "ema", "objective", "state"])
def test_a_checkpoint_that_lacks_something(path: Path, part: str) -> None:
    without(path, part)
    previous_path(path).unlink()
    with pytest.raises(GrdError, match=r"checkpoint\.safetensors"):
        drain(job(path.parent, config()))


def older(path: Path) -> None:
    """Write a checkpoint as it was before there were digests."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del metadata["digest"]
    save_file(tensors, path, metadata=metadata)


def test_a_checkpoint_of_an_older_version_is_gone_on_from(path: Path, whole: Model) -> None:
    older(path)
    previous_path(path).unlink()
    assert_same(drain(job(path.parent, config())), whole)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    data, header = bytearray(content), struct.unpack("<Q", content[:8])[0]
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(data) if rng.random() < 0.3 else min(len(data), header + 8)))
        kind = rng.integers(0, 3)
        if kind == 0:
            data[at] = int(rng.integers(0, 256))
        elif kind == 1:
            del data[at : at + int(rng.integers(1, 50))]
        else:
            data[at:at] = bytes(rng.integers(0, 256, int(rng.integers(1, 50)), dtype=np.uint8))
        if len(data) < 9:
            return bytes(data)
    return bytes(data)


@pytest.mark.parametrize("digest", [True, False])
def test_mutated_checkpoints_are_read_or_refused_in_one_line(path: Path, digest: bool, hostile_long: bool) -> None:
    if not digest:
        older(path)
    content, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(500 if hostile_long else 60):
        path.write_bytes(mutated(content, rng))
        try:
            load_checkpoint(path)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017


TREES = ["{}", "null", "[" * 100_000, "3", '{"__items__": 3}', '{"__items__": [[[], 1]]}', '{"__tensor__": "9"}', '"']


@pytest.mark.parametrize("tree", TREES, ids=range(len(TREES)))
def test_trees_that_are_none(tmp_path: Path, tree: str) -> None:
    path = tmp_path / CHECKPOINT
    head = json.dumps({"__metadata__": {"napari_grd_checkpoint": "1", "tree": tree}}).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    with pytest.raises(DataError, match=r"checkpoint\.safetensors"):
        drain(job(tmp_path, config()))


def test_what_cannot_be_read_back_does_not_replace_what_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, {"step": torch.ones(3)})

    def damaged(tensors: Any, target: Path, metadata: Any) -> None:
        save_file(tensors, target, metadata=metadata)
        flip(target)

    monkeypatch.setattr(module, "save_file", damaged)
    with pytest.raises(OutputError, match="cannot be read back"):
        save_checkpoint(path, {"step": torch.zeros(3)})
    assert load_checkpoint(path)["step"].tolist() == [1, 1, 1]
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_predecessor_is_read_again_only_if_it_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / CHECKPOINT, []
    monkeypatch.setattr(module, "load_checkpoint", lambda each: (read.append(each.name), load_checkpoint(each))[1])
    for step in range(3):
        save_checkpoint(path, {"step": step})
    assert len(read) == 3
    assert CHECKPOINT not in read
    flip(path)
    os.utime(path, (0, 0))
    save_checkpoint(path, {"step": 3})
    assert read.count(CHECKPOINT) == 1
    assert load_checkpoint(previous_path(path)) == {"step": 1}


def test_a_full_disk_is_said_and_the_old_checkpoint_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / CHECKPOINT
    save_checkpoint(path, {"step": torch.ones(3)})

    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(OutputError, match=r"no space is left.*Free some space"):
        save_checkpoint(path, {"step": torch.zeros(3)})
    assert load_checkpoint(path)["step"].tolist() == [1, 1, 1]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the superuser can mount a small disk")
def test_a_training_on_a_full_disk(path: Path, whole: Model, tmp_path_factory: pytest.TempPathFactory) -> None:
    disk = tmp_path_factory.mktemp("disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        kept = Path(shutil.copy(path, disk))
        (disk / "filler").write_bytes(bytes(os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize))
        with pytest.raises(OutputError, match="no space is left"):
            drain(job(disk, config()))
        assert load_checkpoint(kept)["state"]["step"] == 3
        (disk / "filler").unlink()
        assert_same(drain(job(disk, config())), whole)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
