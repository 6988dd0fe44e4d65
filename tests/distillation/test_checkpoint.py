"""Checkpoints keep nested state exactly, and never half."""

from pathlib import Path

import pytest
import torch

from napari_grd.distillation.checkpoint import load_checkpoint, save_checkpoint
from napari_grd.errors import DataError


def test_nested_state_comes_back_exactly(tmp_path: Path) -> None:
    state = {
        "step": 3,
        "name": "x",
        "nothing": None,
        "optimizer": {"state": {0: {"m": torch.randn(2, 3), "t": torch.tensor(7.0)}}, "groups": [{"lr": 1e-3}]},
        "counts": torch.tensor([1, 2], dtype=torch.int64),
        "empty": torch.zeros(0, 4),
    }
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, state)
    loaded = load_checkpoint(path)
    assert loaded["step"] == 3
    assert loaded["nothing"] is None
    assert list(loaded["optimizer"]["state"]) == [0]  # an integer key, as the optimizer wants it
    assert torch.equal(loaded["optimizer"]["state"][0]["m"], state["optimizer"]["state"][0]["m"])
    assert loaded["optimizer"]["groups"] == [{"lr": 1e-3}]
    assert loaded["counts"].dtype == torch.int64
    assert loaded["empty"].shape == (0, 4)


def test_channels_last_tensors_keep_their_values(tmp_path: Path) -> None:
    tensor = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    save_checkpoint(tmp_path / "c", {"t": tensor})
    assert torch.equal(load_checkpoint(tmp_path / "c")["t"], tensor)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_a_damaged_checkpoint_says_what_to_do(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"c\.safetensors.*Delete it"):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, {"t": torch.randn(100)})
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match="cannot be read"):
        load_checkpoint(path)
