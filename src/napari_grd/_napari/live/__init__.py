"""The Live widget: segments the visible part of an image."""
