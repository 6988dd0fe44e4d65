"""What int8 costs and gains: network time at 1024² and AP50, against f32 and bf16.

    GRD_DATA=... python benchmarks/int8.py

The model is calibrated on training images of the two fluorescence sets and
scored on their validation images. Times are of the network alone, in OpenVINO,
medians of calls that take turns. Where the CPU has no bf16 torch emulates it,
with the same results: then its time says nothing and is left out.
"""

import argparse

import numpy as np

import napari_grd as grd
from common import FLUORESCENCE, Dataset, load, score
from napari_grd.inference.openvino_runtime import has_bf16
from napari_grd.inference.runtime import runtime_for
from reporting import hardware, interleaved_ms, table

SIZE = 1024
CALIBRATION = 8  # training images of each set


def calibrated(model: grd.Model, sets: list[Dataset]) -> grd.Model:
    """The model with patches from evenly spread training images."""
    images = []
    for data in sets:
        places = np.linspace(0, len(data.train) - 1, CALIBRATION).astype(int)
        images += [data.train[place][0] for place in places]
    return grd.calibrate_int8(model, images, axes="yx")


def network_ms(model: grd.Model, precisions: list[str], repeats: int) -> dict[str, float]:
    """Median time of the network for an image of 1024², by precision."""
    image = np.random.default_rng(0).random((model.config.in_channels, SIZE, SIZE), np.float32)
    runtimes = {each: runtime_for(model, grd.SegmentConfig(device="cpu", precision=each)) for each in precisions}
    calls = {each: lambda run=run: run(image, lambda output: None) for each, run in runtimes.items()}
    return interleaved_ms(calls, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--no-bf16", action="store_true", help="leave bf16 out where it has to be emulated (slow)")
    args = parser.parse_args()
    sets = [load(name) for name in FLUORESCENCE]
    model = calibrated(grd.load_model(args.model), sets)
    times = network_ms(model, ["f32", "int8", *(["bf16"] if has_bf16() else [])], args.repeats)
    precisions = ["f32", "int8"] if args.no_bf16 and not has_bf16() else ["f32", "int8", "bf16"]
    scores = {each: score(model, sets, grd.SegmentConfig(device="cpu", precision=each)) for each in precisions}

    rows = []
    for each in precisions:
        row: list[object] = [each]
        row += [f"{times[each]:.0f}", f"{times[each] / times['f32']:.2f}"] if each in times else ["emulated", ""]
        for data in sets:
            ap50 = scores[each][data.name]["ap50"]
            row += [f"{ap50:.4f}", f"{ap50 - scores['f32'][data.name]['ap50']:+.4f}"]
        rows.append(row)
    heads = [head for data in sets for head in (f"AP50 {data.name}", "to f32")]
    print(f"{hardware()} Model {args.model}; medians of {args.repeats} calls that take turns.\n")
    print(table(["precision", f"network, ms at {SIZE}²", "of f32", *heads], rows))


if __name__ == "__main__":
    main()
