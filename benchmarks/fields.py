"""Does anything come out of noise, and is the size right by itself?

    GRD_DATA=... python benchmarks/fields.py sparse | blank | size | range | time

``sparse``: real nuclei of validation images on real background, a quilt of empty patches of the same image; an object
is spurious if less than half of it lies on nuclei;
``blank``: simulated empty fields and blank slides, by every built-in student; ``size``: AP50 with the automatic
diameter, with the true one told and with the model's own, at several magnifications; ``range``: stacks that bleach or
fade with depth, each plane in its own range or all in that of the whole; ``time``: the automatic size,
and image to labels with and without it.
"""

import argparse
import io
import os
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

import napari_grd as grd
from common import Dataset, load
from napari_grd.config import SegmentConfig
from napari_grd.inference.array_source import ArraySource
from napari_grd.inference.rescale import grid_shape, nearest, rescale_image
from napari_grd.inference.view import resolve_view
from napari_grd.io.label_image import read_label_image
from napari_grd.metrics.scores import evaluate
from reporting import hardware, table

Array = np.ndarray[Any, Any]
_PATCH = 48
_MARGIN = 12


def composite(data: Dataset, count: int, rng: np.random.Generator, side: int, *, raw: bool) -> tuple[Array, Array]:
    """A sparse field and its labels: background and nuclei of the same image, whose exposure they share.

    Unless it is taken raw, patches in which something was left unannotated are no background, and all are brought to
    one level, so that there are no steps between them.
    """
    for place in rng.permutation(len(data.validation)):
        image, truth = data.validation[place]
        places, nuclei = _empty_patches(image, truth, raw=raw), _alone(truth, max(80, data.min_size))
        if len(places) >= 100 and len(nuclei) >= 3:
            break
    else:
        raise ValueError(f"No image of {data.name} has enough background and nuclei.")
    field, labels = _quilt(image, truth, places, rng, side, raw=raw), np.zeros((side, side), np.int64)
    placed = 0
    while placed < count:
        box, inside = nuclei[rng.integers(len(nuclei))]
        y, x = rng.integers(0, side - 160, 2)
        where = slice(y, y + inside.shape[0]), slice(x, x + inside.shape[1])
        if labels[where].any():
            continue
        around = np.median(image[box][~ndimage.binary_dilation(inside, iterations=4)])
        soft = ndimage.gaussian_filter(ndimage.binary_dilation(inside, iterations=3).astype(float), 1.5)
        field[where] += (image[box] - around) * soft
        placed += 1
        labels[where][inside] = placed
    return np.clip(field.round(), 0, np.iinfo(image.dtype).max).astype(image.dtype), labels


def _quilt(image: Array, truth: Array, places: Array, rng: np.random.Generator, side: int, *, raw: bool) -> Array:
    """A field of empty patches, turned and mirrored."""
    result = np.empty((side, side))
    level = float(np.median(image[truth == 0]))
    for top in range(0, side, _PATCH):
        for left in range(0, side, _PATCH):
            y, x = places[rng.integers(len(places))]
            patch = np.rot90(image[y : y + _PATCH, x : x + _PATCH], rng.integers(4))[:: rng.choice([1, -1])]
            target = result[top : top + _PATCH, left : left + _PATCH]
            target[...] = (patch if raw else patch - patch.mean() + level)[: target.shape[0], : target.shape[1]]
    return result


