"""How long Cellpose-SAM's forward takes beside that of the built-in student, for an image of 1024².

    pip install cellpose
    python benchmarks/cellpose_sam.py

Cellpose-SAM (version 4) is the real network, 305 million parameters in
float32, with random weights: how long it takes does not depend on them. It
sees tiles of 256², 25 of them for 1024² with the overlap it uses by default; a
few are timed, taking turns with the student, and multiplied. The student's
time is that of the whole image, with the embedding in its final layout.
"""

import argparse
import math
import sys
from types import ModuleType

import numpy as np
import torch
from torch import nn

import napari_grd as grd
from napari_grd.inference.runtime import runtime_for
from reporting import hardware, interleaved_ms, table

SIZE, TILE, OVERLAP = 1024, 256, 0.1  # Cellpose's own defaults
BAR = 300


def stand_ins() -> None:
    """Names of torchvision that Cellpose and segment_anything import, for machines without it; a forward calls none."""
    names = {
        "torchvision": (),
        "torchvision.transforms": (),
        "torchvision.transforms.functional": ("resize", "to_pil_image"),
        "torchvision.transforms._functional_tensor": (),
        "torchvision.ops": (),
        "torchvision.ops.boxes": ("batched_nms", "box_area"),
    }
    for name, functions in names.items():
        module = sys.modules[name] = ModuleType(name)
        for function in functions:
            setattr(module, function, None)
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def cellpose_sam() -> nn.Module:
    """The network with random weights."""
    try:
        import torchvision  # noqa: F401
    except Exception:  # without a build for this torch it raises a RuntimeError
        stand_ins()
    from cellpose.vit import CPSAM

    return CPSAM().eval()


def tiles() -> int:
    """How many tiles Cellpose cuts the image into."""
    return math.ceil((1 + 2 * OVERLAP) * SIZE / TILE) ** 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    model = grd.load_model(args.model)
    runtime = runtime_for(model, grd.SegmentConfig(device="cpu"))
    image = np.random.default_rng(0).random((model.config.in_channels, SIZE, SIZE), np.float32)
    network, tile = cellpose_sam(), torch.rand(1, 3, TILE, TILE)

    def forward() -> None:
        with torch.inference_mode():
            network(tile)

    times = interleaved_ms({"tile": forward, "student": lambda: runtime(image, lambda output: None)}, args.repeats)
    whole = tiles() * times["tile"]
    print(f"{hardware()} Medians of {args.repeats} calls that take turns.\n")
    rows = [
        [
            f"Cellpose-SAM, torch f32, {tiles()} tiles of {times['tile'] / 1000:.1f} s",
            f"{sum(weight.numel() for weight in network.parameters()):,}",
            f"{whole / 1000:.1f} s",
            "1",
        ],
        [
            f"{args.model}, {runtime.name} {runtime.precision}",
            f"{model.card.parameters:,}",
            f"{times['student'] / 1000:.2f} s",
            f"{whole / times['student']:.0f} (bar {BAR})",
        ],
    ]
    print(table(["network", "parameters", f"forward at {SIZE}²", "times as fast"], rows))


if __name__ == "__main__":
    main()
