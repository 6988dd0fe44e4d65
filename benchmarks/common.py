"""What the benchmark scripts share: the real images and their split, the machine in words, tables."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import napari_grd.api as grd
from napari_grd.io.images import read_image, read_pairs

# Objects below these sizes are slivers of the annotation; scores ignore them on both sides.
MIN_SIZE = {"bbbc039_nuclei": 60, "dsb2018_fluo": 30}
# What the shipped models are trained on, as their cards say it.
TRAINED_ON = {
    "dsb2018_fluo": "2018 Data Science Bowl stage 1 (BBBC038), fluorescence images, CC0",
    "bbbc039_nuclei": "BBBC039v1 (Caicedo et al. 2019), Broad Bioimage Benchmark Collection, CC0",
}
WELL = re.compile(r"_([A-P]\d\d)_")


@dataclass(frozen=True)
class Dataset:
    """One set of real images, split as everybody splits it."""

    name: str
    train: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
    validation: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]

    @property
    def min_size(self) -> int:
        """Objects below this many pixels do not count."""
        return MIN_SIZE[self.name]


def load(name: str) -> Dataset:
    """Read a set of the folder ``GRD_DATA``.

    Validation is every 5th stem (from index 0); of bbbc039_nuclei every 5th
    well, because fields of one well look alike.
    """
    root = os.environ.get("GRD_DATA")
    if not root:
        sys.exit("Set GRD_DATA to the folder of real images, e.g. GRD_DATA=/data/grd.")
    pairs = read_pairs(Path(root) / name, strict=True)
    groups = [_well(pair.name) if name == "bbbc039_nuclei" else pair.name for pair in pairs]
    held = set(sorted(set(groups))[::5])
    train, validation = [], []
    for pair, group in zip(pairs, groups, strict=True):
        assert pair.labels is not None
        item = (read_image(pair.image), read_image(pair.labels))
        (validation if group in held else train).append(item)
    return Dataset(name, train, validation)


def _well(stem: str) -> str:
    match = WELL.search(stem)
    assert match is not None, f"no well in the name {stem!r}"
    return match.group(1)


def score(model: grd.Model, sets: Iterable[Dataset]) -> dict[str, dict[str, float]]:
    """AP50, AJI, SBD and PQ on the validation images of each set."""
    result = {}
    for data in sets:
        found = [grd.segment(model, image, axes="yx") for image, _ in data.validation]
        scores = grd.evaluate(found, [labels for _, labels in data.validation], min_size=data.min_size)
        result[data.name] = {"ap50": scores.ap50, "aji": scores.aji, "sbd": scores.sbd, "pq": scores.pq}
    return result


def hardware() -> str:
    """The machine in words."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    flags = ""
    if cpuinfo.exists():
        text = cpuinfo.read_text()
        model = re.search(r"model name\s*:\s*(.*)", text).group(1)  # type: ignore[union-attr]
        flags = " with bf16" if "avx512_bf16" in text or "amx_bf16" in text else ", no bf16 instructions"
    return f"{os.cpu_count()} cores, {model}{flags}, torch {torch.__version__}"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A markdown table; floats with three decimals."""

    def cell(value: Any) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)
