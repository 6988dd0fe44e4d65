"""Learn from 20 corrections on images the student was not made for, and see what it has forgotten.

    GRD_DATA=... python benchmarks/learn.py

What the student finds in phase contrast is of no use: one blob over most of an
image. So the simulated user starts with empty labels, draws 15 objects on one
training image of ``usiigaci_phase``, and says with 5 dabs of a large brush where
there is nothing: in the middle of the widest gaps.
The validation images of that set are the untouched ones; those of the nuclei
sets tell what was forgotten. With ``--rehearsal``, training images take their places.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from scipy import ndimage

import napari_grd as grd
from common import FLUORESCENCE, Dataset, load, score
from napari_grd.corrections import Draw, Erase, Region
from reporting import hardware, table

FOREIGN, IMAGE, DIAMETER = "usiigaci_phase", 3, 45
OBJECTS, DABS, BRUSH = 15, 5, 60  # 20 corrections; the brush's largest radius, in pixels
Array = np.ndarray[Any, Any]
VIEW = grd.SegmentConfig(object_diameter=DIAMETER)
REPLAYED = 16  # of the training images of each nuclei set


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearsal", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, help="so many steps, however long they take")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    foreign, nuclei = load(FOREIGN, rehearsal=args.rehearsal), [load(n, rehearsal=args.rehearsal) for n in FLUORESCENCE]
    before = grd.load_model("nuclei")
    image, corrections, labels = corrected(foreign)
    config = grd.FineTuneConfig(object_diameter=DIAMETER, threads=args.threads)
    if args.steps:
        config = config.replace(seconds=None, steps=args.steps)
    known = [image for data in nuclei for image, _ in data.train[:: max(1, len(data.train) // REPLAYED)][:REPLAYED]]
    rows = [["before", "-", "-", *scores(before, foreign, nuclei)]]
    for what, own_images in (("simulated nuclei", None), (f"{len(known)} images of its own", known)):
        start = time.monotonic()
        after = grd.fine_tune(before, image, corrections, labels, config=config, rehearsal=own_images)
        seconds = time.monotonic() - start
        steps = after.card.recipe["fine_tune"]["steps_taken"]
        rows.append([f"after, rehearsing {what}", steps, f"{seconds:.0f}", *scores(after, foreign, nuclei)])
    print(hardware(), "\n")
    print(table(["AP50", "steps", "seconds", f"{FOREIGN}, untouched", *FLUORESCENCE], rows, digits=3))


def corrected(data: Dataset) -> tuple[Array, grd.Corrections, Array]:
    """One training image, corrections of empty labels, and the labels that these come to."""
    image, labels = data.train[IMAGE]
    drawn = np.random.default_rng(0).permutation(np.unique(labels)[1:])[:OBJECTS]
    made: list[Draw | Erase] = [Draw(Region.from_mask(labels == number)) for number in drawn]
    background = labels == 0
    free = background.copy()
    for _ in range(DABS):
        room = ndimage.distance_transform_edt(free)
        y, x = np.unravel_index(room.argmax(), room.shape)
        rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
        dab = ((rows - y) ** 2 + (columns - x) ** 2 < min(room.max(), BRUSH) ** 2) & background
        made.append(Erase(Region.from_mask(dab)))
        free &= ~dab
    return image, grd.Corrections(grd.ImageRef.of(image), made), np.where(np.isin(labels, drawn), labels, 0)


def scores(model: grd.Model, foreign: Dataset, nuclei: list[Dataset]) -> list[float]:
    """AP50 of the untouched images, at the scale of their objects, and of the sets the student was made for."""
    found = score(model, [foreign], VIEW) | score(model, nuclei)
    return [values["ap50"] for values in found.values()]


if __name__ == "__main__":
    main()
