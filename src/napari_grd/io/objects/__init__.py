"""Objects of label images as files that other programs open: ImageJ, QuPath, COCO."""
