"""Reading bioimage.io packages: the description of any, and the model of those exported by napari-grd."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_grd import plain_yaml
from napari_grd.errors import ModelFileError
from napari_grd.io.archive import Archive, open_archive
from napari_grd.io.model_file import read_model
from napari_grd.io.names import MODEL_SUFFIX
from napari_grd.models.model import Model

NAMES = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
"""Names of the description, the best first."""

_REMEDY = "Ask for another copy, from a source you trust."


def find_description(archive: Archive) -> str | None:
    """The name of the description in an archive; None if there is none.

    It may be in a folder with all other files.
    """
    for wanted in NAMES:
        names = [name for name in archive.hashes if name.split("/")[-1] in (wanted, f"{wanted[:-5]}.bioimageio.yaml")]
        if names:
            return min(names, key=lambda name: (name.count("/"), name))
    return None


def is_zoo_package(path: Path) -> bool:
    """Whether a path looks like a package of the zoo: a zip, or a folder with a description; nothing is opened."""
    if path.is_dir():
        return any((path / name).is_file() for name in NAMES)
    return path.suffix.lower() == ".zip"


def read_description(archive: Archive, name: str) -> dict[str, Any]:
    """Parse a description and verify the digests of all files it names.

    Parameters
    ----------
    archive : Archive
        The package.
    name : str
        Name of the description.

    Returns
    -------
    dict
        Its content: dicts, lists, texts, numbers, None.

    Raises
    ------
    ModelFileError
        If it is not a YAML mapping, or expands to too much; if a file does not have its declared digest.
    """
    content = parse_yaml(archive.read(name), f"{name!r} in {str(archive.path)!r}")
    folder = name.removesuffix(name.split("/")[-1])
    archive.check_hashes({folder + local_name(source): digest for source, digest in declared_digests(content)})
    return content


def parse_yaml(text: bytes, what: str) -> dict[str, Any]:
    """Parse an untrusted YAML mapping.

    Raises
    ------
    ModelFileError
        If it is not a mapping, is too deep, or expands to too much; ``what`` names it.

    Examples
    --------
    >>> parse_yaml(b"eps: 1e-6\\ndate: 2020-01-01\\nsize: 3", "it")
    {'eps': 1e-06, 'date': '2020-01-01', 'size': 3}
    """
    try:
        content = plain_yaml.parse(text)
    except plain_yaml.YamlProblem as problem:
        raise ModelFileError(f"The description {what} {problem}.", _REMEDY) from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ModelFileError(f"The description {what} does not have one 'name: value' per line.", _REMEDY)
    return content


def declared_digests(content: Any) -> Iterator[tuple[str, str]]:
    """Each file in a description with its SHA-256."""
    if isinstance(content, list):
        for item in content:
            yield from declared_digests(item)
    if isinstance(content, dict):
        for source, digest in (("source", "sha256"), ("architecture", "architecture_sha256")):
            if isinstance(content.get(source), str) and isinstance(content.get(digest), str):
                yield content[source], content[digest]
        for item in content.values():
            yield from declared_digests(item)


def local_name(source: str) -> str:
    """The name of a file in the archive; format 0.4 appends a class name to it."""
    return re.sub(r"(\.py):\w+$", r"\1", source).removeprefix("./")


def read_package(path: str | Path) -> Model:
    """Read the model in an exported bioimage.io package.

    Nothing in the package is run: the attached model file is read, which contains numbers only; TorchScript and ONNX
    are not opened.

    Parameters
    ----------
    path : str or Path
        A zip that :func:`napari_grd.api.export_model` wrote.

    Returns
    -------
    Model

    Raises
    ------
    ModelFileError
        If it is not such a package, it is damaged, or a file does not have its declared digest; see
        :func:`napari_grd.io.archive.open_archive`.
    """
    path = Path(path)
    with open_archive(path) as archive:
        described, folder_name = _description(archive)
        own = _mapping(_mapping(described.get("config")).get("napari_grd")).get("model")
        if not _is_model(own):
            raise ModelFileError(
                f"{str(path)!r} is a bioimage.io package, but not of a model of napari-grd.",
                "It is a teacher: use load_teacher('bioimageio', source=...), and distill a student from it.",
            )
        name = f"{folder_name}{own}"
        if name not in archive.hashes:
            raise ModelFileError(
                f"The package {str(path)!r} lacks {name!r}, the model that it describes.", "Export the model again."
            )
        with archive.unpacked([name]) as folder:
            return read_model(folder / name)


def is_own_package(path: str | Path) -> bool:
    """Whether :func:`read_package` can read a model from a bioimage.io package.

    Raises
    ------
    ModelFileError
        If it is not a bioimage.io package, or is damaged.
    """
    with open_archive(path) as archive:
        described, _ = _description(archive)
    return _is_model(_mapping(_mapping(described.get("config")).get("napari_grd")).get("model"))


def _description(archive: Archive) -> tuple[dict[str, Any], str]:
    """The description, and the folder of its files in the archive."""
    name = find_description(archive)
    if name is None:
        raise ModelFileError(
            f"{str(archive.path)!r} is a zip without {NAMES[0]}, so it is not a bioimage.io package.",
            f"Choose a package, or a model file, which ends in {MODEL_SUFFIX}.",
        )
    return read_description(archive, name), name.removesuffix(name.split("/")[-1])


def _is_model(name: Any) -> bool:
    return isinstance(name, str) and name.endswith(MODEL_SUFFIX)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
