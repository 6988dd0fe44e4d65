"""Corrections of a segmentation: records, files, conversion to graph constraints and training labels."""
