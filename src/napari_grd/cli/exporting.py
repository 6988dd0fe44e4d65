"""The commands that prepare a model for other programs or int8: export, calibrate-int8."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_grd.cli.monitor import run
from napari_grd.cli.output import print_files
from napari_grd.errors import ConfigError, OutputError
from napari_grd.jobs import Job

if TYPE_CHECKING:
    from napari_grd.models.model import Model

_BY_SUFFIX = {".zip": "bioimageio", ".onnx": "onnx", ".xml": "openvino"}

Source = Annotated[str, typer.Argument(help="A model file, or the name of a built-in model.")]
Axes = Annotated[str | None, typer.Option(help="Axes of the images. \\[default: from the model and the file]")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]


def export(
    model: Source,
    out: Annotated[Path, typer.Argument(help="The output file: .zip, .onnx or .xml; for openvino also a folder.")],
    format: Annotated[
        str | None, typer.Option(help="bioimageio, onnx or openvino. \\[default: from the file name]")
    ] = None,
    int8: Annotated[
        Path | None, typer.Option(help="For openvino: quantize to int8, calibrated on the images in this folder.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="For bioimageio: example image for the test and the cover.")
    ] = None,
    axes: Axes = None,
    author: Annotated[list[str] | None, typer.Option(help="For bioimageio: author; repeatable.")] = None,
    license: Annotated[
        str | None, typer.Option(help="For bioimageio: SPDX identifier. \\[default: the card's]")
    ] = None,
    force: Force = False,
) -> None:
    """Export a model as a bioimage.io package, ONNX or OpenVINO."""
    chosen = format or _BY_SUFFIX.get(out.suffix)
    if chosen is None:
        raise ConfigError(
            f"The format of {out.name!r} is unknown.", "Use the suffix .zip, .onnx or .xml, or give --format."
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
    images: Annotated[Path, typer.Argument(help="Folder of images like those to be segmented.")],
    out: Annotated[Path, typer.Option(help="The file of the calibrated model.")],
    axes: Axes = None,
    force: Force = False,
) -> None:
    """Calibrate a model on images, so that it can be run with --precision int8."""
    _check_free(out, force)

    import napari_grd.api as grd

    print_files([grd.save_model(run(_iter_calibrate(grd.load_model(model), images, axes)), out)])


def _iter_calibrate(model: "Model", folder: Path, axes: str | None) -> Job["Model"]:
    from napari_grd.inference.int8_calibration import PATCHES, calibrate_int8
    from napari_grd.io.folders import iter_read

    dataset = yield from iter_read(folder, axes, most=max(PATCHES.values()))
    return calibrate_int8(model, dataset.images, axes=dataset.axes)


def _check_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise OutputError(f"{str(path)!r} exists already.", "Use --force to overwrite it, or choose another name.")
