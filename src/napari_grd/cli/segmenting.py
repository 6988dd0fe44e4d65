"""The command segment."""

import math
from pathlib import Path
from typing import Annotated

import typer

from napari_grd.cli.beside import parse_kinds
from napari_grd.cli.failures import Failures
from napari_grd.cli.monitor import run
from napari_grd.cli.object_flags import BorderAxes, ExcludeBorder, MaxSize, MinSize, object_options
from napari_grd.cli.output import print_files, print_note, print_summary
from napari_grd.cli.segment_blocks import block_target, check_alone, one_series
from napari_grd.cli.segment_images import ImageOptions, Outcome, iter_segment_files
from napari_grd.cli.segment_plan import find_files
from napari_grd.cli.settings import Settings, takes_settings
from napari_grd.config import SegmentConfig
from napari_grd.errors import ConfigError, DataError

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
    of a file are segmented. Files that cannot be segmented are reported at the end, after the others. A name.zarr goes
    on where the same command was interrupted, and stays as it is if that was finished. Exit status: 0 if all files are
    segmented, 1 if some failed, 2 if the command was wrong.
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
    options = ImageOptions(
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
    outcome = Outcome()
    try:
        run(
            iter_segment_files(
                loaded, files, options, out, series or (), outcome, failures, force=force, skip_existing=skip_existing
            ),
            resume="Run the same command with --skip-existing to continue.",
        )
    finally:
        print_files(outcome.written)
        failures.tell()
        if outcome.segmented + len(failures.messages) + outcome.skipped > 1 or outcome.skipped:
            print_summary(segmented=outcome.segmented, failed=len(failures.messages), skipped=outcome.skipped)
    if failures.messages:
        raise typer.Exit(1)


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
