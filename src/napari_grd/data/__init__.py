"""Patches, augmentation, normalisation and synthetic images."""
