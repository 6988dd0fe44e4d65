"""Mutated models and packages: loaded, or refused in one line."""

import json
import shutil
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_grd import api
from napari_grd.config import NetworkConfig
from napari_grd.models import Model, ModelConfig


@pytest.fixture(scope="module")
def small() -> Model:
    return Model.create(ModelConfig(network=NetworkConfig(widths=(4, 8, 8, 8, 8))))


def test_model_files(small: Model, tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
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
        changed = list(mutated(outer["__metadata__"][key].encode(), number + 1, structured=key != "napari_grd"))[-1]
        outer["__metadata__"][key] = changed.decode("utf-8", "replace")
        return json.dumps(outer).encode()

    def inputs() -> Iterator[Path]:
        for number, text in enumerate(mutated(head, how_many, structured=True)):
            text = within(number, text)
            path.write_bytes(struct.pack("<Q", len(text)) + text + rest)
            yield path
        for text in mutated(content, how_many // 2):
            path.write_bytes(text)
            yield path

    fuzz("model", good, inputs())


@pytest.fixture(scope="module")
def package(small: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    image = np.random.default_rng(0).random((64, 64), np.float32)
    return api.export_model(small, tmp_path_factory.mktemp("package") / "a.zip", "bioimageio", image=image)


def test_packages(package: Path, tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    good, path = tmp_path / "inputs" / "a.zip", tmp_path / "inputs" / "b.zip"
    shutil.copyfile(package, good)
    content = good.read_bytes()
    directory = len(content) - content.index(b"PK\x01\x02")

    def inputs() -> Iterator[Path]:
        for number, text in enumerate(mutated(content, how_many)):
            # Most of a package is weights: every other one is wrong in its directory.
            if number % 2:
                text = content[:-directory] + list(mutated(content[-directory:], number + 1))[-1]
            path.write_bytes(text)
            yield path

    fuzz("model", good, inputs())


def test_descriptions(package: Path, tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    good, folder = tmp_path / "inputs" / "a", tmp_path / "inputs" / "b"
    with zipfile.ZipFile(package) as file:
        file.extractall(good)
        file.extractall(folder)
    (name,) = (path.name for path in good.iterdir() if path.name.endswith(("rdf.yaml", "bioimageio.yaml")))

    def inputs() -> Iterator[Path]:
        for content in mutated((good / name).read_bytes(), how_many):
            (folder / name).write_bytes(content)
            yield folder

    fuzz("teacher", good, inputs())
