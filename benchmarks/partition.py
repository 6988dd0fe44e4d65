"""How long an embedding takes to become instances.

Prints a markdown table of medians over mosaics of about 280 objects: affinities
alone, the partition of given affinities, and both in one go, which is what
segmenting an image runs. Objects are random cells; with ``GRD_DATA`` set,
also nuclei of ``bbbc039_nuclei`` put side by side. Embeddings are a random
vector for each object plus correlated noise, so no model is needed.

    python benchmarks/partition.py [--repeats 15]
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial import KDTree

from napari_grd.config import PartitionConfig
from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.offsets import OFFSETS_2D
from napari_grd.graph.parallel import thread_count
from napari_grd.graph.partition import partition, partition_embedding, warm_up

CHANNELS = 16
OBJECTS = 280


def cells(rng: np.random.Generator, size: int, share: float) -> np.ndarray:
    """Labels of about OBJECTS cells around a jittered grid that cover a share of the image."""
    side = round(OBJECTS**0.5)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 2, indexing="ij"), -1).reshape(-1, 2)
    centers = (grid + 0.5 + rng.uniform(-0.35, 0.35, grid.shape)) * size / side
    distance, nearest = KDTree(centers).query(np.stack(np.mgrid[:size, :size], -1))
    return np.where(distance <= np.quantile(distance, share), nearest + 1, 0)


def nuclei(folder: Path, size: int) -> np.ndarray:
    """Labels of a mosaic of annotated nuclei."""
    import tifffile

    labels, last = np.zeros((size, size), np.int64), 0
    paths = iter(sorted((folder / "bbbc039_nuclei" / "labels").glob("*.tif*")))
    for y in range(0, size, 520):
        for x in range(0, size, 696):
            tile = tifffile.imread(next(paths)).astype(np.int64)[: size - y, : size - x]
            labels[y : y + tile.shape[0], x : x + tile.shape[1]] = np.where(tile > 0, tile + last, 0)
            last = int(labels.max())
    return labels


def embedding_of(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """A vector for each object, plus noise with the correlation length of a network's output."""
    noise = ndimage.gaussian_filter(rng.normal(size=(*labels.shape, CHANNELS)), (1, 1, 0))
    return (rng.normal(size=(labels.max() + 1, CHANNELS))[labels] + 1.4 * noise).astype(np.float32)


def cases(rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
    for size in (512, 1024):
        for share in (0.16, 0.23, 0.8, 0.95):
            labels = cells(rng, size, share)
            yield f"cells {size}²", labels, np.where(labels > 0, 0.9, 0.1)
        yield f"cells {size}², no foreground", cells(rng, size, 1.0), None
        if "GRD_DATA" in os.environ:
            labels = nuclei(Path(os.environ["GRD_DATA"]), size)
            yield f"bbbc039 nuclei {size}²", labels, np.where(labels > 0, 0.9, 0.1)


def median_ms(function: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15, help="runs of which the median is printed")
    repeats = parser.parse_args().repeats
    warm_up()
    rng = np.random.default_rng(0)
    config = PartitionConfig()
    print(f"Medians of {repeats} runs in ms, {thread_count()} threads.\n")
    print("| image | foreground | objects | found | affinities | partition | embedding to labels |")
    print("|---|---|---|---|---|---|---|")
    for name, labels, foreground in cases(rng):
        embedding = embedding_of(rng, labels)
        affinities = affinities_channels_last(embedding, OFFSETS_2D)
        found = partition(affinities, OFFSETS_2D, foreground, config).max()
        times = [
            median_ms(lambda e=embedding: affinities_channels_last(e, OFFSETS_2D), repeats),
            median_ms(lambda a=affinities, f=foreground: partition(a, OFFSETS_2D, f, config), repeats),
            median_ms(lambda e=embedding, f=foreground: partition_embedding(e, OFFSETS_2D, f, config), repeats),
        ]
        count = len(np.unique(labels[labels > 0]))
        columns = " | ".join(f"{value:.0f}" for value in times)
        print(f"| {name} | {(labels > 0).mean():.0%} | {count} | {found} | {columns} |")


if __name__ == "__main__":
    main()
