"""What 3D networks cost: parameters, multiply-accumulates and time of each network for volumes, of random weights.

    python benchmarks/networks3d.py
    python benchmarks/networks3d.py --size 64 512 512 --repeats 5 --networks subpixel_unet3d mala

Times are of the network alone, with the tiles, halos and reflected margins that a segmentation reads, in OpenVINO and
in torch; medians of calls that take turns. Networks of more than ``--largest`` parameters are timed once, on the first
tile, and the time is multiplied by the number of tiles; their row says so.
"""

import argparse
import math
import sys
import time
from dataclasses import dataclass

import numpy as np
import torch

import napari_grd as grd
from napari_grd.inference.runtime import Runtime, runtime_for
from napari_grd.inference.task import Task
from napari_grd.inference.tiling import Tile, run_tiles
from napari_grd.jobs import Stopwatch, drain
from napari_grd.models.complexity import config_parameters, count_macs
from napari_grd.models.mala import TEACHER_WIDTHS as MALA_TEACHER
from napari_grd.models.networks import build, entry
from napari_grd.models.rsunet import TEACHER_WIDTHS as RSUNET_TEACHER
from reporting import hardware, table

REFERENCE = "mala (teacher)"
NETWORKS = {
    "subpixel_unet3d": grd.NetworkConfig(name="subpixel_unet3d"),
    "subpixel_unet3d_anisotropic": grd.NetworkConfig(name="subpixel_unet3d_anisotropic"),
    "mala (tiny)": grd.NetworkConfig(name="mala"),
    "rsunet (tiny)": grd.NetworkConfig(name="rsunet"),
    "resunet3d (tiny)": grd.NetworkConfig(name="resunet3d"),
    "rsunet (teacher)": grd.NetworkConfig(name="rsunet", widths=RSUNET_TEACHER),
    REFERENCE: grd.NetworkConfig(name="mala", widths=MALA_TEACHER),
}
RUNTIMES = ("openvino", "torch")


@dataclass
class Timed:
    """A network ready to be timed: what is run, how often the whole volume would need it, and how often it is timed."""

    model: grd.Model
    runtime: Runtime
    tiles: list[Tile]
    image: np.ndarray
    factor: int
    calls: int

    def run(self) -> float:
        """Seconds for the volume."""
        start = time.perf_counter()
        channels, entry = self.model.embedding_channels, self.model.entry
        if self.factor == 1:
            drain(run_tiles(self.runtime, self.image, self.tiles, channels, Stopwatch("", 1), entry=entry))
        else:
            (tile,) = self.tiles  # the first, which begins where the image does
            part = self.image[(slice(None), *(span.read for span in tile))]
            self.runtime(part, lambda _: None, context=[(0, span.read.stop - span.write.stop) for span in tile])
        return (time.perf_counter() - start) * self.factor


def prepared(network: grd.NetworkConfig, runtime: str, image: np.ndarray, args: argparse.Namespace) -> Timed:
    """A network of random weights, its runtime, and the tiles to be run."""
    torch.manual_seed(0)
    model = grd.Model.create(grd.ModelConfig(network=network, ndim=3))
    config = grd.SegmentConfig(runtime=runtime, precision="f32", device="cpu", threads=args.threads)
    size = image.shape[1:]
    ready = runtime_for(model, config)
    tiles = Task(model, ready, config, size, size, 1.0).tiles
    whole = model.card.parameters <= args.largest
    if whole:
        return Timed(model, ready, tiles, image, 1, args.repeats)
    return Timed(model, ready, tiles[:1], image, len(tiles), 1)


def macs_per_voxel(network: grd.NetworkConfig, tiles: list[Tile], size: tuple[int, ...]) -> float:
    """Of all tiles, by the voxels of the volume."""
    found = entry(network.name)
    options = {} if network.widths is None else {"widths": network.widths}
    total = 0
    with torch.device("meta"):
        net = build(network.name, in_channels=1, embedding=network.embedding, **options)
        for tile in tiles:
            spans = [span.write if any(found.margin) else span.read for span in tile]
            total += count_macs(net, 1, found.input_size([span.stop - span.start for span in spans]))
    return total / math.prod(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs=3, type=int, default=[64, 256, 256], help="of the volume, z y x")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--largest", type=int, default=1_000_000, help="parameters of a network timed on all tiles")
    parser.add_argument("--networks", nargs="+", help="only those whose names begin so")
    args = parser.parse_args()
    size = tuple(args.size)
    image = np.random.default_rng(0).random((1, *size), np.float32)
    machine = hardware()
    chosen = {
        name: each for name, each in NETWORKS.items() if not args.networks or name.startswith(tuple(args.networks))
    }
    seconds: dict[tuple[str, str], float] = {}
    tiles: dict[str, list[Tile]] = {}
    parts: dict[str, int] = {}
    for runtime in RUNTIMES:
        timed = {name: prepared(network, runtime, image, args) for name, network in chosen.items()}
        found: dict[str, list[float]] = {name: [] for name in timed}
        for number in range(args.repeats + 1):
            for name, each in timed.items():
                if number <= each.calls:
                    taken = each.run()
                    print(f"{name}, {runtime}: {taken:.1f} s", file=sys.stderr, flush=True)
                    if number:  # the first call prepares
                        found[name].append(taken)
        for name, each in timed.items():
            seconds[name, runtime] = float(np.median(found[name]))
            config, whole = grd.SegmentConfig(), each.image.shape[1:]
            tiles[name] = Task(each.model, each.runtime, config, whole, whole, 1.0).tiles
            parts[name] = each.factor
    rows: list[list[object]] = []
    for name, network in chosen.items():
        row: list[object] = [f"`{name.partition(' ')[0].rstrip(',')}`{name[len(name.split()[0].rstrip(',')) :]}"]
        row += [f"{config_parameters(network):,}", f"{macs_per_voxel(network, tiles[name], size):,.0f}"]
        for runtime in RUNTIMES:
            taken = seconds[name, runtime]
            share = f" ({100 * taken / seconds[REFERENCE, runtime]:.2g} %)" if REFERENCE in chosen else ""
            row.append(f"{taken:.2f} s{share}")
        row.append(f"{1e6 * seconds[name, RUNTIMES[0]] / math.prod(size):.2f}")
        row.append(f"one of {parts[name]} tiles" if parts[name] > 1 else "all")
        rows.append(row)
    head = ["network", "parameters", "MAC/voxel", *RUNTIMES, "µs/voxel", "timed"]
    title = f"{' x '.join(map(str, size))} voxels, f32, medians of {args.repeats}; threads: {args.threads or 'all'}"
    print("\n".join([machine, "", title, "", table(head, rows)]))


if __name__ == "__main__":
    main()
