"""Mutated settings, corrections and journals: read, or refused in one line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_grd.config import DistillConfig
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.files import SUFFIX, save_corrections
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.journal import JOURNAL_SUFFIX, open_journal
from napari_grd.corrections.kinds import Accept, Draw, Erase, Merge, SplitLine
from napari_grd.corrections.region import Region

IMAGE = ImageRef((48, 64))
MASK = np.zeros(IMAGE.shape, bool)
MASK[4:12, 5:20] = True
MADE = [
    Merge([(5, 5), (5, 20)]),
    SplitLine([(3, 3), (20, 20)]),
    Accept((6, 6), Region.from_mask(MASK)),
    Erase(Region.from_mask(MASK)),
    Draw(Region.from_mask(MASK)),
]


def test_settings(tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    good, path = tmp_path / "inputs" / "a.yaml", tmp_path / "inputs" / "b.yaml"
    good.write_text(DistillConfig().to_yaml())

    fuzz("settings", good, mutated(good.read_bytes(), how_many), file=path)


def test_assignments(tmp_path: Path, fuzz: Any, mutation: Any, how_many: int) -> None:
    good, path = tmp_path / "inputs" / "a", tmp_path / "inputs" / "b"
    texts = [
        b"steps=3", b"optim.lr=1e-3", b"network={name: resunet, widths: [8, 16]}", b"augment.flip=false",
        b"augment.scale_range=[0.5, 2]", b"assistant.network.name=resunet", b"partition={min_size: 3}",
    ]  # fmt: skip
    good.write_bytes(texts[0])
    contents = (mutation(texts[number % len(texts)], number) for number in range(how_many))
    fuzz("assignment", good, contents, file=path)


def test_corrections(tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    good, path = tmp_path / "inputs" / f"a{SUFFIX}", tmp_path / "inputs" / f"b{SUFFIX}"
    save_corrections(Corrections(IMAGE, MADE), good)

    fuzz("corrections", good, mutated(good.read_bytes(), how_many, structured=True), file=path)


@pytest.mark.parametrize("folded", [False, True])
def test_journals(folded: bool, tmp_path: Path, fuzz: Any, mutated: Any, how_many: int) -> None:
    good, path = tmp_path / "inputs" / f"a{SUFFIX}", tmp_path / "inputs" / f"b{SUFFIX}"
    with open_journal(good, IMAGE) as journal:
        for number, made in enumerate(MADE):
            journal.add(made)
            if folded and number == 2:
                journal.compact()
        journal.undo()
    text = good.with_name(f"a{JOURNAL_SUFFIX}").read_bytes()

    def inputs() -> Iterator[Path]:
        for content in mutated(text, how_many, structured=True):
            path.with_name(f"b{JOURNAL_SUFFIX}").write_bytes(content)
            if folded:
                path.write_bytes(good.read_bytes())
            yield path

    fuzz("journal", good, inputs())
