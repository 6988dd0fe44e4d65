"""Models by name, address or file: the built-in ones, those listed by the user, and files.

Importing this module does not import torch, so menus can list the names. Nothing is downloaded unless
:func:`fetch_model` is called.
"""

import os
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, Union
from urllib.parse import urlsplit

from platformdirs import user_config_path, user_data_path

from napari_grd.errors import ModelFileError
from napari_grd.io.download import BoundedDownloader, DownloadError
from napari_grd.io.names import MODEL_SUFFIX

if TYPE_CHECKING:
    from napari_grd.models.model import Model

STUDENT = "nuclei"
"""The built-in model that is used until another one is chosen."""

TEACHER = "nuclei-teacher"
"""The built-in model that is large enough to be a teacher."""

ONE_OBJECT = {"axons": "axons in electron microscopy", "yeast": "budding yeast in phase contrast"}
"""Built-in models of one kind of object. They are poor starts for any other: learning from corrections skips them."""

GENERALIST = "cells"
"""The built-in model of many kinds of objects. It is the start of learning unless another is clearly better."""

ModelLike: TypeAlias = Union["Model", str, Path]
"""A model, its name, or the path of its file: the argument of :func:`as_model`."""

VARIABLE = "NAPARI_GRD_MODELS"
"""Environment variable with the path of a list that replaces the one in the user's configuration folder."""

_MAX_LIST, _MAX_NAME = 1 << 20, 200  # bytes
_LINE = "Write one model per line: NAME  SHA256  https://ADDRESS"


def builtin_paths() -> dict[str, Path]:
    """Built-in models: name (the file's, without suffix) to file; the default first, the others by name.

    Examples
    --------
    >>> all(path.is_file() for path in builtin_paths().values())
    True
    """
    folder = Path(str(resources.files("napari_grd"))) / "builtin"
    paths = {path.name.removesuffix(MODEL_SUFFIX): path for path in folder.glob(f"*{MODEL_SUFFIX}")}
    return dict(sorted(paths.items(), key=lambda item: (item[0] != STUDENT, item[0])))


@dataclass(frozen=True)
class RemoteModel:
    """A model that can be downloaded.

    Attributes
    ----------
    name : str
        Name for :func:`napari_grd.api.load_model`.
    sha256 : str
        Checksum of the file, 64 hexadecimal digits.
    url : str
        Address, http or https.
    """

    name: str
    sha256: str
    url: str

    @property
    def path(self) -> Path:
        """Local path of the downloaded file; it depends on the checksum."""
        folder = user_data_path("napari-grd", appauthor=False) / "models" / self.sha256[:16]
        return folder / f"{self.name}{MODEL_SUFFIX}"

    @property
    def here(self) -> bool:
        """Whether it was downloaded."""
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
    One model per line, ``NAME SHA256 URL``; empty lines and lines that begin with ``#`` are ignored.
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
    models: dict[str, RemoteModel] = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.lstrip().startswith("#"):
            model = _parsed(line, f"line {number} of {str(path)!r}")
            if model.name in models or model.name in builtin_paths():
                raise ModelFileError(
                    f"The name {model.name!r} in line {number} of {str(path)!r} is taken.", "Choose another name."
                )
            models[model.name] = model
    return models


def fetch_model(name: str, progress: Any = False) -> Path:
    """Download a model from the address that the user listed for it.

    Parameters
    ----------
    name : str
        A name in the user's list of models, see :func:`remote_models`.
    progress : object, default False
        A progress bar for pooch: an object with ``total``, ``update(n)``, ``reset()`` and ``close()``.

    Returns
    -------
    Path
        The file, whose checksum was verified. A file that was downloaded before is not downloaded again.

    Raises
    ------
    ModelFileError
        If there is no such name, the address cannot be reached, or the file has another checksum.

    See Also
    --------
    load_model : Load the model by its name afterwards.

    Examples
    --------
    >>> fetch_model("not listed")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    napari_grd.errors.ModelFileError: '...models.txt' has no model named 'not listed'. ...
    """
    models = remote_models()
    if name not in models:
        listed = f"It lists: {', '.join(models)}." if models else _LINE
        raise ModelFileError(f"{str(list_path())!r} has no model named {name!r}.", listed)
    model = models[name]
    if model.here:
        return model.path
    import pooch  # slow, and rarely needed

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
            f"The file at {model.url} does not have the checksum in {str(list_path())!r}.",
            "Ask the provider of the address; do not use the file.",
        ) from error
    except OSError as error:
        raise ModelFileError(
            f"{str(model.path)!r} cannot be written ({error}).", "Free disk space, or check permissions."
        ) from error
    return model.path


