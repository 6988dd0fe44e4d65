"""Patches, augmentation, normalization and synthetic images."""
