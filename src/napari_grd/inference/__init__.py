"""Running a model on an image of any size."""
