"""Default folders."""

from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = "napari-grd"


def default_cache_folder() -> Path:
    """The default cache folder for teacher predictions; it may not exist yet."""
    return user_cache_path(PACKAGE, appauthor=False)
