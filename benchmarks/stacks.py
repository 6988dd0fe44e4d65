"""Scores in 3D of a model for planes on z-stacks: objects joined by shape, and linked plane by plane.

Stacks of nuclei are simulated: bleached with depth, touching, faint, with missing planes. With ``GRD_DATA`` also the
training part of plantseg_ovule_nuclei3d and the validation embryos of bbbc050_nuclei3d are segmented; no
constant was fitted to the latter, but their scores were seen while the rules were made.
"""

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import napari_grd as grd
from napari_grd.data.kinds import VOLUME
from napari_grd.data.simulate_stack import nuclei_stack
from napari_grd.io.images import read_image
from napari_grd.io.label_image import read_label_image
from napari_grd.io.listing import read_pairs
from napari_grd.metrics.contingency import contingency

Array = np.ndarray[Any, Any]

_MIN_SIZE = 20
_SPARSE = replace(VOLUME, radius=12, pixels_each=9000, clumped=0.5, brightness_spread=0.4, brightness=250)
_DENSE = replace(
    VOLUME, pixels_each=3300, clumped=0.9, elongation=1.4, brightness=150, background=30, texture=1.5, glow=0.12
)
_NOISY = replace(_DENSE, brightness=25, background=10, radius=11, pixels_each=4000)


def stacks() -> Iterator[tuple[str, Array, Array, float]]:
    """Name, image, labels, and the distance of planes in pixels."""
    simulated = {
        "simulated, sparse": (11, _SPARSE, {}),
        "simulated, three planes missing": (12, _SPARSE, {"missing": 3}),
        "simulated, dense": (13, _DENSE, {"blur_z": 3.5}),
        "simulated, noisy": (14, _NOISY, {"fading": 0.3}),
    }
    for name, (seed, kind, options) in simulated.items():
        image, labels = nuclei_stack(np.random.default_rng(seed), (36, 120, 120), kind=kind, spacing=2.0, **options)
        yield name, image, labels, 2.0
    root = os.environ.get("GRD_DATA")
    if not root:
        return
    pairs = read_pairs(Path(root) / "plantseg_ovule_nuclei3d", strict=True)
    for pair in pairs:
        image, labels = _read(pair)
        part = slice(0, 2 * len(image) // 3)
        yield f"plantseg {pair.name}, training part", image[part], labels[part], 0.284 / 0.127
    pairs = read_pairs(Path(root) / "bbbc050_nuclei3d", strict=True)
    embryos = sorted({pair.name.split("_")[0] for pair in pairs})[::5]
    for pair in pairs:
        if pair.name.split("_")[0] in embryos:
            image, labels = _read(pair)
            yield f"bbbc050 {pair.name}", image, labels, 1.75 / 0.8


def _read(pair: Any) -> tuple[Array, Array]:
    return read_image(pair.image).pixels, read_label_image(pair.labels)


def numbers_per_object(reference: Array, labels: Array) -> float:
    """How many numbers have most of their pixels in an object, on average of the objects with any."""
    table = contingency(reference=reference, labels=labels)
    order = np.lexsort((table.overlap, table.label_index))
    last = np.append(np.diff(table.label_index[order]) > 0, True) if len(order) else np.zeros(0, bool)
    best = order[last]
    inside = 2 * table.overlap[best] > table.label_sizes[table.label_index[best]]
    _, counts = np.unique(table.reference_index[best][inside], return_counts=True)
    return float(counts.mean()) if len(counts) else 0.0


def main() -> None:
    """Print a row for each stack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--estimate", action="store_true", help="do not tell the distance of planes")
    args = parser.parse_args()
    model = grd.load_model(args.model)
    print("| stack | objects | overlap: AP50, numbers, s | shape: AP50, numbers, s |\n|---|---|---|---|")
    for name, image, known, spacing in stacks():
        cells = []
        for way in ("overlap", "shape"):
            given = None if args.estimate else spacing
            config = grd.SegmentConfig(threads=args.threads, stack=way, anisotropy=given)
            begin = time.perf_counter()
            found = grd.segment(model, image, config, axes="zyx")
            seconds = time.perf_counter() - begin
            ap50 = grd.evaluate(reference=known, labels=found, min_size=_MIN_SIZE).ap50
            cells.append(f"{ap50:.2f}, {numbers_per_object(known, found):.2f}, {seconds:.1f}")
        print(f"| {name} | {len(np.unique(known)) - 1} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
