"""Segmentation of images larger than memory, block by block, by one process or by many."""
