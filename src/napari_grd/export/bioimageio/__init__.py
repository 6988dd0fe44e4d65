"""Export to bioimage.io packages, and import of those that this package exported."""
