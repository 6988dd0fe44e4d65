"""Do bf16 and f32 find the same objects, and do a crop and the whole image agree?

    GRD_DATA=... python benchmarks/agreement.py --model nuclei

Scores the validation images of the two fluorescence sets in both precisions
(on a CPU without bf16 instructions torch emulates them, with the same
results), and compares embeddings of crops with those of whole images.
"""

import argparse
from typing import Any

import numpy as np

import napari_grd as grd
from common import FLUORESCENCE, Dataset, load, score
from napari_grd.data.inputs import as_image
from napari_grd.data.intensity import measure_intensity
from reporting import hardware, table

CROP = 256


def crop_difference(model: grd.Model, image: Any, margin: int) -> float:
    """Largest difference of an embedding, more than ``margin`` pixels inside a crop."""
    config = grd.SegmentConfig(precision="f32")
    values = measure_intensity(as_image(image, "yx"), model.config.normalization)
    whole = grd.predict(model, image, config, axes="yx", intensity_range=values).embedding
    stride = model.stride
    top, left = ((side - CROP) // 2 // stride * stride for side in image.shape)
    crop = image[top : top + CROP, left : left + CROP]
    part = grd.predict(model, crop, config, axes="yx", intensity_range=values).embedding
    inside = (slice(None), slice(margin, -margin), slice(margin, -margin))
    return float(np.abs(part[inside] - whole[:, top : top + CROP, left : left + CROP][inside]).max())


def ap50(model: grd.Model, sets: list[Dataset], precision: str) -> dict[str, float]:
    """AP50 on each set in a precision."""
    scores = score(model, sets, grd.SegmentConfig(precision=precision))
    return {name: found["ap50"] for name, found in scores.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nuclei")
    args = parser.parse_args()
    model = grd.load_model(args.model)
    sets = [load(name) for name in FLUORESCENCE]
    f32, bf16 = ap50(model, sets, "f32"), ap50(model, sets, "bf16")
    print(hardware(), "\n")
    rows = [[name, f32[name], bf16[name], f"{bf16[name] - f32[name]:+.4f}"] for name in f32]
    print(table(["set", "AP50 f32", "AP50 bf16", "difference"], rows, digits=4), "\n")
    images = [image for image, _ in load("bbbc039_nuclei").validation]
    halo = grd.SegmentConfig().halo
    worst = max(crop_difference(model, image, halo) for image in images)
    print(f"Interior (more than {halo} px inside) of a {CROP}² crop against the whole image: {worst:.1e} at most.")


if __name__ == "__main__":
    main()
