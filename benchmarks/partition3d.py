"""How fast, how large and how good the partition methods are on volumes of neurites.

Prints a markdown table: seconds and peak memory from embedding to labels, and the errors against the annotation, for
each method. Embeddings are made from annotated volumes of the folder ``GRD_DATA`` (``fib25_em3d``, its training part,
and ``gala_fibsem_em3d``): a random vector for each object, blurred across its outline as a network's output is, plus
correlated noise; unlabeled voxels are noise alone. So no model is needed, and no model's errors are measured. Every
method runs in a process of its own.

    GRD_DATA=folder python benchmarks/partition3d.py [--noise 0.5] [--large]

``--blocks`` compares labels made block by block with those of the whole volume instead.
"""

import argparse
import multiprocessing
import os
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import torch
import zarr
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.api import segment
from napari_grd.blockwise import grid
from napari_grd.blockwise.segment_zarr import segment_zarr
from napari_grd.config import NetworkConfig, PartitionConfig, SegmentConfig
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.graph.parallel import thread_count
from napari_grd.graph.partition import partition_embedding
from napari_grd.metrics.scores import evaluate
from napari_grd.models.model import Model, ModelConfig
from napari_grd.models.registry import register

CHANNELS = 16
TRAINS = 130  # slices of fib25_em3d
LARGE = (64, 512, 512)
PART, BLOCKS = (64, 160, 160), (32, 80, 80)  # of fib25_em3d, for --blocks
# Neurites are of very different sizes: a small one beside a large one is not a fragment of it.
DENSE = PartitionConfig(fragment_ratio=0)
CONFIGS = {
    "mutex": DENSE,
    "mutex, small fragments merged": PartitionConfig(),
    "agglomeration": DENSE.replace(method="agglomeration"),
    "multicut": DENSE.replace(method="multicut"),
    "multicut, fragments in slices": DENSE.replace(method="multicut", fragments="slices"),
}
LARGE_ONLY = ("mutex", "agglomeration", "multicut")


def volumes(folder: Path, *, large: bool) -> dict[str, NDArray[np.integer]]:
    """Annotated volumes by name."""
    import tifffile

    fib25 = tifffile.imread(next((folder / "fib25_em3d" / "labels").glob("*.tif")))[:TRAINS]
    if large:
        return {"fib25, mirrored": mosaic(fib25, LARGE)}
    gala = sorted((folder / "gala_fibsem_em3d" / "labels").glob("*.tif"))
    return {"fib25": fib25} | {path.stem: tifffile.imread(path) for path in gala}


def mosaic(labels: NDArray[np.integer], shape: tuple[int, int, int]) -> NDArray[np.integer]:
    """A larger volume of mirror images, whose objects have numbers of their own."""
    labels = labels[: shape[0]].astype(np.int64)
    for axis in (1, 2):
        while labels.shape[axis] < shape[axis]:
            other = np.flip(labels, axis)
            labels = np.concatenate([labels, np.where(other > 0, other + labels.max(), 0)], axis)
    return labels[: shape[0], : shape[1], : shape[2]]


def embedding_of(labels: NDArray[np.integer], noise: float, seed: int = 0) -> NDArray[np.float32]:
    """Embedding, channels last: a direction for each object, blurred, and noise of this standard deviation."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(int(labels.max()) + 1, CHANNELS)).astype(np.float32)
    means[0] = 0
    result = np.empty((*labels.shape, CHANNELS), np.float32)
    for channel in range(CHANNELS):
        rough = ndimage.gaussian_filter(rng.standard_normal(labels.shape, np.float32), 1)
        result[..., channel] = ndimage.gaussian_filter(means[labels, channel], 1) + noise / rough.std() * rough
    return result


def measure(labels: NDArray[np.integer], noise: float, config: PartitionConfig) -> tuple[float, float, float, NDArray]:
    """Seconds, processor seconds, peak memory in GiB beside the embedding, and the result."""
    small = embedding_of(labels[:8, :32, :32], noise)
    partition_embedding(small, OFFSETS_3D, None, config)  # compiled, or loaded from the cache
    embedding = embedding_of(labels, noise)
    process, peak, done = psutil.Process(), [0], threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], process.memory_info().rss - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, used = time.perf_counter(), time.process_time()
    result = partition_embedding(embedding, OFFSETS_3D, None, config)
    seconds, used = time.perf_counter() - start, time.process_time() - used
    done.set()
    watcher.join()
    return seconds, used, peak[0] / 2**30, result


class Unchanged(torch.nn.Module):
    """A network whose output is its input, so that an image can be an embedding."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image


def compare_blocks(labels: NDArray[np.integer], noise: float) -> None:
    """Print how labels made block by block differ from those of the whole volume, for each method."""
    register("unchanged", ndim=3, stride=(1, 1, 1), halo=(0, 0, 0))(Unchanged)
    grid._SIDES_3D = BLOCKS
    config = ModelConfig(
        network=NetworkConfig(name="unchanged"), ndim=3, in_channels=CHANNELS, foreground=False, offsets=OFFSETS_3D
    )
    model = Model.create(config)
    embedding = np.moveaxis(embedding_of(labels, noise), -1, 0)
    print("| noise | method | ARAND between both | ARAND, whole | ARAND, blocks | objects, whole | objects, blocks |")
    print("|---|---|---|---|---|---|---|")
    for method in LARGE_ONLY:
        settings = SegmentConfig(
            precision="f32",
            runtime="torch",
            object_diameter=None,
            intensity_range=((0.0, 1.0),) * CHANNELS,
            partition=CONFIGS[method],
        )
        whole = segment(model, embedding, settings, axes="czyx")
        with TemporaryDirectory() as folder:
            path = segment_zarr(model, embedding, Path(folder) / "labels.ome.zarr", settings, axes="czyx")
            blocks = np.asarray(zarr.open_array(path / "0", mode="r"))
        pairs = [(whole, blocks), (labels, whole), (labels, blocks)]
        errors = [f"{evaluate(reference=first, labels=second).arand:.4f}" for first, second in pairs]
        print(f"| {noise:g} | {method} | {' | '.join(errors)} | {whole.max()} | {blocks.max()} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=float, default=0.5, help="standard deviation; objects have one of 1")
    parser.add_argument("--large", action="store_true", help=f"a volume of {LARGE} only, made of mirror images")
    parser.add_argument("--blocks", action="store_true", help=f"compare blocks of {BLOCKS} with the whole of {PART}")
    options = parser.parse_args()
    if "GRD_DATA" not in os.environ:
        parser.error("set GRD_DATA to the folder of annotated images")
    if options.blocks:
        labels = volumes(Path(os.environ["GRD_DATA"]), large=False)["fib25"]
        compare_blocks(labels[tuple(slice(size) for size in PART)], options.noise)
        return
    print(f"{thread_count()} threads, noise {options.noise:g}\n")
    print("| volume | method | s | processor s | GiB beside the embedding | VOI split | VOI merge | ARAND | objects |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, labels in volumes(Path(os.environ["GRD_DATA"]), large=options.large).items():
        for method in LARGE_ONLY if options.large else CONFIGS:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                seconds, used, peak, result = pool.apply(measure, (labels, options.noise, CONFIGS[method]))
            scores = evaluate(reference=labels, labels=result)
            what = f"{name}, {' x '.join(map(str, labels.shape))}, {len(np.unique(labels)) - 1} objects"
            print(
                f"| {what} | {method} | {seconds:.1f} | {used:.1f} | {peak:.2f} | {scores.voi_split:.3f} |"
                f" {scores.voi_merge:.3f} | {scores.arand:.4f} | {result.max()} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
