"""Mutated models and packages: loaded, or refused in one line."""

import hashlib
import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_grd import api
from napari_grd.config import NetworkConfig
from napari_grd.models.model import Model, ModelConfig


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
def package(small: Model, tmp_path: Path, write_zoo_model: Callable[..., Path]) -> Path:
    """A folder that is both a package of ours, and one of a stranger with weights that torch runs."""
    folder = tmp_path / "inputs" / "a"
    folder.mkdir(parents=True)
    own = api.save_model(small, folder / "own")
    attached = {"source": own.name, "sha256": hashlib.sha256(own.read_bytes()).hexdigest()}
    return write_zoo_model(folder, attachments=[attached], config={"napari_grd": {"model": own.name}})


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
