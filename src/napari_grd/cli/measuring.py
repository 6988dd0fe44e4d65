"""The command measure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_grd.cli.failures import Failures, iter_label_files
from napari_grd.cli.label_files import LabelFile, find_label_files, read_label_file
from napari_grd.cli.monitor import run
from napari_grd.cli.object_flags import (
    Axes,
    BorderAxes,
    ExcludeBorder,
    MaxSize,
    MinSize,
    PerPlane,
    PixelSize,
    filtered,
    object_ndim,
    object_options,
    parse_pixel_size,
)
from napari_grd.cli.output import print_files, print_note, print_table
from napari_grd.errors import OutputError
from napari_grd.jobs import Job, Notice

if TYPE_CHECKING:
    from napari_grd.io.calibration import Calibration
    from napari_grd.io.label_pixels import LabelPixels
    from napari_grd.measurements.filtering import ObjectFilter
    from napari_grd.measurements.table import ObjectTable

_PLACES = ("label", "t", "z", "centroid", "bbox")  # columns without a meaningful median


def measure(
    labels: Annotated[Path, typer.Argument(help="A label image, or a folder of them.")],
    images: Annotated[
        Path | None,
        typer.Argument(help="The image, or a folder of images with the same names, to measure intensities too."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The table: .csv or .parquet.")] = Path("grd-objects.csv"),
    per_plane: PerPlane = False,
    exclude_border: ExcludeBorder = False,
    border_axes: BorderAxes = "yx",
    min_size: MinSize = 0,
    max_size: MaxSize = None,
    axes: Axes = None,
    pixel_size: PixelSize = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Measure size, shape and intensity of every object, into one table.

    Sizes are in the units of the files. The table's provenance is written beside it.
    """
    from napari_grd.io.atomic import make_folder
    from napari_grd.io.tables import check_table_name, write_table

    check_table_name(out)
    if out.exists() and not force:
        raise OutputError(f"{str(out)!r} exists already.", "Use --force to overwrite it, or choose another name.")
    objects = object_options(exclude_border, border_axes, min_size, max_size)
    size = parse_pixel_size(pixel_size)
    files, notes, many = find_label_files(labels, images)
    for note in notes:
        print_note(note)
    make_folder(out.parent)
    failures = Failures()

    def measure_file(_number: int, file: LabelFile) -> Job[Measured]:
        read = read_label_file(file, axes=axes, pixel_size=size)
        for note in read.notes:
            yield Notice(note)
        return (yield from measure_pixels(file.name, read, objects, per_plane))

    measured = run(iter_label_files("Measuring images", files, measure_file, failures))
    if measured:
        columns = _joined(measured, many)
        made_by = table_provenance(labels, images, objects, measured, per_plane=per_plane, failures=failures)
        path = write_table(out, columns, made_by=made_by)
        _summarize(columns, len(measured), sum(image.left_out for image in measured))
        print_files([path])
    failures.finish(len(files))


@dataclass(frozen=True)
class Measured:
    """The objects of one file."""

    name: str
    table: "ObjectTable"
    calibration: "Calibration"
    left_out: int


def measure_pixels(
    name: str, read: "LabelPixels", objects: "ObjectFilter | None" = None, per_plane: bool = False
) -> Job[Measured]:
    """Measure the contents of a label file, in the units of its calibration."""
    from napari_grd.measurements.objects import iter_measure
    from napari_grd.measurements.units import measuring_units

    ndim = object_ndim(read.axes, per_plane)
    options, unknown = measuring_units(read.calibration, ndim)
    if unknown:
        note = f"the pixel size along {unknown} is not known, so sizes are in pixels. Give it with --pixel-size."
        yield Notice(f"{name}: {note}")
    labels, left_out = read.labels, 0
    if objects:
        labels = filtered(labels, read.axes, objects, per_plane)
        left_out = sum(len(labels.left_out(frame)) for frame in labels.geometry.frames())
    table = yield from iter_measure(labels, read.channels, axes=read.axes, ndim=ndim, **options)
    return Measured(name, table, read.calibration, left_out)


def _joined(measured: Sequence[Measured], many: bool) -> dict[str, Any]:
    """One table of all images; columns that an image lacks are empty."""
    import numpy as np

    tables = [image.table.by_heading() for image in measured]
    frames = [axis for image in measured for axis in image.table.frame_axes]
    rest = [name for table in tables for name in table]
    names = list(dict.fromkeys(["label", *sorted(frames), *rest]))
    columns: dict[str, Any] = {}
    if many:
        columns["image"] = np.repeat([image.name for image in measured], [len(image.table) for image in measured])
    for name in names:
        everywhere = all(name in table for table in tables)
        parts = [
            np.asarray(table[name], None if everywhere else object)
            if name in table
            else np.full(len(image.table), None)
            for image, table in zip(measured, tables, strict=True)
        ]
        columns[name] = np.concatenate(parts)
    return columns


def table_provenance(
    labels: str | Path,
    images: str | Path | None,
    objects: "ObjectFilter",
    measured: Sequence[Measured],
    *,
    per_plane: bool = False,
    failures: Failures | None = None,
) -> dict[str, Any]:
    """Provenance of a table, JSON-compatible."""
    import napari_grd

    return {
        "program": f"napari-grd {napari_grd.__version__}",
        "labels": str(labels),
        "images": None if images is None else str(images),
        "objects": asdict(objects),
        "per_plane": per_plane,
        "calibration": {image.name: asdict(image.calibration) for image in measured},
        "failed": {} if failures is None else {str(path): text for path, text in failures.messages.items()},
    }


def _summarize(columns: dict[str, Any], images: int, left_out: int) -> None:
    import numpy as np

    count = len(columns["label"])
    rows = []
    for name, values in columns.items():
        if name != "image" and not name.startswith(_PLACES) and count:
            numbers = values.astype(float)
            if np.isfinite(numbers).any():
                statistics = (np.nanmedian(numbers), np.nanmin(numbers), np.nanmax(numbers))
                rows.append([name, *(f"{value:.4g}" for value in statistics)])
    title = f"{count:,} object{'s' * (count != 1)} in {images:,} image{'s' * (images != 1)}"
    without = f"{left_out:,} excluded at the border or by size" if left_out else ""
    print_table(title, ["", "median", "least", "most"], rows, caption=without)
