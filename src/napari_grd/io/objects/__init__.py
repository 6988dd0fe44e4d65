"""Export of objects in label images: ImageJ, QuPath, COCO."""
