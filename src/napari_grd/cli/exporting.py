"""The verbs that prepare a model for elsewhere: export, calibrate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_grd.cli.monitor import run
from napari_grd.cli.output import print_files
from napari_grd.errors import ConfigError, OutputError
from napari_grd.jobs import Job

if TYPE_CHECKING:
    from napari_grd.models import Model

_BY_SUFFIX = {".zip": "bioimageio", ".onnx": "onnx", ".xml": "openvino"}

Source = Annotated[str, typer.Argument(help="A model file, or the name of a built-in model.")]
Axes = Annotated[str | None, typer.Option(help="Axes of the images. \\[default: from the model and the file]")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite a file that exists.")]


def export(
    model: Source,
    out: Annotated[Path, typer.Argument(help="The file to write: .zip, .onnx or .xml; openvino also makes folders.")],
    format: Annotated[
        str | None, typer.Option(help="bioimageio, onnx or openvino. \\[default: from the name of the file]")
    ] = None,
    int8: Annotated[
        Path | None, typer.Option(help="For openvino: quantize, calibrated on the images of this folder.")
    ] = None,
    image: Annotated[Path | None, typer.Option(help="For bioimageio: an example for test and cover.")] = None,
    axes: Axes = None,
    author: Annotated[list[str] | None, typer.Option(help="For bioimageio: who made it; repeatable.")] = None,
    license: Annotated[
        str | None, typer.Option(help="For bioimageio: SPDX identifier. \\[default: the card's]")
    ] = None,
    force: Force = False,
) -> None:
    """Write a model for other programs: a bioimage.io package, ONNX or OpenVINO."""
    chosen = format or _BY_SUFFIX.get(out.suffix)
    if chosen is None:
        raise ConfigError(
            f"The name {out.name!r} does not tell a format.", "Let it end in .zip, .onnx or .xml, or give --format."
        )
    _check_free(out, force)

    import napari_grd.api as grd
    from napari_grd.io.images import read_image

    loaded = grd.load_model(model)
    if int8 is not None:
        loaded = run(_iter_calibrate(loaded, int8, axes))
    options: dict[str, Any] = {"image": None, "authors": author or ()}
    if image is not None:
        example = read_image(image, axes=axes)
        options |= {"image": example.pixels, "axes": example.axes}
    options["license"] = license
    print_files([grd.export_model(loaded, out, chosen, int8=int8 is not None, **options)])  # type: ignore[arg-type]


def calibrate_int8(
    model: Source,
    images: Annotated[Path, typer.Argument(help="Folder of images as they will be segmented.")],
    out: Annotated[Path, typer.Option(help="Where the calibrated model goes.")],
    axes: Axes = None,
    force: Force = False,
) -> None:
    """Show a model some images, so that it can be run with --precision int8."""
    _check_free(out, force)

    import napari_grd.api as grd

    print_files([grd.save_model(run(_iter_calibrate(grd.load_model(model), images, axes)), out)])


def _iter_calibrate(model: "Model", folder: Path, axes: str | None) -> Job["Model"]:
    from napari_grd.inference.int8_calibration import PATCHES, calibrate_int8
    from napari_grd.io.folders import iter_read

    found = yield from iter_read(folder, axes, most=PATCHES)
    return calibrate_int8(model, found.images, axes=found.axes)


def _check_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise OutputError(f"{str(path)!r} exists already.", "Use --force to overwrite it, or choose another name.")
