"""The command segment."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from numpy.typing import NDArray

from napari_grd.cli.beside import iter_write_beside, parse_kinds, paths_beside
from napari_grd.cli.failures import Failures
from napari_grd.cli.monitor import run
from napari_grd.cli.object_flags import BorderAxes, ExcludeBorder, MaxSize, MinSize, filtered, object_options
from napari_grd.cli.output import print_files, print_note, print_summary
from napari_grd.cli.segment_blocks import block_target, check_alone, one_series
from napari_grd.cli.segment_plan import Format, ImageFile, Work, check_targets, find_files, iter_plan, outline_paths
from napari_grd.cli.settings import Settings, takes_settings
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, DataError, GrdError, OutputError, naming
from napari_grd.jobs import Event, FileSaved, Job, Notice, Progress, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.corrections.collection import Corrections
    from napari_grd.inference.fit import FittedImage
    from napari_grd.io.calibration import Calibration
    from napari_grd.io.image_data import ImageData
    from napari_grd.measurements.filtering import ObjectFilter
    from napari_grd.models.model import Model

_SEGMENT = {
    "--runtime": "runtime",
    "--precision": "precision",
    "--device": "device",
    "--threads": "threads",
    "--tile": "tile",
    "--diameter": "object_diameter",
    "--pixel-size": "pixel_size",
    "--link": "link",
    "--stack": "stack",
    "--anisotropy": "anisotropy",
    "--partition": "partition.method",
}
_MANY = 8  # number of steps from which an image has a progress bar of its own


@dataclass(frozen=True)
class _Options:
    """Settings common to all images."""

    config: SegmentConfig
    axes: str | None
    channels: tuple[str, ...] | None
    corrections: "Corrections | None"
    outlines: bool
    form: Format
    objects: "ObjectFilter"
    also: tuple[str, ...]


@takes_settings(SegmentConfig(), _SEGMENT)
def segment(
    settings: Settings[SegmentConfig],
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="Image files, or folders of them; or one image of any size and the name.zarr for its labels, which is"
            " segmented block by block."
        ),
    ],
    model: Annotated[str, typer.Option(help="A model file, or the name of a built-in model.")] = "nuclei",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the label images.")] = Path("grd-labels"),
    form: Annotated[
        str, typer.Option("--format", help="tiff (one ImageJ-compatible .tif per image) or ome-zarr.")
    ] = "tiff",
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Search subfolders, too; --out has the same subfolders.")
    ] = False,
    pattern: Annotated[
        str | None, typer.Option(help="Only images in folders whose file name matches, e.g. '*_ch1.tif'.")
    ] = None,
    series: Annotated[
        list[str] | None,
        typer.Option(help="Of files with several images, only this one: name or zero-based index; repeatable."),
    ] = None,
    level: Annotated[
        int, typer.Option(min=0, help="Of an OME-Zarr and a name.zarr: level of the pyramid to segment; 0: the finest.")
    ] = 0,
    channel: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|N,...",
            help="Channels to segment, by name or zero-based index. \\[default: those that match the model]",
        ),
    ] = None,
    invert: Annotated[bool, typer.Option("--invert", help="Objects are dark on a bright background.")] = False,
    intensities: Annotated[
        str | None,
        typer.Option(
            "--range",
            metavar="LOW,HIGH",
            help="Intensities mapped to 0 and 1: two numbers, or two per channel. \\[default: percentiles]",
        ),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="Axes of every image, if missing or wrong in the files: letters of tczyx, e.g. tcyx."
            " \\[default: from the files]"
        ),
    ] = None,
    corrections: Annotated[Path | None, typer.Option(help="Corrections file to apply; for a single image.")] = None,
    outlines: Annotated[
        bool, typer.Option("--outlines", help="Also write images with outlined objects (.png; stacks .tif).")
    ] = False,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND,...",
            help="Files to write beside each label image: imagej, geojson (QuPath), coco, csv, parquet. For"
            " one file of all images use napari-grd measure and napari-grd convert.",
        ),
    ] = None,
    exclude_border: ExcludeBorder = False,
    border_axes: BorderAxes = "yx",
    min_size: MinSize = 0,
    max_size: MaxSize = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Of an image and a name.zarr: segment blocks in so many processes.")
    ] = 0,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of an image and a name.zarr: use the workers of a dask scheduler."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Skip images that have labels.")] = False,
) -> None:
    """Segment images and write label images.

    Stacks and series are segmented plane by plane, and objects keep their label from plane to plane (unless
    --no-link): in z-stacks by their shape in 3D if the model's objects are compact, else where they overlap. All images
    of a file are segmented. Files that cannot be segmented are reported at the end, after the others are done. Exit
    status: 0 if all files were segmented, 1 if some failed, 2 if the command was wrong.
    """
    import napari_grd.api as grd
    from napari_grd.inference.rescale import scale_factor
    from napari_grd.inference.runtime import runtime_for
    from napari_grd.models.compact import compact

    if form not in ("tiff", "ome-zarr"):
        raise ConfigError(f"--format is {form!r}.", "Choose tiff or ome-zarr.")
    if (target := block_target(inputs)) is not None:
        # Options for many images or for label images in memory have no meaning here.
        others = {
            "--format": form != "tiff",
            "--recursive": recursive,
            "--pattern": pattern is not None,
            "--corrections": corrections is not None,
            "--outlines": outlines,
            "--also": bool(also),
            "--exclude-border": exclude_border,
            "--min-size": min_size > 0,
            "--max-size": max_size is not None,
            "--skip-existing": skip_existing,
        }
        check_alone(target, [option for option, given in others.items() if given])
    elif workers or scheduler or level:
        raise ConfigError(
            "--workers, --scheduler and --level apply to one image.", "Name the image and a new name.zarr."
        )
    chosen = None if channel is None else tuple(part.strip() for part in channel.split(","))
    loaded = grd.load_model(model)
    # Partition options change the model's own settings, not the defaults.
    config = settings.build(SegmentConfig(partition=loaded.config.partition))
    if invert:
        config = config.replace(invert=True)
    if intensities is not None:
        config = config.replace(intensity_range=_range(intensities, loaded.config.in_channels))
    if target is not None:
        job = grd.iter_segment_zarr(
            loaded,
            inputs[0],
            target,
            config,
            axes=axes,
            series=one_series(series),
            level=level,
            channels=chosen,
            workers=workers,
            scheduler=scheduler,
            overwrite=force,
        )
        print_files([run(job, resume="Run the same command again to continue.")])
        return
    failures = Failures()
    files, notes = find_files(inputs, out, recursive=recursive, pattern=pattern, failures=failures)
    if corrections is not None and len(files) != 1:
        raise DataError(f"--corrections applies to one image, but there are {len(files)}.", "Segment only that image.")
    corrected = None if corrections is None else grd.load_corrections(corrections)
    scale_factor(loaded.config, config.as_known())  # fails before the first image is read if no image could change it
    runtime_for(compact(loaded), config)
    options = _Options(
        config=config,
        axes=axes,
        channels=chosen,
        corrections=corrected,
        outlines=outlines,
        form="tiff" if form == "tiff" else "ome-zarr",
        objects=object_options(exclude_border, border_axes, min_size, max_size),
        also=parse_kinds(also),
    )
    for note in notes:
        print_note(note)
    done = _Done()
    try:
        run(
            _iter_all(
                loaded, files, options, out, series or (), done, failures, force=force, skip_existing=skip_existing
            ),
            resume="Run the same command with --skip-existing to continue.",
        )
    finally:
        print_files(done.written)
        failures.tell()
        if done.segmented + len(failures.messages) + done.skipped > 1 or done.skipped:
            print_summary(segmented=done.segmented, failed=len(failures.messages), skipped=done.skipped)
    if failures.messages:
        raise typer.Exit(1)


@dataclass
class _Done:
    """The progress event."""

    segmented: int = 0
    skipped: int = 0
    written: list[Path] = field(default_factory=list)


def _iter_all(
    model: "Model",
    files: Sequence[ImageFile],
    options: _Options,
    out: Path,
    series: Sequence[str],
    done: _Done,
    failures: Failures,
    *,
    force: bool,
    skip_existing: bool,
) -> Job[None]:
    from napari_grd.io.atomic import make_folder

    plan = yield from iter_plan(files, out, options.form, series, failures)
    todo, done.skipped = check_targets(
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
            yield from relay(_iter_one(model, work, options, done, reported, alone=not quiet), change)
            done.segmented += 1
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
    model: "Model", work: Work, options: _Options, done: _Done, reported: set[str], *, alone: bool
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
    done.written += [target, *beside]
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
    model: "Model", work: Work, image: "ImageData", options: _Options, config: SegmentConfig
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


def _range(text: str, channels: int) -> tuple[tuple[float, float], ...]:
    """The values of ``--range``: low and high for each channel."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) == 2:
        values *= channels
    pairs = tuple(zip(values[::2], values[1::2], strict=False))
    if len(values) != 2 * channels or not all(-math.inf < low < high < math.inf for low, high in pairs):
        raise ConfigError(
            f"--range is {text!r}, and the model takes {channels} channel(s).",
            "Write LOW,HIGH with LOW below HIGH, once or per channel.",
        )
    return pairs


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
