"""Mutated models and packages: loaded, or refused in one line."""

import hashlib
import json
import shutil
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from napari_grd import api
from napari_grd.config import NetworkConfig
from napari_grd.io.names import MODEL_SUFFIX
from napari_grd.models import Model, ModelConfig


@pytest.fixture(scope="module")
def small() -> Model:
    return Model.create(ModelConfig(network=NetworkConfig(widths=(4, 8, 8, 8, 8))))


def test_model_files(small: Model, tmp_path: Path, fuzz: Any, mutated: Any, mutation: Any, how_many: int) -> None:
    good = api.save_model(small, tmp_path / "inputs" / "a")
    path = good.with_name("b.grd.safetensors")
    content = good.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    head, rest = content[8 : 8 + length], content[8 + length :]

    def within(number: int, text: bytes) -> bytes:
        """Every other header has the settings or the card in it changed."""
        if number % 3:
            return text
        outer = json.loads(head)
        key = ("config", "card", "napari_grd")[number // 3 % 3]
        changed = mutation(outer["__metadata__"][key].encode(), number, structured=key != "napari_grd")
        outer["__metadata__"][key] = changed.decode("utf-8", "replace")
        return json.dumps(outer).encode()

    def contents() -> Iterator[bytes]:
        for number, text in enumerate(mutated(head, how_many, structured=True)):
            text = within(number, text)
            yield struct.pack("<Q", len(text)) + text + rest
        yield from mutated(content, how_many // 2)

    fuzz("model", good, contents(), file=path)


@pytest.fixture
def package(small: Model, tmp_path: Path) -> Path:
    """A folder that is both a package of ours, and one of a stranger with weights that torch runs."""
    folder = tmp_path / "inputs" / "a"
    folder.mkdir(parents=True)
    api.save_model(small, folder / "own")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.script(torch.nn.AvgPool2d(3, 1, 1)).save(str(folder / "weights.pt"))

    def axes(**size: Any) -> list[Any]:
        return [{"type": "batch"}, {"type": "channel", "channel_names": ["foreground"]}] + [
            {"type": "space", "id": name, **{key: value(name) for key, value in size.items()}} for name in "yx"
        ]

    digest = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("own" + MODEL_SUFFIX, "weights.pt")
    }
    content = {
        "format_version": "0.5.4",
        "type": "model",
        "name": "Tiny model",
        "description": "made for tests",
        "license": "MIT",
        "authors": [{"name": "Nobody"}],
        "cite": [{"text": "nothing", "url": "https://example.com/"}],
        "attachments": [{"source": "own" + MODEL_SUFFIX, "sha256": digest["own" + MODEL_SUFFIX]}],
        "config": {"napari_grd": {"model": "own" + MODEL_SUFFIX}},
        "inputs": [
            {
                "id": "raw",
                "axes": axes(size=lambda _: {"min": 16, "step": 1}),
                "test_tensor": {"source": "input.npy"},
            }
        ],
        "outputs": [
            {
                "id": "out",
                "description": "",
                "axes": axes(size=lambda name: {"tensor_id": "raw", "axis_id": name}),
                "test_tensor": {"source": "output.npy"},
                "data": {"type": "float32", "range": [0.0, 1.0]},
            }
        ],
        "weights": {
            "torchscript": {"source": "weights.pt", "sha256": digest["weights.pt"], "pytorch_version": "2.5.1"}
        },
    }
    (folder / "bioimageio.yaml").write_text(yaml.safe_dump(content))
    return folder


def test_packages(package: Path, tmp_path: Path, fuzz: Any, mutation: Any, how_many: int) -> None:
    good, path = tmp_path / "inputs" / "a.zip", tmp_path / "inputs" / "b.zip"
    shutil.make_archive(str(good.with_suffix("")), "zip", package)
    content = good.read_bytes()
    directory = len(content) - content.index(b"PK\x01\x02")

    # Most of a package is weights: every other one is wrong in its directory.
    contents = (
        content[:-directory] + mutation(content[-directory:], number) if number % 2 else mutation(content, number)
        for number in range(how_many)
    )
    fuzz("model", good, contents, file=path)


def test_descriptions(package: Path, tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    folder, name = tmp_path / "inputs" / "b", "bioimageio.yaml"
    shutil.copytree(package, folder)

    def inputs() -> Iterator[Path]:
        for content in mutated((package / name).read_bytes(), how_many):
            (folder / name).write_bytes(content)
            yield folder

    fuzz("teacher", package, inputs())
