"""bioimage.io packages back in: those that napari-grd made hold the model itself."""

from pathlib import Path
from typing import Any

from napari_grd.errors import ModelFileError
from napari_grd.io.archive import Archive, open_archive
from napari_grd.io.builtin import SUFFIX
from napari_grd.io.model_file import load_model
from napari_grd.io.rdf import NAMES, find_description, read_description
from napari_grd.models import Model


def read_package(path: str | Path) -> Model:
    """The model in a bioimage.io package, as it was exported.

    Nothing in the package is run: the attached model file is read, which holds
    numbers only; TorchScript and ONNX are left alone.

    Parameters
    ----------
    path : str or Path
        A zip that :func:`napari_grd.export.bioimageio.package.write_package` wrote.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If it is no such package, it is damaged, or a file in it is not the one
        that is described; see :func:`napari_grd.io.archive.open_archive`.
    """
    path = Path(path)
    with open_archive(path) as archive:
        described, folder_name = _description(archive)
        own = _mapping(_mapping(described.get("config")).get("napari_grd")).get("model")
        if not _is_model(own):
            raise ModelFileError(
                f"{str(path)!r} is a bioimage.io package, but not of a model of napari-grd.",
                "It is a teacher: use load_teacher('bioimageio', source=...), and distil a student from it.",
            )
        name = f"{folder_name}{own}"
        if name not in archive.hashes:
            raise ModelFileError(
                f"The package {str(path)!r} lacks {name!r}, the model that it describes.", "Export the model again."
            )
        with archive.unpacked([name]) as folder:
            return load_model(folder / name)


def is_own_package(path: str | Path) -> bool:
    """Whether a bioimage.io package is one that :func:`read_package` gives a model of.

    Raises
    ------
    ModelFileError
        If it is no bioimage.io package, or is damaged.
    """
    with open_archive(path) as archive:
        described, _ = _description(archive)
    return _is_model(_mapping(_mapping(described.get("config")).get("napari_grd")).get("model"))


def _description(archive: Archive) -> tuple[dict[str, Any], str]:
    """The description, and the folder in the archive that its files lie in."""
    name = find_description(archive)
    if name is None:
        raise ModelFileError(
            f"{str(archive.path)!r} is a zip without {NAMES[0]}, so it is no bioimage.io package.",
            f"Choose a package, or a model file, which ends in {SUFFIX}.",
        )
    return read_description(archive, name), name.removesuffix(name.split("/")[-1])


def _is_model(name: Any) -> bool:
    return isinstance(name, str) and name.endswith(SUFFIX)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
