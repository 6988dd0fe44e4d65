"""How well does a model do on images of other magnifications?

    GRD_DATA=... python benchmarks/magnification.py --model nuclei

The validation images are resampled, their annotation with them, and scored
twice: as they are, and with the object diameter told, so that they are brought
back to what the model knows. Objects that are ignored for their size are so
at every magnification.
"""

import argparse
from typing import Any

import numpy as np

import napari_grd as grd
from common import FLUORESCENCE, Dataset, load
from napari_grd.inference.rescale import grid_shape, nearest, rescale_image
from reporting import hardware, table

Pairs = list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def magnified(data: Dataset, factor: float) -> Pairs:
    """The validation images, (Y, X) float32, and their labels at another size."""
    found = []
    for image, labels in data.validation:
        shape = grid_shape(labels.shape, factor)
        found.append((rescale_image(image[None].astype(np.float32), shape)[0], nearest(labels, shape)))
    return found


def score(model: grd.Model, pairs: Pairs, diameter: float | None, min_size: int) -> tuple[float, float]:
    """AP50 and AJI."""
    config = grd.SegmentConfig(object_diameter=diameter)
    found = [grd.segment(model, image, config) for image, _ in pairs]
    scores = grd.evaluate(reference=[labels for _, labels in pairs], labels=found, min_size=min_size)
    return scores.ap50, scores.aji


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nuclei", help="a model file, or the name of a built-in model")
    parser.add_argument("--sets", nargs="+", default=list(FLUORESCENCE))
    parser.add_argument("--factors", nargs="+", type=float, default=[0.5, 0.7, 1, 1.4, 2])
    parser.add_argument("--rehearsal", action="store_true", help="leave the validation images unread")
    args = parser.parse_args()
    model = grd.load_model(args.model)
    known = model.config.object_diameter
    assert known is not None, "a model that knows its objects' diameter"
    rows = []
    for data in (load(name, rehearsal=args.rehearsal) for name in args.sets):
        for factor in args.factors:
            pairs, min_size = magnified(data, factor), round(data.min_size * factor**2)
            values = [value for told in (None, known * factor) for value in score(model, pairs, told, min_size)]
            rows.append([data.name, f"{factor:g}", *values])
    print(hardware(), "\n")
    print(table(["set", "magnified", "AP50", "AJI", "AP50, diameter told", "AJI, diameter told"], rows, digits=3))


if __name__ == "__main__":
    main()
