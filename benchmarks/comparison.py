"""Time and memory of other programs beside this one, on one machine in one run.

    python benchmarks/comparison.py --sizes 1024 4096 --repeats 3 \\
        --with cellpose=/venvs/cellpose/bin/python --with stardist=/venvs/stardist/bin/python ...

Each program lives in an environment of its own and runs in a process of its own, with as many threads as this one.
The processes take turns, so that other work on the machine slows all alike; processor time, which other work changes
less, is given beside it. Pretrained weights could not be downloaded where this was measured: the networks are those
of the programs with random weights, on which the time of a forward pass does not depend. What comes after the network
depends on what it found, and is left out for the others; for this program it is included.

==========  =============================================================================================
napari-grd  ``segment("nuclei", image)``: normalization, size, network (OpenVINO), partition into labels
cellpose    network of Cellpose-SAM (``CPSAM``), tiles of 256² with the default overlap; one is timed
stardist    ``predict`` of ``StarDist2D`` in the configuration of *2D_versatile_fluo*
instanseg   ``InstanSeg_UNet`` with the layers of its training script, one pass
micro-sam   image encoder of ``vit_b``, one pass for each tile of 1024²; prompts or a decoder come on top
convpaint   its default: first layer of VGG16 at three scales (64 channels each) and CatBoost, trained on two strokes
gaussian    ``gaussian_features`` of Convpaint, which need no weights, and the same classifier
==========  =============================================================================================
"""

import argparse
import contextlib
import importlib
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

TILE, OVERLAP = 256, 0.1  # Cellpose's own defaults
FIRST = 256  # pixels of the side of the image of each program's first call
EQUAL_TILES = (
    "cellpose",
    "instanseg",
    "micro-sam",
)  # their networks alone are timed: tiles of a larger image take the same
Call = Callable[[], object]
Timed = tuple[int, Callable[[int], tuple[Call, float]]]
"""Parameters, and what makes of a size a call to time and how many of it an image takes."""


def image(size: int) -> Any:
    """Discs on a dark background: the time of partitions and classifiers depends on what there is to see."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    disc = ((y - 32) ** 2 + (x - 32) ** 2 < 14**2).astype(np.float32)
    field = np.tile(disc, (size // 64, size // 64))
    return field + rng.normal(0, 0.05, field.shape).astype(np.float32)


def torchvision() -> None:
    """Import torchvision without its compiled part, which is not built for every torch; no forward needs it."""
    from torch import library

    for name in ("nms", "qnms"):
        library.define(f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("torchvision")


def forward(network: Any, *shape: int) -> Call:
    import torch

    pixels = torch.rand(*shape)

    def call() -> None:
        with torch.inference_mode():
            network(pixels)

    return call


def parameters(network: Any) -> int:
    return sum(weight.numel() for weight in network.parameters())


def napari_grd() -> Timed:
    import napari_grd as grd

    model, config = grd.load_model("nuclei"), grd.SegmentConfig(device="cpu", threads=threads())
    return model.card.parameters, lambda size: (
        (lambda pixels: lambda: grd.segment(model, pixels, config))(image(size)),
        1,
    )


def cellpose() -> Timed:
    torchvision()
    from cellpose.vit import CPSAM

    network = CPSAM().eval()
    return parameters(network), lambda size: (
        forward(network, 1, 3, TILE, TILE),
        math.ceil((1 + 2 * OVERLAP) * size / TILE) ** 2,
    )


def stardist() -> Timed:
    from stardist.models import Config2D, StarDist2D

    network = StarDist2D(Config2D(n_rays=32, grid=(2, 2), n_channel_in=1), name=None, basedir=None)

    def prepare(size: int) -> tuple[Call, float]:
        pixels, tiles = image(size), max(1, size // 1024)
        return lambda: network.predict(pixels, n_tiles=(tiles, tiles), show_tile_progress=False), 1

    return network.keras_model.count_params(), prepare


def instanseg() -> Timed:
    from instanseg.utils.models.InstanSeg_UNet import InstanSeg_UNet

    network = InstanSeg_UNet(in_channels=3, out_channels=[5], layers=[256, 128, 64, 32]).eval()
    return parameters(network), lambda size: (forward(network, 1, 3, min(size, 1024), min(size, 1024)), tiles(size))


def micro_sam() -> Timed:
    torchvision()
    from segment_anything import sam_model_registry

    network = sam_model_registry["vit_b"]().image_encoder.eval()
    return parameters(network), lambda size: (forward(network, 1, 3, 1024, 1024), tiles(size))


def convpaint() -> Timed:
    torchvision()
    from napari_convpaint.feature_extractors import nnlayers
    from torchvision.models import vgg16

    folder = tempfile.mkdtemp()
    weights = os.path.join(folder, "vgg16.pth")  # noqa: PTH118
    torch = importlib.import_module("torch")
    torch.save(vgg16().state_dict(), weights)
    nnlayers.guided_model_download = lambda *_: weights
    answer = pixel_classifier()
    shutil.rmtree(folder)
    return answer


def gaussian() -> Timed:
    torchvision()
    return pixel_classifier(fe_name="gaussian_features")


def pixel_classifier(**features: str) -> Timed:
    """Convpaint after two strokes, for an object and for the background."""
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from napari_convpaint.convpaint_model import ConvpaintModel

    model = ConvpaintModel(**features)
    pixels = image(256)
    strokes = np.zeros(pixels.shape, int)
    strokes[28:36, 20:44], strokes[60:68, 20:44] = 1, 2
    model.train(pixels, strokes)
    network = getattr(model.fe_model, "model", None)
    count = parameters(network.features[0]) if network is not None else 0
    return count, lambda size: ((lambda plane: lambda: model.segment(plane))(image(size)), 1)


PROGRAMS: dict[str, Callable[[], Timed]] = {
    "napari-grd": napari_grd,
    "cellpose": cellpose,
    "stardist": stardist,
    "instanseg": instanseg,
    "micro-sam": micro_sam,
    "convpaint": convpaint,
    "gaussian": gaussian,
}


def tiles(size: int) -> int:
    """Passes of 1024² that a larger image takes."""
    return math.ceil(size / 1024) ** 2


def threads() -> int:
    return int(os.environ["OMP_NUM_THREADS"])


def work(name: str) -> None:
    """In the environment of a program: time calls, of the sizes that are asked for on the standard input."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what the programs print
    passes: dict[str, tuple[float, float]] = {}  # by repeat, of programs for which all tiles of an image are equal
    with os.fdopen(answers, "w") as out:
        count, prepare = PROGRAMS[name]()
        out.write(json.dumps({"parameters": count}) + "\n")
        out.flush()
        for line in sys.stdin:
            size, repeat = line.split()
            call, times = prepare(int(size))
            if repeat not in passes or name not in EQUAL_TILES:
                wall, processor = time.perf_counter(), time.process_time()
                call()
                passes[repeat] = time.perf_counter() - wall, time.process_time() - processor
            answer = {
                "seconds": passes[repeat][0] * times,
                "processor": passes[repeat][1] * times,
                "GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
            }
            out.write(json.dumps(answer) + "\n")
            out.flush()


