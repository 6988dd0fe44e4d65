"""Reading the description in a package of the bioimage.io zoo, whoever wrote it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_grd import plain_yaml
from napari_grd.errors import ModelFileError
from napari_grd.io.archive import Archive

NAMES = ("bioimageio.yaml", "rdf.yaml", "model.yaml")
"""Names of the description, the best first."""

_REMEDY = "Ask for another copy, from a source you trust."


def find_description(archive: Archive) -> str | None:
    """The name of the description in an archive; None if there is none.

    It may lie in a folder that holds everything else.
    """
    for wanted in NAMES:
        found = [name for name in archive.hashes if name.split("/")[-1] in (wanted, f"{wanted[:-5]}.bioimageio.yaml")]
        if found:
            return min(found, key=lambda name: (name.count("/"), name))
    return None


def is_zoo_package(path: Path) -> bool:
    """Whether a path looks like a package of the zoo: a zip, or a folder with a description; nothing is opened."""
    if path.is_dir():
        return any((path / name).is_file() for name in NAMES)
    return path.suffix.lower() == ".zip"


def read_description(archive: Archive, name: str) -> dict[str, Any]:
    """Parse a description and compare all files it names with the digests it declares.

    Parameters
    ----------
    archive : Archive
        The package.
    name : str
        Of the description.

    Returns
    -------
    dict
        Its content: dicts, lists, texts, numbers, None.

    Raises
    ------
    ModelFileError
        If it is no YAML mapping, or expands to too much; if a file is not the one that is described.
    """
    content = parse_yaml(archive.read(name), f"{name!r} in {str(archive.path)!r}")
    folder = name.removesuffix(name.split("/")[-1])
    archive.check_hashes({folder + local_name(source): digest for source, digest in declared_digests(content)})
    return content


def parse_yaml(text: bytes, what: str) -> dict[str, Any]:
    """A YAML mapping from a stranger.

    Raises
    ------
    ModelFileError
        If it is none, is too deep, or expands to too much; ``what`` names it.

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
        raise ModelFileError(f"The description {what} does not hold one 'name: value' a line.", _REMEDY)
    return content


def declared_digests(content: Any) -> Iterator[tuple[str, str]]:
    """Each file that a description names with its SHA-256."""
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
    """A file as the archive names it; format 0.4 appends the name of a class to that of its file."""
    return re.sub(r"(\.py):\w+$", r"\1", source).removeprefix("./")
