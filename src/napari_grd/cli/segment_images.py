"""Image files are segmented one after the other, each from its file to its label file."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from napari_grd.cli.beside import iter_write_beside, paths_beside
from napari_grd.cli.failures import Failures
from napari_grd.cli.object_flags import filtered
from napari_grd.cli.segment_plan import Format, ImageFile, Work, check_targets, iter_plan, outline_paths
from napari_grd.config import SegmentConfig
from napari_grd.errors import DataError, GrdError, OutputError, naming
from napari_grd.jobs import Event, FileSaved, Job, Notice, Progress, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.corrections.collection import Corrections
    from napari_grd.inference.fit import FittedImage
    from napari_grd.io.calibration import Calibration
    from napari_grd.io.image_data import ImageData
    from napari_grd.measurements.filtering import ObjectFilter
    from napari_grd.models.model import Model

_MANY = 8  # number of steps from which an image has a progress bar of its own


@dataclass(frozen=True)
class ImageOptions:
    """Settings common to all images."""

    config: SegmentConfig
    axes: str | None
    channels: tuple[str, ...] | None
    corrections: "Corrections | None"
    outlines: bool
    form: Format
    objects: "ObjectFilter"
    also: tuple[str, ...]


@dataclass
class Outcome:
    """What came of the images so far."""

    segmented: int = 0
    skipped: int = 0
    written: list[Path] = field(default_factory=list)


def iter_segment_files(
    model: "Model",
    files: Sequence[ImageFile],
    options: ImageOptions,
    out: Path,
    series: Sequence[str],
    outcome: Outcome,
    failures: Failures,
    *,
    force: bool,
    skip_existing: bool,
) -> Job[None]:
    """Segment image files that are not held back by existing labels; failures are collected, not raised."""
    from napari_grd.io.atomic import make_folder

    plan = yield from iter_plan(files, out, options.form, series, failures)
    todo, outcome.skipped = check_targets(
        plan,
        out,
        force=force,
        skip_existing=skip_existing,
        others=lambda target: [
            *(outline_paths(target) if options.outlines else ()),
            *paths_beside(target, options.also),
        ],
    )
    for folder in sorted({work.target.parent for work in todo}):
        make_folder(folder)
    reported: set[str] = set()
    watch = Stopwatch("Segmenting images", len(todo))
    for number, work in enumerate(todo):
        yield watch.progress(number)
        quiet = len(todo) > 1
        whole = watch.progress(number)

        def change(event: Event, whole: Event = whole, quiet: bool = quiet) -> Event:
            always = isinstance(event, Notice) or (isinstance(event, Progress) and event.total > _MANY)
            return whole if quiet and not always else event

        try:
            yield from relay(_iter_one(model, work, options, outcome, reported, alone=not quiet), change)
            outcome.segmented += 1
        except OutputError:  # the next image would fail, too
            raise
        except GrdError as error:
            failures.add(work.path, error)
        except (Exception, MemoryError) as error:
            kind = (
                "there is not enough memory" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}"
            )
            failures.add(work.path, DataError(f"{str(work.path)!r} cannot be segmented ({kind}).", "Exclude it."))
    yield watch.progress(len(todo))


def _iter_one(
    model: "Model", work: Work, options: ImageOptions, outcome: Outcome, reported: set[str], *, alone: bool
) -> Job[None]:
    """Segment one image, from its file to its label file."""
    from napari_grd.corrections.apply import iter_segment_corrected
    from napari_grd.inference.fit import fit_channels
    from napari_grd.inference.view import with_anisotropy, with_pixel_size
    from napari_grd.io.images import read_image
    from napari_grd.io.label_pixels import segmented_pixels

    image = read_image(work.path, series=work.series, axes=options.axes)
    fitted = fit_channels(
        model,
        image.pixels,
        image.axes,
        names=("red", "green", "blue") if image.is_rgb else [channel.name for channel in image.channels],
        is_rgb=image.is_rgb,
        wanted=options.channels,
    )
    for note in image.notes:
        yield Notice(note if work.path.name in note else f"{work.path.name}: {note}")
    if fitted.note and fitted.note not in reported:
        reported.add(fitted.note)
        others = "" if alone else " Further images with the same notice are not listed."
        yield Notice(f"{work.path.name}: {fitted.note}.{others}")
    config = with_pixel_size(options.config, model.config, image.calibration.pixel_size)
    config = with_anisotropy(config, image.calibration.anisotropy)
    job = iter_segment_corrected(
        model,
        fitted.pixels,
        config,
        corrections=options.corrections,
        axes=fitted.axes,
    )
    with naming(repr(str(work.path))):
        labels = yield from relay(job, partial(_named, work.path.name))
    pixels = segmented_pixels(labels, image)
    if options.objects:
        pixels = replace(pixels, labels=filtered(pixels.labels, pixels.axes, options.objects)[()])
    provenance = _provenance(model, work, image, options, config)
    # The labels are written last: if they exist, --skip-existing assumes that all files beside them exist, too.
    beside, failure = list[Path](), None
    try:
        if options.outlines:
            beside.append(_write_outlines(work.target, fitted, pixels.labels))
        if options.also:
            beside += yield from iter_write_beside(work.target, options.also, pixels, work.path.name, options.objects)
    except GrdError as error:
        failure = error
    target = _write(work, pixels.labels, pixels.calibration, provenance, options.form)
    outcome.written += [target, *beside]
    yield FileSaved(target, kind="labels")
    if failure is not None:
        raise failure


def _named(name: str, event: Event) -> Event:
    """An event of an image, with the file named in a Notice."""
    return Notice(f"{name}: {event.message}", event.category) if isinstance(event, Notice) else event


def _write(work: Work, labels: NDArray[Any], place: "Calibration", provenance: dict[str, Any], form: Format) -> Path:
    from napari_grd.io.label_tiff import write_labels
    from napari_grd.io.ome_zarr_labels import write_labels_zarr

    if form == "ome-zarr":
        return write_labels_zarr(work.target, labels, place, provenance)
    return write_labels(work.target, labels, provenance, calibration=place)


def _provenance(
    model: "Model", work: Work, image: "ImageData", options: ImageOptions, config: SegmentConfig
) -> dict[str, Any]:
    import napari_grd
    from napari_grd.inference.runtime import runtime_for
    from napari_grd.models.compact import compact

    runtime = runtime_for(compact(model), config)  # the one that is at hand
    return {
        "program": f"napari-grd {napari_grd.__version__}",
        "model": model.card.name,
        "image": work.path.name,
        **({"series": image.series_names[work.series]} if work.of_several else {}),
        **({"channels": list(options.channels)} if options.channels else {}),
        **({"objects": asdict(options.objects)} if options.objects else {}),
        "runtime": runtime.name,
        "precision": runtime.precision,
        "config": config.model_dump(mode="json"),
    }


def _write_outlines(target: Path, fitted: "FittedImage", labels: NDArray[Any]) -> Path:
    """An overlay of a plane, or a stack of overlays, of labels with axes in the order of "tzyx"."""
    import numpy as np
    import tifffile
    from PIL import Image

    from napari_grd.data.inputs import as_image, split_planes
    from napari_grd.io.atomic import atomic_path
    from napari_grd.visualization import overlay

    leading = [axis for axis in fitted.axes if axis not in "cyx"]
    order = [sorted(leading).index(axis) for axis in leading]  # t before z
    planes = labels.transpose(*order, -2, -1).reshape(-1, *labels.shape[-2:])
    pictures = (
        np.round(255 * overlay(as_image(plane, rest), segmented, fill=False)).astype(np.uint8)
        for (plane, rest), segmented in zip(split_planes(fitted.pixels, fitted.axes), planes, strict=True)
    )
    flat, stacked = outline_paths(target)
    path = flat if len(planes) == 1 else stacked
    with atomic_path(path) as temporary:
        if len(planes) == 1:
            Image.fromarray(next(pictures)).save(temporary)
        else:
            shape = (*planes.shape, 3)
            tifffile.imwrite(temporary, pictures, shape=shape, dtype=np.uint8, photometric="rgb", compression="zlib")
    return path
