"""What corrections cost: the time until labels have changed, and how many it takes to mend a segmentation.

    GRD_DATA=FOLDER python benchmarks/corrections.py [--limit 10]

Settings are settled with --rehearsal, on training images.
"""

import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import napari_grd as grd
from common import Dataset, load
from correcting_user import State, User, without_small
from napari_grd.corrections.collection import Corrections
from napari_grd.corrections.editor import Editor
from napari_grd.corrections.image import ImageRef
from napari_grd.corrections.kinds import Accept, Correction, Draw, Erase, Merge, Pick, Split, SplitLine
from napari_grd.corrections.predictions import Predictions
from napari_grd.corrections.region import Region
from napari_grd.corrections.uncertainty import uncertain_objects
from napari_grd.metrics.matching import match_objects
from napari_grd.teaching.confidence import VIEWS, transformed, transformed_back
from reporting import hardware, table
from segment import mosaic

SIZE = 1024
GOAL = 0.95


def accepted(labels: np.ndarray) -> list[Correction]:
    """Every object as it is."""
    found = []
    for label in np.unique(labels[labels > 0]).tolist():
        region = Region.from_mask(labels == label)
        found.append(Accept(tuple(region.pixels[len(region.pixels) // 2].tolist()), region))
    return found


def gestures(rng: np.random.Generator, known: list[Correction]) -> list[Correction]:
    """One of each kind, on some object and its neighbor."""
    one = known[int(rng.integers(len(known)))]
    y, x = one.pixel
    y0, x0, y1, x1 = one.region.box
    near = min(known, key=lambda other: (other is one, abs(other.pixel[0] - y) + abs(other.pixel[1] - x)))
    row = next(run for run in one.region.runs if run[0] == y)
    made = [
        Merge([one.pixel, near.pixel]),
        SplitLine([(y0 - 2, x), (y1 + 1, x)]),
        Pick(one.pixel, one.region),
        Accept(one.pixel, Region(one.region.runs[1:])) if len(one.region.runs) > 1 else Accept(one.pixel, one.region),
        Draw(Region([(max(y0 - 2, 0), x0, x1 - x0)]), one.pixel),
        Erase(Region([(each, x, 1) for each in range(y0, y1)])),
    ]
    return made if row[2] < 2 else [*made, Split((y, row[1]), (y, row[1] + row[2] - 1))]


def timings(model: grd.Model, folder: Path, rounds: int) -> None:
    """Times, and pixels that should not have changed."""
    image = mosaic(folder / "bbbc039_nuclei", SIZE).image
    prediction = grd.predict(model, image)
    labels, predictions = grd.partition(prediction), Predictions.of_prediction(prediction)
    known = accepted(labels)
    ref = ImageRef(labels.shape)
    rows = []
    for name, before in (("none before", []), (f"{len(known)} accepted before", known)):
        Editor(labels, Corrections(ref, before[:5]), predictions)
        corrections = Corrections(ref, before)
        start = time.perf_counter()
        editor = Editor(labels, corrections, predictions)
        opened = time.perf_counter() - start
        print(f"Opening, {name}: {opened:.2f} s, {len(known)} objects.")
        rng = np.random.default_rng(0)
        times: dict[str, list[float]] = defaultdict(list)
        outside: Counter[str] = Counter()
        for number in range(rounds + 1):
            for gesture in gestures(rng, known):
                old = editor.labels.copy()
                named = gesture.constraints(labels.shape, old).pixels
                start = time.perf_counter()
                editor.apply(gesture)
                took = 1000 * (time.perf_counter() - start)
                if number:  # the first round compiles
                    times[gesture.kind].append(took)
                touched = np.isin(old, np.setdiff1d(old[tuple(named.T)], 0))
                touched[tuple(named.T)] = True
                outside[gesture.kind] += int(((old != editor.labels) & ~touched).sum())
                start = time.perf_counter()
                editor.undo()
                times["undo"].append(1000 * (time.perf_counter() - start))
                assert (editor.labels == old).all()
        for kind, each in times.items():
            median, late = np.median(each), np.quantile(each, 0.95)
            rows.append([name, kind, float(median), float(late), outside[kind]])
    print()
    print(table(["corrections", "gesture", "median ms", "95 % ms", "pixels changed elsewhere"], rows, 1))


def simulated(model: grd.Model, data: Dataset, limit: int) -> None:
    """How many corrections it takes."""
    rows = []
    for name in ("strokes", "two clicks", "brush"):
        made: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        wrong, mended, aps = 0, 0, []
        for image, reference in data.validation[:limit]:
            prediction = grd.predict(model, image, axes=data.axes)
            labels = grd.partition(prediction)
            truth = without_small(reference, data.min_size)
            before = State(labels, truth, data.min_size)
            editor = Editor(labels, Corrections(ImageRef(labels.shape)), Predictions.of_prediction(prediction))
            user = User(editor, truth, data.min_size, name)
            user.correct(GOAL)
            after = State(editor.labels, truth, data.min_size)
            made += user.made
            failed += user.failed
            wrong += before.wrong
            mended += before.wrong - after.wrong
            aps.append((before.ap, after.ap))
        total = sum(made.values())
        kinds = ", ".join(f"{kind} {count}" for kind, count in made.most_common())
        tried = ", ".join(f"{kind} {count}" for kind, count in failed.most_common()) or "none"
        first, last = np.mean(aps, axis=0)
        each = total / mended if mended else 0.0
        rows.append([name, len(aps), first, last, wrong, mended, total, each, kinds, tried])
    header = ["with", "images", "AP75 before", "after", "wrong objects", "mended", "corrections"]
    print(table([*header, "each", "made", "of no use"], rows, 3))


def uncertain(model: grd.Model, data: Dataset, limit: int) -> None:
    """How often uncertain objects are wrong."""
    rows = []
    found: dict[str, list[tuple[float, bool]]] = {"border": [], "border and turned images": []}
    for image, reference in data.train[:: max(1, len(data.train) // limit)]:
        prediction = grd.predict(model, image, axes=data.axes)
        labels = grd.partition(prediction)
        views = [transformed_back(grd.segment(model, transformed(image, *view)), *view) for view in VIEWS]
        truth = without_small(reference, data.min_size)
        sizes = np.bincount(labels.reshape(-1))
        right = set(match_objects(reference=truth, labels=labels, iou=0.75).pairs[:, 0].tolist())
        for name, each in (("border", []), ("border and turned images", views)):
            for candidate in uncertain_objects(labels, Predictions.of_prediction(prediction), augmented_labels=each):
                if sizes[candidate.id] >= data.min_size:
                    found[name].append((candidate.score, candidate.id not in right))
    for name, each in found.items():
        each.sort(key=lambda pair: -pair[0])
        wrong = np.array([bad for _, bad in each])
        tenth = len(wrong) // 10
        rows.append([name, len(wrong), wrong.mean(), wrong[:tenth].mean(), wrong[-len(wrong) // 2 :].mean()])
    print(table(["score", "objects", "wrong", "of the most uncertain tenth", "of the more certain half"], rows, 3))


def main(
    data: Annotated[Path, typer.Option(envvar="GRD_DATA", help="folder that holds bbbc039_nuclei")],
    limit: Annotated[int, typer.Option(help="images of each part")] = 10,
    rounds: Annotated[int, typer.Option(help="timed gestures of each kind")] = 20,
    model: Annotated[str, typer.Option(help="a model file, or the name of a built-in model")] = "nuclei",
    rehearsal: Annotated[bool, typer.Option("--rehearsal", help="on training images")] = False,
) -> None:
    """Print the tables."""
    print(hardware())
    student = grd.load_model(model)
    timings(student, data, rounds)
    nuclei = load("bbbc039_nuclei", rehearsal=rehearsal)
    print()
    simulated(student, nuclei, limit)
    print()
    uncertain(student, nuclei, limit)


if __name__ == "__main__":
    typer.run(main)
