"""Models that come with the package. Naming them takes no torch, so menus can."""

from importlib import resources
from pathlib import Path

from napari_grd.errors import ModelFileError

SUFFIX = ".grd.safetensors"
"""How the name of a model file ends."""

TEACHER = "nuclei-teacher"
"""The built-in model that is large enough to teach."""


def builtin_paths() -> dict[str, Path]:
    """Built-in models: name (the file's, without suffix) to file, sorted by name.

    Examples
    --------
    >>> all(path.is_file() for path in builtin_paths().values())
    True
    """
    folder = Path(str(resources.files("napari_grd"))) / "builtin"
    found = {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"*{SUFFIX}")}
    return dict(sorted(found.items()))


def resolve_model(source: str | Path) -> Path:
    """The file of a model that is named by a built-in name or by its path.

    Parameters
    ----------
    source : str or Path
        A string that is a built-in name means that model, even beside a file
        of the same name: write ``"./name"`` for that one.

    Returns
    -------
    Path
        An existing file.

    Raises
    ------
    ModelFileError
        If it is neither; the message lists the built-in names.
    """
    builtin = builtin_paths()
    if isinstance(source, str) and source in builtin:
        return builtin[source]
    path = Path(source)
    if path.is_file():
        return path
    names = f"Built-in models: {', '.join(builtin)}." if builtin else "There are no built-in models."
    raise ModelFileError(
        f"There is no built-in model and no file named {str(source)!r}.", f"Check the name or path. {names}"
    )
