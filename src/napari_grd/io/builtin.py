"""Models that come with the package. Naming them takes no torch, so menus can."""

from importlib import resources
from pathlib import Path

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
