"""Models of the bioimage.io zoo as teachers."""
