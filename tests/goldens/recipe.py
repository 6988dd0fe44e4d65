"""The images behind the golden numbers, made anew from seeds and painted boxes.

``python recipe.py FOLDER`` cuts ``maps.npz`` out of the folder with all numbers.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_grd.graph.offsets import OFFSETS_2D, OFFSETS_3D, Offset

Boxes = dict[int, tuple[int, ...]]  # id: start and stop along each axis; later boxes cover earlier ones

STEP = 4  # every how many pixels along y and x the sub-sample keeps one
MAPS = {
    "g2d_affinity": ("aff_s_roll", "aff_s_zero_out_of_range", "aff_t_roll"),
    "g2d_grads": (
        "d_base",
        "d_agd_intra_w10",
        "d_igd_node_w01",
        "d_igd_edge_w01_full",
        "d_agd_inter_raw_bank1",
        "d_agd_inter_raw_bank3",
        "d_igd_inter_bank1_full",
        "d_igd_inter_bank3_fixed_full",
    ),
    "g3d_affinity": ("aff_s", "aff_t"),
    "g3d_grads": ("d_base_fixed_targets", "d_agd_intra_3ch_w10"),
}

_BATCH_2D: list[Boxes] = [
    {1: (0, 12, 0, 20), 2: (0, 12, 20, 41), 3: (50, 64, 5, 30), 4: (20, 45, 8, 25), 5: (18, 40, 44, 64)},
    {
        1: (0, 30, 0, 10),
        2: (0, 9, 12, 50),
        3: (34, 64, 0, 14),
        4: (12, 30, 14, 33),
        5: (12, 30, 33, 60),
        6: (36, 60, 18, 44),
        7: (48, 64, 50, 64),
    },
]
_BANK_2D: list[Boxes] = [
    {1: (3, 20, 3, 22), 2: (30, 60, 10, 40)},
    {1: (0, 16, 0, 64), 2: (20, 40, 5, 30), 3: (20, 40, 30, 58), 4: (45, 64, 20, 50)},
    {
        1: (5, 25, 5, 25),
        2: (5, 25, 26, 45),
        3: (30, 50, 5, 25),
        4: (30, 50, 26, 45),
        5: (52, 62, 48, 62),
        6: (0, 4, 50, 64),
    },
]
_BATCH_3D: list[Boxes] = [
    {1: (0, 4, 0, 25, 0, 28), 2: (0, 5, 0, 25, 29, 60), 3: (3, 7, 28, 56, 0, 20), 4: (1, 7, 26, 56, 22, 56)},
    {
        1: (0, 7, 0, 12, 0, 60),
        2: (0, 3, 14, 44, 0, 30),
        3: (3, 7, 14, 44, 0, 30),
        4: (0, 2, 14, 56, 32, 60),
        5: (2, 6, 14, 56, 32, 60),
    },
]
_BANK_3D: list[Boxes] = [
    {1: (0, 3, 2, 30, 2, 30), 2: (3, 7, 5, 50, 10, 55)},
    {1: (0, 7, 0, 15, 0, 60), 2: (0, 7, 18, 50, 5, 28), 3: (2, 7, 18, 50, 30, 59)},
    {1: (1, 6, 4, 26, 4, 26), 2: (1, 6, 4, 26, 28, 54), 3: (0, 7, 30, 54, 3, 27), 4: (0, 7, 30, 54, 30, 56)},
]


@dataclass(frozen=True)
class Inputs:
    """Embeddings ``(B, C, *S)`` float32 and labels ``(B, *S)`` int64 of a batch of 2 and of 3 bank images."""

    student: Tensor
    teacher: Tensor
    labels: Tensor
    bank: Tensor
    bank_labels: Tensor
    offsets: tuple[Offset, ...]


def make_inputs(ndim: int) -> Inputs:
    """The inputs in 2 or 3 dimensions."""
    shape, channels = ((64, 64), 16) if ndim == 2 else ((7, 56, 60), 8)
    seeds = (101, 202, 303) if ndim == 2 else (111, 222, 333)
    labels = _paint(_BATCH_2D if ndim == 2 else _BATCH_3D, shape)
    bank_labels = _paint(_BANK_2D if ndim == 2 else _BANK_3D, shape)
    student, teacher, bank = (
        torch.from_numpy(_embed(seed, painted, channels))
        for seed, painted in zip(seeds, (labels, labels, bank_labels), strict=True)
    )
    offsets = OFFSETS_2D if ndim == 2 else OFFSETS_3D
    return Inputs(student, teacher, torch.from_numpy(labels), bank, torch.from_numpy(bank_labels), offsets)


def _paint(images: list[Boxes], shape: tuple[int, ...]) -> NDArray[np.int64]:
    labels = np.zeros((len(images), *shape), np.int64)
    for canvas, boxes in zip(labels, images, strict=True):
        for number, bounds in boxes.items():
            box = tuple(slice(*bounds[i : i + 2]) for i in range(0, len(bounds), 2))
            canvas[box] = number
    return labels


def _embed(seed: int, labels: NDArray[np.int64], channels: int) -> NDArray[np.float32]:
    """A random vector for every instance, and noise on top."""
    rng = np.random.default_rng(seed)
    prototypes = [rng.standard_normal((image.max() + 1, channels)) for image in labels]
    clean = np.stack([np.moveaxis(p[image], -1, 0) for p, image in zip(prototypes, labels, strict=True)])
    return (clean + 0.6 * rng.standard_normal(clean.shape)).astype(np.float32)


def subsample(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every fourth pixel along the last two axes."""
    return values[..., ::STEP, ::STEP]


def write_maps(folder: Path) -> None:
    """Cut the maps the tests need out of the folder with all numbers."""
    maps = {}
    for name, keys in MAPS.items():
        with np.load(folder / f"{name}.npz") as full:
            maps.update({f"{name}.{key}": subsample(full[key]) for key in keys})
    np.savez_compressed(Path(__file__).parent / "maps.npz", **maps)


if __name__ == "__main__":
    write_maps(Path(sys.argv[1]))
