"""The napari plugin: the only package here that imports napari or Qt.

This file imports nothing, so that napari imports a command's module only when the command is called.
"""
