"""Running a model on images: runtimes, tiles, and from pixels to labels."""