def _empty_patches(image: Array, truth: Array, *, raw: bool) -> Array:
    """Corners (N, 2) of patches without an object in or near them."""
    free = ndimage.binary_erosion(truth == 0, iterations=_MARGIN, border_value=1)
    if not raw:
        free &= ~ndimage.binary_dilation(_unannotated(image, truth), iterations=_MARGIN)
    return np.argwhere(ndimage.minimum_filter(free, _PATCH, origin=-(_PATCH // 2))[: -_PATCH + 1, : -_PATCH + 1])


def _unannotated(image: Array, truth: Array) -> Array:
    """Where nobody drew an object and ten or more pixels together are far above the background."""
    around = image[truth == 0].astype(np.float64)
    middle = np.median(around)
    deviation = max(1.4826 * np.median(np.abs(around - middle)), 0.5)
    pieces, _ = ndimage.label(ndimage.uniform_filter(image.astype(np.float64), 3) > middle + 4 * deviation)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return (sizes >= 10)[pieces] & (truth == 0)


def _alone(truth: Array, least: int) -> list[tuple[tuple[slice, slice], Array]]:
    """Whole objects with nothing beside them, cut out."""
    found = []
    for number, at in enumerate(ndimage.find_objects(truth), 1):
        if at is None:
            continue
        if any(part.start < 8 or part.stop > size - 8 for part, size in zip(at, truth.shape, strict=True)):
            continue
        box = (slice(at[0].start - 8, at[0].stop + 8), slice(at[1].start - 8, at[1].stop + 8))
        inside = truth[box] == number
        if inside.sum() >= least and not ((truth[box] > 0) & ~inside).any() and max(inside.shape) <= 150:
            found.append((box, inside))
    return found


def sparse(names: list[str], side: int, fields: int, *, raw: bool) -> None:
    model = grd.load_model("nuclei")
    rows = []
    for data in map(load, names):
        for count in (0, 1, 5, 10, 20):
            spurious, found = [], 0
            for number in range(fields):
                image, truth = composite(data, count, np.random.default_rng(number), side, raw=raw)
                labels = grd.segment(model, image)
                matched = _matched(labels, truth)
                found += matched
                ids, areas = np.unique(labels[labels > 0], return_counts=True)
                on_nuclei = np.bincount(labels[truth > 0], minlength=int(labels.max(initial=0)) + 1)
                spurious.append(int((on_nuclei[ids] < areas / 2).sum()))
            rows.append(
                [
                    data.name,
                    count,
                    f"{sum(s == 0 for s in spurious)} of {fields}",
                    max(spurious),
                    f"{found} of {count * fields}",
                ]
            )
    print(
        table(
            [
                "background and nuclei",
                "nuclei a field",
                "fields without a spurious object",
                "most of them",
                "found (IoU >= 0.5)",
            ],
            rows,
        )
    )


def _matched(labels: Array, truth: Array) -> int:
    count = 0
    for label in np.unique(truth)[1:]:
        inside = truth == label
        other = np.bincount(labels[inside]).argmax()
        if other:
            mine = labels == other
            count += (inside & mine).sum() >= 0.5 * (inside | mine).sum()
    return int(count)


def blank(side: int) -> None:
    rng = np.random.default_rng(0)
    shape = (side, side)
    coarse = ndimage.gaussian_filter(rng.normal(size=shape), 12)
    fields = {
        "photon noise": rng.poisson(100, shape),
        "few photons": rng.poisson(2, shape),
        "a gradient": rng.poisson(100 + np.linspace(0, 60, side)[:, None] * np.ones(side)),
        "hot pixels": np.where(rng.random(shape) < 1e-5, 65535, rng.poisson(100, shape)),
        "correlated noise": 1000 + 100 * ndimage.gaussian_filter(rng.normal(size=shape), 1) / 0.28,
        "out of focus": 1000 + 200 * coarse / coarse.std(),
        "median filter": ndimage.median_filter(rng.poisson(100, shape), 3),
        "JPEG, quality 70": _jpeg(rng.normal(60, 6, shape), 70),
        "one value": np.full(shape, 7),
    }
    white = np.clip(rng.normal([235, 228, 236], 2.5, (*shape, 3)), 0, 255)
    slides = {"blank slide": white, "uneven blank slide": white - np.linspace(0, 25, side)[:, None, None]}
    slides |= {
        f"uneven, JPEG, quality {quality}": _jpeg(slides["uneven blank slide"], quality) for quality in (30, 70, 90)
    }
    rows = []
    for name in (card.name for card in grd.builtin_models() if card.kind == "student"):
        model = grd.load_model(name)
        images = slides if model.config.in_channels == 3 else fields
        for kind, image in images.items():
            dtype = np.uint8 if image.ndim == 3 else np.uint16
            found = grd.segment(model, image.astype(dtype), axes="yxc" if image.ndim == 3 else "yx")
            rows.append([name, kind, int(found.max())])
    print(table(["student", "field", "objects"], rows))


def _jpeg(image: Array, quality: int) -> Array:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def size(pairs: list[str], factors: list[float], limit: int) -> None:
    rows = []
    for pair in pairs:
        name, _, model_name = pair.partition(":")
        data, model = load(name), grd.load_model(model_name or "nuclei")
        images = data.validation[:: max(1, len(data.validation) // limit)]
        known = model.config.object_diameter
        assert known is not None
        for factor in factors:
            shown, truths = [], []
            for image, truth in images:
                planes = np.moveaxis(image, -1, 0) if image.ndim == 3 else image[None]
                shape = grid_shape(truth.shape, factor)
                shown.append(rescale_image(planes.astype(np.float32), shape).round().astype(image.dtype))
                truths.append(nearest(truth, shape))
            cells = [name, model_name or "nuclei", factor]
            for way in ("auto", "told", None):
                found = [
                    grd.segment(
                        model,
                        one,
                        SegmentConfig(
                            object_diameter=_told(truth, data.min_size * factor**2, known) if way == "told" else way
                        ),
                        axes="cyx",
                    )
                    for one, truth in zip(shown, truths, strict=True)
                ]
                cells.append(evaluate(reference=truths, labels=found, min_size=round(data.min_size * factor**2)).ap50)
            rows.append(cells)
            print(cells, flush=True)
    print(
        table(["set", "student", "magnified", "AP50, automatic", "true diameter told", "model's own"], rows, digits=3)
    )


def _told(truth: Array, least: float, known: float) -> float | None:
    areas = np.bincount(truth.ravel())[1:]
    areas = areas[areas > max(least, 12)]
    diameter = 2 * float(np.sqrt(np.median(areas) / np.pi)) if len(areas) else known
    return None if 0.8 <= diameter / known <= 1.25 else diameter


def ranges(limit: int) -> None:
    """Planes of stacks whose brightness changes, each in its own range or all in that of the whole."""
    model, rows = grd.load_model("nuclei"), []
    for name, stacks in _fading(limit):
        own, common, truths = [], [], []
        for stack, truth in stacks:
            low, high = np.percentile(stack, [model.config.normalization.low, model.config.normalization.high])
            settings = SegmentConfig(link=False)
            own += list(grd.segment(model, stack, settings, axes="zyx"))
            fixed = settings.replace(intensity_range=((float(low), float(high)),))
            common += list(grd.segment(model, stack, fixed, axes="zyx"))
            truths += list(truth)
        scores = [evaluate(reference=truths, labels=found, min_size=20) for found in (own, common)]
        rows.append([name, sum(len(stack) for stack, _ in stacks), *(score.ap50 for score in scores)])
        print(rows[-1], flush=True)
    print(table(["stack or series", "planes", "AP50, range of each plane", "range of the whole"], rows, digits=3))


def _fading(limit: int) -> Iterator[tuple[str, list[tuple[Array, Array]]]]:
    """Real nuclei that bleach or lie deep, and a real stack of an embryo."""
    data = load("bbbc039_nuclei", rehearsal=True)
    fields = data.validation[:: max(1, len(data.validation) // limit)][:limit]
    for name, least in (("bleaching to 30 %", 0.3), ("bleaching to 10 %", 0.1)):
        faded = []
        for image, truth in fields:
            dark = float(np.percentile(image, 1))
            share = np.linspace(1, least, 6)[:, None, None]
            rng = np.random.default_rng(0)
            # The camera's noise stays while the signal goes.
            planes = dark + share * (image[None] - dark) + rng.normal(0, 3, (6, *image.shape))
            faded.append((np.clip(planes.round(), 0, 65535).astype(np.uint16), np.stack([truth] * 6)))
        yield name, faded
    root = Path(os.environ["GRD_DATA"]) / "bbbc050_nuclei3d"
    stacks = sorted((root / "images").iterdir())[1 : 1 + limit]
    yield (
        "bbbc050, deep planes darker",
        [(grd.read_image(path).pixels, read_label_image(root / "labels" / path.name)) for path in stacks],
    )


def timing(repeats: int) -> None:
    model = grd.load_model("nuclei")
    data = load("bbbc039_nuclei")
    mosaic = np.block([[data.validation[0][0], data.validation[1][0]], [data.validation[2][0], data.validation[3][0]]])
    rows = []
    for side in (512, 1024):
        image = mosaic[:side, :side]
        source = ArraySource(image, "yx", ndim=2, in_channels=1)
        ways = {
            "automatic size": lambda source=source: resolve_view(source, model.config, SegmentConfig()),
            "with it": lambda image=image: grd.segment(model, image),
            "without": lambda image=image: grd.segment(model, image, SegmentConfig().as_known()),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(repeats + 1):
            for way, run in ways.items():
                start = time.perf_counter()
                run()
                if turn:
                    times[way].append(1000 * (time.perf_counter() - start))
        medians = {way: statistics.median(values) for way, values in times.items()}
        rows.append([f"{side}²", *medians.values(), medians["with it"] / medians["without"]])
    print(table(["image", "automatic size, ms", "image to labels with it", "without", "ratio"], rows, digits=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["sparse", "blank", "size", "range", "time"])
    parser.add_argument("--sets", nargs="+", default=["bbbc039_nuclei", "mnfinder_nuclei"])
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--raw", action="store_true", help="take empty patches as they are, with steps between them")
    parser.add_argument("--fields", type=int, default=10)
    parser.add_argument("--factors", nargs="+", type=float, default=[0.5, 1, 2, 4])
    parser.add_argument("--limit", type=int, default=8, help="images of a set that are scored for size")
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    warnings.simplefilter("ignore", grd.GrdWarning)
    print(hardware(), "\n")
    if args.what == "sparse":
        sparse(args.sets, args.side, args.fields, raw=args.raw)
    elif args.what == "blank":
        blank(args.side)
    elif args.what == "size":
        size(args.sets, args.factors, args.limit)
    elif args.what == "range":
        ranges(args.limit)
    else:
        timing(args.repeats)


if __name__ == "__main__":
    main()
