"""Reading and writing of images, labels, tables and model files."""
