"""Live segmentation: the visible part first, the rest in idle time. Free of Qt."""