def start(name: str, python: str, count: int) -> "subprocess.Popen[str]":
    environment = {**os.environ, "OMP_NUM_THREADS": str(count), "TF_NUM_INTRAOP_THREADS": str(count)}
    command = [python, __file__, "--worker", *name.split(":")]
    log = open(f"comparison-{name.replace(':', '-')}.log", "w")  # noqa: SIM115, PTH123
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=environment
    )


def ask(process: "subprocess.Popen[str]", size: int = 0, repeat: int = 0) -> dict[str, float] | None:
    """An answer; None if the process has ended. Without a size: what it says of itself."""
    assert process.stdin is not None
    assert process.stdout is not None
    if size:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(f"{size} {repeat}\n")
            process.stdin.flush()
    line = process.stdout.readline()
    return json.loads(line) if line else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--with", dest="others", action="append", default=[], metavar="PROGRAM=PYTHON")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.worker:
        work(args.worker[0])
        return
    from reporting import hardware, table

    print(hardware(), "\n", flush=True)
    pythons = {"napari-grd": sys.executable, **dict(other.split("=", 1) for other in args.others)}
    running = {name: start(name, python, args.threads) for name, python in pythons.items()}
    counts = {name: ask(process) for name, process in running.items()}
    for process in running.values():
        ask(process, FIRST)  # compiles and allocates, and does not count
    for size in sorted(args.sizes):  # as the peak of memory is that of all calls so far
        answers: dict[str, list[dict[str, float]]] = {name: [] for name in running}
        for repeat in range(1, args.repeats + 1):
            for name, process in running.items():
                answer = ask(process, size, repeat)
                answers[name] += [answer] if answer else []
                print(name, size, answer, file=sys.stderr, flush=True)
        ours = [answer["processor"] for answer in answers["napari-grd"]]
        rows = []
        for name, theirs in answers.items():
            if not theirs:
                rows.append([name, f"{size}²", "failed, see its log", "", "", "", ""])
                continue
            ratio = statistics.median(a["processor"] / b for a, b in zip(theirs, ours, strict=True))
            rows.append(
                [
                    name,
                    f"{size}²",
                    f"{int((counts[name] or {})['parameters']):,}",
                    f"{statistics.median(a['seconds'] for a in theirs):.1f}",
                    f"{statistics.median(a['processor'] for a in theirs):.1f}",
                    f"{ratio:.2g}",
                    f"{max(a['GiB'] for a in theirs):.1f}",
                ]
            )
        print(
            table(["program", "image", "parameters", "s", "processor s", "relative", "peak GiB"], rows),
            "\n",
            flush=True,
        )
    for process in running.values():
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
