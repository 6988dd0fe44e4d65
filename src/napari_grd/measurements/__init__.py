"""Measurements of objects, and evaluation of segmentations."""
