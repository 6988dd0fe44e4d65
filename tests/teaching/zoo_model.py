"""Writes a tiny model of the bioimage.io zoo."""

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn


class Mean(nn.Module):
    """The mean of ``reach`` pixels around each; takes sides that are multiples of ``multiple`` only."""

    def __init__(self, reach: int, multiple: int) -> None:
        super().__init__()
        self.reach = reach
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % self.multiple != 0 or x.shape[3] % self.multiple != 0:
            raise RuntimeError("the sides of the image are not multiples")
        return nn.functional.avg_pool2d(x, 2 * self.reach + 1, 1, self.reach)


def script(network: nn.Module, path: Path) -> Path:
    """Save as TorchScript."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.script(network).save(str(path))
    return path


def file_entry(path: Path) -> dict[str, str]:
    """A file as a description names it."""
    return {"source": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def write_zoo_model(
    folder: Path,
    channels: tuple[str, ...] = ("foreground",),
    *,
    inputs: int | None = None,
    size: Any = None,
    halo: int = 0,
    reach: int = 0,
    network: nn.Module | None = None,
    output: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """Write a package that gives each channel of its input back, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    multiple = 16 if isinstance(size, dict) else 1
    weights = script(network or Mean(reach, multiple), folder / "weights.pt")
    sizes = {"size": size or {"min": 16, "step": 1}}
    extra = {"halo": halo} if halo else {}
    content: dict[str, Any] = {
        "format_version": "0.5.4",
        "type": "model",
        "name": "Tiny model",
        "description": "made for tests",
        "license": "MIT",
        "authors": [{"name": "Nobody"}],
        "cite": [{"text": "nothing", "url": "https://example.com/"}],
        "inputs": [
            {
                "id": "raw",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": [f"in{n}" for n in range(inputs or len(channels))]},
                    *({"type": "space", "id": name, **sizes} for name in "yx"),
                ],
                "test_tensor": {"source": "input.npy"},
            }
        ],
        "outputs": [
            {
                "id": "out",
                "description": "",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": list(channels)},
                    *(
                        {"type": "space", "id": name, "size": {"tensor_id": "raw", "axis_id": name}, **extra}
                        for name in "yx"
                    ),
                ],
                "test_tensor": {"source": "output.npy"},
                "data": {"type": "float32", "range": [0.0, 1.0]},
                **(output or {}),
            }
        ],
        "weights": {"torchscript": {**file_entry(weights), "pytorch_version": "2.5.1"}},
    }
    (folder / "bioimageio.yaml").write_text(yaml.safe_dump(content | changes))
    return folder
