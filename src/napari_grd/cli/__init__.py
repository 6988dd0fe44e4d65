"""The program ``napari-grd``."""

from napari_grd.cli.app import main

__all__ = ["main"]
