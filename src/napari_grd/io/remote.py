"""Models that lie at an address the user wrote down. Nothing is fetched unless it is asked for."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path

from napari_grd.errors import ModelFileError
from napari_grd.io.builtin import SUFFIX, builtin_paths
from napari_grd.io.download import BoundedDownloader, DownloadError

VARIABLE = "NAPARI_GRD_MODELS"
"""Environment variable that names another list than the one in the user's configuration folder."""

_MAX_LIST, _MAX_NAME = 1 << 20, 200  # bytes
_LINE = "Write one model a line: NAME  SHA256  https://ADDRESS"


@dataclass(frozen=True)
class RemoteModel:
    """A model to be fetched.

    Attributes
    ----------
    name : str
        What :func:`napari_grd.api.load_model` will take.
    sha256 : str
        Of the file, 64 hexadecimal digits.
    url : str
        Where it is, http or https.
    """

    name: str
    sha256: str
    url: str

    @property
    def path(self) -> Path:
        """Where it is kept once it was fetched; another version has another place."""
        folder = user_data_path("napari-grd", appauthor=False) / "models" / self.sha256[:16]
        return folder / f"{self.name}{SUFFIX}"

    @property
    def here(self) -> bool:
        """Whether it was fetched."""
        return self.path.is_file()


def list_path() -> Path:
    """The file in which a user lists models and their addresses; it need not exist."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else user_config_path("napari-grd", appauthor=False) / "models.txt"


def remote_models() -> dict[str, RemoteModel]:
    """The models that the user listed, by name.

    Returns
    -------
    dict of str to RemoteModel
        Empty without a list.

    Raises
    ------
    ModelFileError
        If the list cannot be read, or a line of it is not a name, a checksum and an address.

    Notes
    -----
    One model a line, ``NAME SHA256 URL``; empty lines and lines that begin with ``#`` are left out.
    """
    path = list_path()
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_LIST + 1)
        if len(content) > _MAX_LIST:
            raise ValueError(f"it is longer than {_MAX_LIST} bytes")
        lines = content.decode("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelFileError(f"The list of models {str(path)!r} cannot be read ({error}).", _LINE) from error
    found: dict[str, RemoteModel] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            model = _parsed(line, f"line {number} of {str(path)!r}")
            if model.name in found or model.name in builtin_paths():
                raise ModelFileError(
                    f"The name {model.name!r} in line {number} of {str(path)!r} is taken.", "Choose another name."
                )
            found[model.name] = model
    return found


def fetch_model(name: str, progress: Any = False) -> Path:
    """Fetch a model from the address that the user wrote down for it.

    Parameters
    ----------
    name : str
        One of :func:`remote_models`.
    progress : object, default False
        What pooch shows progress with: an object with ``total``, ``update(n)``, ``reset()`` and ``close()``.

    Returns
    -------
    Path
        The file, whose checksum is right. One that is here already is not fetched again.

    Raises
    ------
    ModelFileError
        If there is no such model, it cannot be reached, or the file is another one than was listed.
    """
    known = remote_models()
    if name not in known:
        listed = f"It lists: {', '.join(known)}." if known else _LINE
        raise ModelFileError(f"{str(list_path())!r} has no model named {name!r}.", listed)
    model = known[name]
    if model.here:
        return model.path
    import pooch  # takes a moment, and few fetch anything

    pooch.get_logger().setLevel("WARNING")
    try:
        pooch.retrieve(
            model.url,
            f"sha256:{model.sha256}",
            fname=model.path.name,
            path=model.path.parent,
            downloader=BoundedDownloader(progress),
        )
    except DownloadError as error:
        raise ModelFileError(f"{model.url} cannot be reached ({error}).", "Try again, or check the address.") from error
    except ValueError as error:  # pooch has deleted the file
        raise ModelFileError(
            f"What lies at {model.url} is not the file whose checksum is in {str(list_path())!r}.",
            "Ask whoever gave you the address; do not use the file.",
        ) from error
    except OSError as error:
        raise ModelFileError(f"{str(model.path)!r} cannot be written ({error}).", "Make room, or allow it.") from error
    return model.path


def _parsed(line: str, where: str) -> RemoteModel:
    parts = line.split()
    if len(parts) != 3:
        raise ModelFileError(f"There are {len(parts)} words in {where}.", _LINE)
    name, sha256, url = parts
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name) or len(name.encode()) > _MAX_NAME:
        raise ModelFileError(
            f"The name {name[:100]!r} in {where} has odd characters, or too many.",
            "Use letters, digits, '.', '_', '-'.",
        )
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ModelFileError(f"{sha256[:100]!r} in {where} is no SHA-256 checksum.", "It has 64 hexadecimal digits.")
    try:
        address = urlsplit(url)
        good = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # of a host in brackets that is none, or a port that is no number
        good = False
    if not good:
        raise ModelFileError(f"{url[:200]!r} in {where} is no address.", "It begins with https://.")
    return RemoteModel(name, sha256.lower(), url)
