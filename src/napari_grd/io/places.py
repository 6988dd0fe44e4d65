"""Where things are kept that nobody chose a folder for."""

from pathlib import Path

from platformdirs import user_cache_path

PACKAGE = "napari-grd"


def default_cache_folder() -> Path:
    """Where teachers' answers are kept unless another folder was chosen; it may not exist yet."""
    return user_cache_path(PACKAGE, appauthor=False)
