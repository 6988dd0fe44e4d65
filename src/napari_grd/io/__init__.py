"""Images and model files on disk."""
