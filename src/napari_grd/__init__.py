"""Graph relation distillation: light instance segmentation, live in napari.

``import napari_grd as grd`` offers every name of :mod:`napari_grd.api`. A name is imported when it is first used,
so that importing the package imports neither torch nor napari nor Qt.
"""

from importlib.metadata import PackageNotFoundError, version

import lazy_loader

try:
    __version__ = version("napari-grd")
except PackageNotFoundError:  # a source tree on sys.path, not installed
    __version__ = "0+unknown"

# The names are listed in __init__.pyi, where type checkers and editors find them, too.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
