"""Mutated checkpoints and caches: gone on from, left out for what is good, asked anew, or refused in one line."""

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def test_checkpoints(tmp_path: Path, fuzz: Any, opener: Any, mutation: Any, how_many: int) -> None:
    good, folder = tmp_path / "inputs" / "a", tmp_path / "inputs" / "b"
    opener.good("training", good)
    (name,) = (path.name for path in good.glob("checkpoint*.safetensors") if "previous" not in path.name)
    content = (good / name).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    head = json.loads(content[8 : 8 + length])
    head["__metadata__"].pop("digest", None)  # as older versions wrote it: else the digest finds all there is
    tree = head["__metadata__"]["tree"].encode()

    def inputs() -> Iterator[Path]:
        for number in range(how_many):
            text = mutation(content, number)
            if number % 2:
                changed = mutation(tree, number, structured=True).decode("utf-8", "replace")
                other = json.dumps({**head, "__metadata__": {**head["__metadata__"], "tree": changed}}).encode()
                text = struct.pack("<Q", len(other)) + other + content[8 + length :]
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / name).write_bytes(text)
            yield folder

    fuzz("training", good, inputs())


def test_caches(tmp_path: Path, fuzz: Any, opener: Any, mutation: Any, how_many: int) -> None:
    good, folder = tmp_path / "inputs" / "a", tmp_path / "inputs" / "b"
    opener.good("cache", good)
    files = sorted(path.relative_to(good) for path in good.rglob("*") if path.is_file())

    def inputs() -> Iterator[Path]:
        for number in range(how_many):
            name = files[number * 5 % len(files)]
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(good, folder)
            if number % 6 == 5:
                (folder / name).unlink()
            else:
                (folder / name).write_bytes(mutation((good / name).read_bytes(), number % 40))
            yield folder

    fuzz("cache", good, inputs(), refused=False)
