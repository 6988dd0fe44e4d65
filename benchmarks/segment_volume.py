"""Time and peak memory from a volume to labels, for each partition.

    python benchmarks/segment_volume.py --shape 64 512 512
    GRD_DATA=... python benchmarks/segment_volume.py --model neurites.grd.safetensors --shape 64 512 512

Without a model, a network with random weights segments smoothed noise: the time of a network does not depend on its
weights, that of a partition does somewhat. With ``GRD_DATA`` the volume is fib25_em3d, mirrored to the shape. Each
measurement is a process of its own, as peaks of memory are those of a process.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

import napari_grd as grd
from napari_grd.config import NetworkConfig
from napari_grd.graph.offsets import OFFSETS_3D
from napari_grd.models.model import Model, ModelConfig
from reporting import hardware, table

PARTITIONS = ("mutex", "agglomeration", "multicut")


def volume(shape: tuple[int, ...]) -> np.ndarray:
    """The volume to segment, uint8."""
    root = os.environ.get("GRD_DATA")
    if root:
        from volumes import load

        image, _ = load("fib25_em3d", "fib25_ts2_z000-169")
        return np.pad(
            image, [(0, max(0, wanted - size)) for wanted, size in zip(shape, image.shape, strict=True)], "reflect"
        )[tuple(slice(0, size) for size in shape)]
    noise = ndimage.gaussian_filter(np.random.default_rng(0).random(shape, np.float32), 2)
    return np.asarray(255 * (noise - noise.min()) / np.ptp(noise), np.uint8)


def measure(args: argparse.Namespace) -> None:
    """Print seconds, gibibytes and objects."""
    if args.model is None:
        network = NetworkConfig(name=args.network)
        model = Model.create(ModelConfig(network=network, ndim=3, offsets=OFFSETS_3D, foreground=False))
    else:
        model = grd.load_model(args.model)
    config = grd.SegmentConfig(partition=model.config.partition.replace(method=args.partition))
    grd.segment(model, volume((16, 64, 64)), config, axes="zyx")  # compiles, and prepares the runtime
    image = volume(tuple(args.shape))
    start = time.perf_counter()
    labels = grd.segment(model, image, config, axes="zyx")
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{seconds:.1f} {peak:.2f} {labels.max()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", nargs=3, type=int, default=[64, 512, 512], help="planes, rows, columns")
    parser.add_argument("--model", type=Path, help="a model for volumes")
    parser.add_argument("--network", default="subpixel_unet3d", help="of a model with random weights")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--partition", choices=PARTITIONS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.partition:
        measure(args)
        return
    print(hardware())
    rows = []
    for method in PARTITIONS:
        command = [sys.executable, __file__, *sys.argv[1:], "--partition", method]
        found = [
            subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-3:]
            for _ in range(args.repeats)
        ]
        seconds, peaks, counts = (np.array(column, float) for column in zip(*found, strict=True))
        rows.append([method, f"{np.median(seconds):.1f}", f"{peaks.max():.2f}", f"{counts[0]:.0f}"])
    print(table(["partition", "seconds", "peak, GiB", "objects"], rows))


if __name__ == "__main__":
    main()
