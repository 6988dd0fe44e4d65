"""The command convert."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    object_options,
    parse_pixel_size,
)
from napari_grd.cli.output import print_files, print_note
from napari_grd.errors import OutputError
from napari_grd.jobs import FileSaved, Job, Notice

if TYPE_CHECKING:
    from napari_grd.io.objects.formats import ObjectFormat
    from napari_grd.io.objects.source import LabelSource
    from napari_grd.measurements.filtering import ObjectFilter

_ALL = "annotations"  # the COCO file of many images


def convert(
    labels: Annotated[Path, typer.Argument(help="A label image, or a folder of label images.")],
    images: Annotated[
        Path | None,
        typer.Argument(help="The image, or a folder of images with the same names; COCO files refer to them."),
    ] = None,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="imagej, geojson (QuPath) or coco; repeatable. \\[default: imagej]"),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = Path("grd-objects"),
    class_name: Annotated[str, typer.Option("--class", help="Class of the objects, for QuPath and COCO.")] = "object",
    per_plane: PerPlane = False,
    exclude_border: ExcludeBorder = False,
    border_axes: BorderAxes = "yx",
    min_size: MinSize = 0,
    max_size: MaxSize = None,
    axes: Axes = None,
    pixel_size: PixelSize = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Write objects for other programs: ImageJ ROIs, GeoJSON for QuPath, COCO annotations.

    Outlines are exact to the pixel. ImageJ and QuPath get one file per image, COCO one for all images.
    """
    from napari_grd.io.atomic import make_folder
    from napari_grd.io.objects.formats import object_format

    forms = [object_format("", form) for form in dict.fromkeys(to or ["imagej"])]
    objects = object_options(exclude_border, border_axes, min_size, max_size)
    size = parse_pixel_size(pixel_size)
    files, notes, many = find_label_files(labels, images)
    targets = {form: _targets(files, form, out, many) for form in forms}
    there = [path for paths in targets.values() for path in dict.fromkeys(paths) if path.exists()]
    if there and not force:
        raise OutputError(
            f"{len(there)} of the output files exist already, the first: {str(there[0])!r}.",
            "Use --force to overwrite, or another --out folder.",
        )
    for note in notes:
        print_note(note)
    make_folder(out)
    failures = Failures()
    written: list[Path] = []

    def read(file: LabelFile) -> Job["LabelSource"]:
        return _iter_source(file, objects, per_plane, axes, size)

    try:
        run(_iter_convert(files, targets, read, class_name, failures, written))
    finally:
        print_files(written)
    failures.finish(len(files))


def _targets(files: Sequence[LabelFile], form: "ObjectFormat", out: Path, many: bool) -> list[Path]:
    """The output file of each label file in this format."""
    from napari_grd.io.objects.formats import SUFFIXES

    return [out / f"{_ALL if many and form == 'coco' else file.name}{SUFFIXES[form]}" for file in files]


def _iter_convert(
    files: Sequence[LabelFile],
    targets: "dict[ObjectFormat, list[Path]]",
    read: "Callable[[LabelFile], Job[LabelSource]]",
    class_name: str,
    failures: Failures,
    written: list[Path],
) -> Job[None]:
    from napari_grd.io.objects.coco import CocoDataset
    from napari_grd.io.objects.formats import class_function, iter_write_objects

    dataset: CocoDataset | None = CocoDataset() if "coco" in targets else None

    def convert_file(number: int, file: LabelFile) -> Job[None]:
        source = yield from read(file)
        for form, paths in targets.items():
            if form != "coco":
                written.append((yield from iter_write_objects(paths[number], source, form, class_name)))
                yield FileSaved(paths[number], kind="objects")
        if dataset is not None:
            yield from dataset.iter_add(source, class_function(class_name))

    yield from iter_label_files("Writing objects", files, convert_file, failures)
    if dataset is not None and dataset.images:
        written.append(dataset.write(targets["coco"][0]))


def _iter_source(
    file: LabelFile, objects: "ObjectFilter", per_plane: bool, axes: str | None, pixel_size: tuple[float, ...] | None
) -> Job["LabelSource"]:
    from napari_grd.io.objects.source import label_source

    read = read_label_file(file, axes=axes, pixel_size=pixel_size, with_image=False)
    for note in read.notes:
        yield Notice(note)
    labels = read.labels
    if objects:
        labels = filtered(labels, read.axes, objects, per_plane)
    return label_source(labels, image=(file.image or file.labels).name, calibration=read.calibration)
