"""The program ``napari-grd``."""