def resolve_model(source: str | Path) -> Path:
    """The file of a model given by path, or by the name of a built-in or fetched model.

    Parameters
    ----------
    source : str or Path
        A known name refers to that model, even if a file of the same name exists: write ``"./name"`` for the file.

    Returns
    -------
    Path
        An existing file.

    Raises
    ------
    ModelFileError
        If there is no such file or name, or the model was not fetched yet; the message lists the names.

    Examples
    --------
    >>> resolve_model("nuclei").name
    'nuclei.grd.safetensors'
    """
    builtin = builtin_paths()
    if isinstance(source, str) and source in builtin:
        return builtin[source]
    path, remote = Path(source), remote_models()
    if isinstance(source, str) and source in remote:
        model = remote[source]
        if not model.here:
            raise ModelFileError(
                f"The model {source!r} was not fetched from {model.url} yet.", f"Run: napari-grd fetch {source}"
            )
        return model.path
    if path.is_file():
        return path
    raise ModelFileError(
        f"There is no built-in model and no file named {str(source)!r}.",
        f"Check the name or path. Models: {', '.join([*builtin, *remote])}.",
    )


def load_model(source: str | Path) -> "Model":
    """Load a built-in model by name, a model file, or a bioimage.io package that was exported from one.

    Parameters
    ----------
    source : str or Path
        ``"nuclei"`` or the name of another built-in model, the name of a model of :func:`fetch_model`, or the
        path of a ``.grd.safetensors`` file or of a ``.zip`` that :func:`napari_grd.export_model` wrote.

    Returns
    -------
    Model
        On the CPU, in evaluation mode.

    Raises
    ------
    ModelFileError
        If there is no such model, its file cannot be read, or the package is of another model: load that as a
        teacher.

    See Also
    --------
    builtin_models : The built-in models.
    save_model : Write a model file.
    load_teacher : Load a model of another program as a teacher.

    Examples
    --------
    >>> load_model("nuclei").config.in_channels
    1
    """
    # Both import torch.
    from napari_grd.io.bioimageio_package import read_package
    from napari_grd.io.model_file import read_model

    path = resolve_model(source)
    return read_package(path) if path.suffix == ".zip" else read_model(path)


def as_model(source: ModelLike) -> "Model":
    """Return a model as it is; load a name or file with :func:`load_model`.

    Raises
    ------
    ModelFileError
        If it is none of these, or cannot be loaded.
    """
    from napari_grd.models.model import Model  # imports torch

    if isinstance(source, Model):
        return source
    if isinstance(source, str | Path):
        return load_model(source)
    raise ModelFileError(
        f"A {type(source).__name__} is given as the model.",
        "Pass a model, its name or its file, before the image: segment('nuclei', image).",
    )


def _parsed(line: str, where: str) -> RemoteModel:
    parts = line.split()
    if len(parts) != 3:
        raise ModelFileError(f"There are {len(parts)} words in {where}.", _LINE)
    name, sha256, url = parts
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name) or len(name.encode()) > _MAX_NAME:
        raise ModelFileError(
            f"The name {name[:100]!r} in {where} is too long or has invalid characters.",
            "Use letters, digits, '.', '_', '-'.",
        )
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise ModelFileError(f"{sha256[:100]!r} in {where} is not a SHA-256 checksum.", "It has 64 hexadecimal digits.")
    try:
        address = urlsplit(url)
        good = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # invalid host in brackets, or a port that is not a number
        good = False
    if not good:
        raise ModelFileError(f"{url[:200]!r} in {where} is not an address.", "It begins with https://.")
    return RemoteModel(name, sha256.lower(), url)
