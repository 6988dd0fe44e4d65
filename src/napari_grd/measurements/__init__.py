"""Numbers about objects: what each measures, and where a segmentation is wrong."""
