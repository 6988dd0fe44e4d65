"""Scores of a segmentation against a reference, for label images of any dimension (method.md, section 13)."""
