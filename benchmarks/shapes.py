"""Which shapes can be told apart at all, whatever the network?

    GRD_DATA=... python benchmarks/shapes.py

Gives the partition a perfect answer, an embedding made from the annotation in
which every object has its own direction, and scores what it makes of it. What
is missing to 1 is lost to the shape of the objects (thin, branching, in several
pieces), not to a network. The noisy columns disturb the answer about as much as a
trained network's is.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np

import napari_grd as grd
from common import MIN_SIZE
from napari_grd.config import PartitionConfig
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.graph.partition import partition_embedding
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import read_pairs
from partition import CHANNELS, embedding_of
from reporting import table

SETS = {
    "bbbc039_nuclei": "round nuclei",
    "dsb2018_fluo": "nuclei of many kinds",
    "dsb2018_histology_rgb": "nuclei in tissue",
    "usiigaci_phase": "irregular cells that touch",
    "bbbc010_worms": "worms, thin and crossing",
    "fib25_em3d": "neurites, plane by plane, dense and branching",
}


def planes(root: Path, name: str, limit: int) -> list[np.ndarray]:
    """Label images of a set; every tenth plane of a volume."""
    found = []
    for pair in read_pairs(root / name, strict=True)[:limit]:
        assert pair.labels is not None
        labels = read_label_image(pair.labels).astype(np.int64)
        found += list(labels[::10]) if labels.ndim == 3 else [labels]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=20, help="images a set")
    args = parser.parse_args()
    root = os.environ.get("GRD_DATA")
    if not root:
        sys.exit("Set GRD_DATA to the folder of real images, e.g. GRD_DATA=/data/grd.")
    rows = []
    for name, kind in SETS.items():
        reference = planes(Path(root), name, args.limit)
        row: list[object] = [name, kind]
        for noisy in (False, True):
            found = [_partition(np.random.default_rng(0), labels, noisy) for labels in reference]
            scores = grd.evaluate(reference=reference, labels=found, min_size=MIN_SIZE.get(name, 0))
            row += [scores.ap50, scores.ap[0.75], scores.aji]
        rows.append(row)
    header = ["set", "objects", "AP50", "AP75", "AJI", "AP50, noisy", "AP75, noisy", "AJI, noisy"]
    print(table(header, rows, digits=3))


def _partition(rng: np.random.Generator, labels: np.ndarray, noisy: bool) -> np.ndarray:
    embedding = embedding_of(rng, labels) if noisy else rng.normal(size=(labels.max() + 1, CHANNELS))[labels]
    return partition_embedding(np.float32(embedding), OFFSETS_2D, labels > 0, PartitionConfig())


if __name__ == "__main__":
    main()
