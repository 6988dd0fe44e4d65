"""Inference: runtimes, tiles, and segmentation."""
