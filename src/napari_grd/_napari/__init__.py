"""The napari plugin: the only package here that imports napari or Qt.

Nothing is imported in this file, so that napari reads a command's module only
when the command is called.
"""
