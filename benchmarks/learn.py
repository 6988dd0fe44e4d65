"""Learn from a few corrections on one image or three, and see what that is worth on untouched images.

    GRD_DATA=... python benchmarks/learn.py                  # images that the start was not made for
    GRD_DATA=... python benchmarks/learn.py --own phase      # the model's own kind of images: nothing may get worse

A simulated user starts with empty labels, draws 15 objects on a training image, and says with 5 dabs of a large brush
where there is nothing: in the middle of the widest gaps. Only built-in models whose card does not list the set are
starts, of these the best is chosen by the corrections. With ``--own``, 20 objects of the image are verified, five times
with other objects, and the named model is tuned.

AP50 is that of the validation images. With ``--rehearsal``, training images take their places: settings are settled
there.
"""

import argparse
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import ndimage

import napari_grd as grd
from common import ORIGIN, Dataset, load, score
from napari_grd.corrections.kinds import Draw, Erase
from napari_grd.corrections.region import Region
from napari_grd.corrections.starts import fitting_starts
from napari_grd.hub import ONE_OBJECT, builtin_paths
from reporting import hardware, table

SETS = ("usiigaci_phase", "yeastvision_phase", "axondeepseg_sem_axons", "dsb2018_histology_rgb")
OWN = {"phase": "usiigaci_phase", "nuclei": "bbbc039_nuclei", "tissue": "dsb2018_histology_rgb"}
WORDS = {"yeastvision_phase": "YeastVision", "axondeepseg_sem_axons": "AxonDeepSeg"}  # on cards, if not in ORIGIN
OBJECTS, DABS, BRUSH = 15, 5, 60  # corrections; the brush's largest radius, in pixels
VERIFIED, DRAWS = 20, 5
Array = np.ndarray[Any, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearsal", action="store_true", help="training images instead of validation images")
    parser.add_argument("--own", choices=sorted(OWN), help="tune this model on its own kind of images")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--exclude", nargs="*", default=[], help="models not to start from, besides those of the set")
    parser.add_argument("--images", type=int, default=1, help="number of corrected images")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--steps", type=int, help="so many steps, however long they take")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = grd.FineTuneConfig(threads=args.threads, seconds=args.seconds, steps=args.steps or 400)
    if args.steps:
        config = config.replace(seconds=None)
    print(hardware(), "\n")
    if args.own:
        own(args.own, load(OWN[args.own], rehearsal=args.rehearsal), config, args.draws)
    else:
        unfamiliar([load(name, rehearsal=args.rehearsal) for name in args.sets], config, args.images, args.exclude)


def unfamiliar(sets: Sequence[Dataset], config: grd.FineTuneConfig, images: int, exclude: Sequence[str]) -> None:
    rows = []
    for data in sets:
        starts = [model for model in students(data) if model.card.name not in exclude]
        items = data.train[:: max(1, len(data.train) // images)][:images]
        made = [drawn(image, labels, data.axes) for image, labels in items]
        row, tuned = learn(starts, [image for image, _ in items], *zip(*made, strict=True), config, data)
        before = max(score(start, [data], grd.SegmentConfig())[data.name]["ap50"] for start in starts)
        rows.append([data.name, before, score(tuned, [data], grd.SegmentConfig())[data.name]["ap50"], *row])
    print(table(["set", "best start, AP50", "after", "started from", "held out", "seconds"], rows, digits=3))


def own(name: str, data: Dataset, config: grd.FineTuneConfig, draws: int) -> None:
    model = grd.load_model(name)
    before = score(model, [data], grd.SegmentConfig())[data.name]["ap50"]
    rows = []
    for draw in range(draws):
        image, labels = data.train[draw % len(data.train)]
        made, segmented = drawn(image, labels, data.axes, objects=VERIFIED, dabs=0, seed=draw)
        row, tuned = learn([model], [image], [made], [segmented], config, data)
        after = before if tuned is model else score(tuned, [data], grd.SegmentConfig())[data.name]["ap50"]
        rows.append([draw, before, after, after - before, *row])
    print(table(["draw", "before, AP50", "after", "change", "started from", "held out", "seconds"], rows, digits=3))
    changes = [row[3] for row in rows]
    print(f"\nmean change {np.mean(changes):.3f}, worst {min(changes):.3f}")


def learn(
    starts: Sequence[grd.Model],
    images: Sequence[Array],
    corrections: Sequence[grd.Corrections],
    labels: Sequence[Array],
    config: grd.FineTuneConfig,
    data: Dataset,
) -> tuple[list[str], grd.Model]:
    start = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", grd.GrdWarning)  # nothing gained: the table tells
        tuned = grd.fine_tune(list(starts), list(images), list(corrections), list(labels), config)
    seconds = time.monotonic() - start
    scores = tuned.card.scores
    changed = "held-out AP50" in scores
    held = f"{scores['held-out AP50 before']:.2f} to {scores['held-out AP50']:.2f}" if changed else "unchanged"
    origin = tuned.card.recipe.get("fine_tune", {}).get("started_from", tuned.card.name)
    return [origin, held, f"{seconds:.0f}"], tuned


def students(data: Dataset) -> list[grd.Model]:
    """Built-in students of as many channels that were not trained on a set."""
    known = WORDS.get(data.name, ORIGIN.get(data.name, data.name).rsplit(",", 1)[0])
    models = {name: grd.load_model(name) for name in builtin_paths() if name not in ONE_OBJECT}
    unlisted = [
        model.with_card(name=name)
        for name, model in models.items()
        if not any(known in source or data.name in source for source in model.card.trained_on)
    ]
    return fitting_starts(unlisted, 3 if data.axes == "yxc" else 1)


def drawn(
    image: Array, labels: Array, axes: str, objects: int = OBJECTS, dabs: int = DABS, seed: int = 0
) -> tuple[grd.Corrections, Array]:
    """Corrections of empty labels, and the labels that these come to."""
    chosen = np.random.default_rng(seed).permutation(np.unique(labels)[1:])[:objects]
    made: list[Draw | Erase] = [Draw(Region.from_mask(labels == number)) for number in chosen]
    background = labels == 0
    free = background.copy()
    for _ in range(dabs):
        room = ndimage.distance_transform_edt(free)
        y, x = np.unravel_index(room.argmax(), room.shape)
        rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
        dab = ((rows - y) ** 2 + (columns - x) ** 2 < min(room.max(), BRUSH) ** 2) & background
        made.append(Erase(Region.from_mask(dab)))
        free &= ~dab
    return grd.Corrections(grd.ImageRef.of(image, axes), made), np.where(np.isin(labels, chosen), labels, 0)


if __name__ == "__main__":
    main()
