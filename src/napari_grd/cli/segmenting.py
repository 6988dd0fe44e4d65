"""The verb segment."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from numpy.typing import NDArray

from napari_grd.cli.monitor import run
from napari_grd.cli.output import print_files
from napari_grd.cli.settings import Settings, takes_settings
from napari_grd.config import SegmentConfig
from napari_grd.errors import DataError, GrdError, OutputError
from napari_grd.jobs import Job, Saved, Stopwatch, relay

if TYPE_CHECKING:
    from napari_grd.corrections import Corrections
    from napari_grd.models import Model

_SEGMENT = {
    "--runtime": "runtime",
    "--precision": "precision",
    "--device": "device",
    "--threads": "threads",
    "--tile": "tile",
    "--diameter": "object_diameter",
    "--pixel-size": "pixel_size",
}


@takes_settings(SegmentConfig(), _SEGMENT)
def segment(
    settings: Settings[SegmentConfig],
    inputs: Annotated[list[Path], typer.Argument(help="Image files, or folders of them.")],
    model: Annotated[str, typer.Option(help="A model file, or the name of a built-in model.")] = "nuclei",
    out: Annotated[Path, typer.Option(help="Folder for the label images, one .tif an image.")] = Path("grd-labels"),
    axes: Annotated[
        str | None, typer.Option(help="Axes of every image. \\[default: from the model and the file]")
    ] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="A file of corrections of the one image, made on its labels.")
    ] = None,
    outlines: Annotated[bool, typer.Option("--outlines", help="Also write a PNG with the objects outlined.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
    skip_existing: Annotated[bool, typer.Option("--skip-existing", help="Leave out images that have labels.")] = False,
) -> None:
    """Find the objects in images and write them as label images."""
    if outlines and axes is not None and "z" in axes:
        raise OutputError(f"--outlines draws planes, but the axes are {axes!r}.", "Leave --outlines out.")
    images = _find(inputs)
    if corrections is not None and len(images) != 1:
        raise DataError(f"--corrections is of one image, but there are {len(images)}.", "Segment that one alone.")
    todo = _planned(images, out, force=force, skip_existing=skip_existing, outlines=outlines)

    import napari_grd.api as grd
    from napari_grd.io.atomic import make_folder

    said = None if corrections is None else grd.load_corrections(corrections)
    loaded = grd.load_model(model)
    # What is said of the partition changes the model's own settings, not the defaults.
    config = settings.build(SegmentConfig(partition=loaded.config.partition))
    make_folder(out)
    written: list[Path] = []
    try:
        run(
            _iter_segment(loaded, todo, config, axes, said, outlines, written),
            resume="Run the same command with --skip-existing to go on.",
        )
    finally:
        print_files(written)


def _find(inputs: Sequence[Path]) -> list[Path]:
    from napari_grd.io.listing import find_images
    from napari_grd.io.names import image_stem

    found: list[Path] = []
    for path in inputs:
        found += find_images(path) if path.is_dir() and path.suffix.lower() != ".zarr" else [path]
    by_name: dict[str, Path] = {}
    for path in found:
        if not path.exists():
            raise DataError(f"There is no image {str(path)!r}.", "Check the path.")
        stem = image_stem(path)
        if by_name.setdefault(stem, path) != path:
            raise DataError(
                f"{str(by_name[stem])!r} and {str(path)!r} would both be written to '{stem}.tif'.",
                "Segment them into different folders.",
            )
    return list(by_name.values())


def _planned(
    images: Sequence[Path], out: Path, *, force: bool, skip_existing: bool, outlines: bool
) -> list[tuple[Path, Path]]:
    """Images with the files of their labels, without those to skip."""
    from napari_grd.io.names import image_stem

    plan = [(image, out / f"{image_stem(image)}.tif") for image in images]
    if any(image.resolve() == target.resolve() for image, target in plan):
        raise OutputError(f"The labels would overwrite the images in {str(out)!r}.", "Choose another --out folder.")
    if skip_existing:
        return [(image, target) for image, target in plan if not target.exists()]
    wanted = [path for _, target in plan for path in (target, *([_outline_path(target)] if outlines else []))]
    there = [path for path in wanted if path.exists()]
    if there and not force:
        raise OutputError(
            f"{len(there)} of the files to write exist, the first: {str(there[0])!r}.",
            "Use --force to overwrite, --skip-existing to go on, or another --out folder.",
        )
    return plan


def _iter_segment(
    model: "Model",
    plan: Sequence[tuple[Path, Path]],
    config: SegmentConfig,
    axes: str | None,
    corrections: "Corrections | None",
    outlines: bool,
    written: list[Path],
) -> Job[None]:
    import napari_grd
    from napari_grd.corrections.replay import iter_segment_corrected
    from napari_grd.inference.runtime import runtime_for
    from napari_grd.io.images import read_image, write_labels

    watch = Stopwatch("Segmenting images", len(plan))
    for done, (path, target) in enumerate(plan):
        yield watch.progress(done)
        try:
            read = read_image(path, axes=axes)
            image = read.pixels
            axes_of = read.axes if "z" in read.axes else read.axes.replace("t", "z")
            job = iter_segment_corrected(model, image, config, corrections=corrections, axes=axes_of)
            if len(plan) > 1:  # of many images, only how far the whole is
                whole = watch.progress(done)
                job = relay(job, lambda _event, whole=whole: whole)  # type: ignore[misc]
            labels = yield from job
        except GrdError as error:
            raise type(error)(f"{str(path)!r}: {error.problem}", error.remedy) from error
        runtime = runtime_for(model, config)
        metadata = {
            "program": f"napari-grd {napari_grd.__version__}",
            "model": model.card.name,
            "image": path.name,
            "runtime": runtime.name,
            "precision": runtime.precision,
            "config": config.model_dump(mode="json"),
        }
        written.append(write_labels(target, labels, metadata))
        yield Saved(target, kind="labels")
        if outlines:
            written.append(_write_outlines(_outline_path(target), image, labels, model, axes_of))
    yield watch.progress(len(plan))


def _outline_path(target: Path) -> Path:
    return target.with_name(f"{target.stem}-outlines.png")


def _write_outlines(path: Path, image: Any, labels: NDArray[Any], model: "Model", axes: str | None) -> Path:
    import numpy as np
    from PIL import Image

    from napari_grd.data.inputs import as_image
    from napari_grd.io.atomic import atomic_path
    from napari_grd.study.colours import overlay

    picture = overlay(as_image(image, axes, in_channels=model.config.in_channels), labels, fill=False)
    with atomic_path(path) as temporary:
        Image.fromarray(np.round(255 * picture).astype(np.uint8)).save(temporary)
    return path
