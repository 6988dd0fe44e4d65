"""Graph relation distillation: light instance segmentation, live in napari."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-grd")
except PackageNotFoundError:  # a source tree on sys.path, not installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
