"""bioimage.io packages back in: those that napari-grd made hold the model itself."""

from pathlib import Path
from typing import Any

import yaml

from napari_grd.errors import ModelFileError
from napari_grd.io.archive import Archive, open_archive
from napari_grd.io.builtin import SUFFIX
from napari_grd.io.model_file import load_model
from napari_grd.models import Model

_DESCRIPTIONS = ("bioimageio.yaml", "rdf.yaml", "model.yaml")


def read_package(path: str | Path) -> Model:
    """The model in a bioimage.io package, as it was exported.

    Nothing in the package is run: the attached model file is read, which holds
    numbers only; TorchScript and ONNX are left alone.

    Parameters
    ----------
    path : str or Path
        A zip that :func:`napari_grd.export.bioimageio.write_package` wrote.

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
        described = _description(archive)
        own = _mapping(_mapping(described.get("config")).get("napari_grd"))
        name = own.get("model")
        if not isinstance(name, str) or not name.endswith(SUFFIX):
            raise ModelFileError(
                f"{str(path)!r} is a bioimage.io package, but not of a model of napari-grd.",
                "It is a teacher: use load_teacher('bioimageio', source=...), and distil a student from it.",
            )
        if name not in archive.hashes:
            raise ModelFileError(
                f"The package {str(path)!r} lacks {name!r}, the model that it describes.", "Export the model again."
            )
        archive.check_hashes(_hashes(described))
        with archive.unpacked([name]) as folder:
            return load_model(folder / name)


def _description(archive: Archive) -> dict[str, Any]:
    name = next((name for name in _DESCRIPTIONS if name in archive.hashes), None)
    if name is None:
        raise ModelFileError(
            f"{str(archive.path)!r} is a zip without {_DESCRIPTIONS[0]}, so it is no bioimage.io package.",
            f"Choose a package, or a model file, which ends in {SUFFIX}.",
        )
    try:
        found = yaml.safe_load(archive.read(name))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{name!r} in {str(archive.path)!r} cannot be read ({str(error)[:200]}).", "Download the package again."
        ) from error
    return _mapping(found)


def _hashes(described: dict[str, Any]) -> dict[str, str]:
    attachments = described.get("attachments")
    entries = [_mapping(entry) for entry in attachments] if isinstance(attachments, list) else []
    return {
        entry["source"]: entry["sha256"]
        for entry in entries
        if isinstance(entry.get("source"), str) and isinstance(entry.get("sha256"), str)
    }


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
