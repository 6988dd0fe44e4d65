"""Segmentation that follows the eye: what is visible first, the rest when there is time. Free of Qt."""
