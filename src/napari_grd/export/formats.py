"""Export of models in all formats."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from napari_grd.errors import ConfigError
from napari_grd.export.bioimageio.description import Author
from napari_grd.export.bioimageio.package import write_package
from napari_grd.export.onnx import write_onnx
from napari_grd.export.openvino import write_openvino
from napari_grd.hub import ModelLike, as_model

Format = Literal["bioimageio", "onnx", "openvino"]

SUFFIXES: dict[str, tuple[str, ...]] = {"bioimageio": (".zip",), "onnx": (".onnx",), "openvino": (".xml", ".zip", "")}
"""Valid suffixes by format; the first is added to a name without suffix, unless that is valid, too."""


def export_model(
    model: ModelLike,
    path: str | Path,
    format: Format = "bioimageio",
    *,
    int8: bool = False,
    image: Any = None,
    axes: str | None = None,
    authors: Sequence[Author] = (),
    cite: Sequence[Mapping[str, str]] = (),
    license: str | None = None,
) -> Path:
    """Export a model for other programs, atomically.

    Parameters
    ----------
    model : Model, str or Path
        A model, or its name or file, as for :func:`napari_grd.load_model`. Its network is not changed.
    path : str or Path
        The file: ``.zip`` for bioimageio, ``.onnx`` for onnx (both are added to a name without suffix); for openvino
        ``.xml`` (with ``.bin`` beside it), ``.zip``, or a new folder. An existing file is replaced.
    format : {"bioimageio", "onnx", "openvino"}
        The format, see :func:`~napari_grd.export.bioimageio.package.write_package`,
        :func:`~napari_grd.export.onnx.write_onnx` and
        :func:`~napari_grd.export.openvino.write_openvino`.
    int8 : bool, default False
        Quantize the network; for openvino and a calibrated model, see
        :func:`~napari_grd.inference.int8_calibration.calibrate_int8`.
    image, axes, authors, cite, license
        For bioimageio: an example image for test and cover and its axes, and entries of the description.

    Returns
    -------
    Path
        The written file or folder.

    Raises
    ------
    ConfigError
        If the format is unknown, the path has another suffix, or an option
        belongs to another format.
    GrdError
        If an optional package is missing; the message names it.
    OutputError
        If the network cannot be exported or the file cannot be written.

    See Also
    --------
    save_model : Write a model file for this package.
    load_model : Load an exported bioimage.io package.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     export_model("nuclei", Path(folder) / "mine", "onnx").name
    'mine.onnx'
    """
    path, model = _checked_path(path, format), as_model(model)
    described = {"image": image, "axes": axes, "authors": authors, "cite": cite, "license": license}
    given = [name for name, value in described.items() if value is not None and not _is_empty(value)]
    if given and format != "bioimageio":
        raise ConfigError(f"A file for {format} does not take {given[0]}.", "Leave it out, or use format 'bioimageio'.")
    if int8 and format != "openvino":
        raise ConfigError(f"int8 is not there for format {format!r}.", "Use format 'openvino', or leave int8 out.")
    if format == "onnx":
        return write_onnx(model, path)
    if format == "openvino":
        return write_openvino(model, path, int8=int8)
    return write_package(model, path, image=image, axes=axes, authors=authors, cite=cite, license=license)


def _checked_path(path: str | Path, format: str) -> Path:
    if format not in get_args(Format):
        raise ConfigError(f"There is no export format {format!r}.", f"Choose one of: {', '.join(get_args(Format))}.")
    path, suffixes = Path(path), SUFFIXES[format]
    if path.suffix not in ("", *suffixes):
        endings = " or ".join(filter(None, suffixes))
        raise ConfigError(
            f"The name {path.name!r} does not end as a file for {format} does.", f"Choose one that ends in {endings}."
        )
    return path if path.suffix in suffixes else path.with_name(path.name + suffixes[0])


def _is_empty(value: Any) -> bool:
    return isinstance(value, tuple | list) and not value
