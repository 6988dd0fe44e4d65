"""Where the corrections of an image are kept."""

import os
import re
from pathlib import Path

import numpy as np
from napari.layers import Image
from platformdirs import user_data_path

from napari_grd.corrections.files import SUFFIX
from napari_grd.corrections.image import ImageRef
from napari_grd.data.fingerprint import image_key

_FOLDER = "corrections"
_LARGEST = 1 << 30  # bytes of an image that is read to the end


def file_of(image: Image) -> Path | None:
    """The file or folder that a layer was opened from; None if there is none on this machine."""
    source = image.source.path
    if not isinstance(source, str | Path) or not str(source):
        return None
    path = Path(source)
    return path if path.exists() else None


def corrections_file(image: Image, ref: ImageRef) -> tuple[Path, str]:
    """A path beside the image, or, where that cannot be, in the user's folder for data, and why; the folder exists."""
    path = file_of(image)
    if path is not None and os.access(path.parent, os.W_OK):
        return path.with_name(path.stem + SUFFIX), ""
    why = "The image is not a file on this machine." if path is None else "The image's folder cannot be written to."
    folder = user_data_path("napari-grd", appauthor=False) / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    # Two images may have one name.
    mark = ref.key[:12] if ref.key is not None else "x".join(map(str, ref.shape))
    name = re.sub(r"[^\w.-]+", "_", image.name)[:80]
    return folder / f"{name}-{mark}{SUFFIX}", why


def reference(image: Image, shape: tuple[int, ...], axes: str) -> ImageRef:
    """What identifies an image: a hash of all its pixels, or, beyond a gigabyte, name and shape.

    Shape and axes are those of its labels.
    """
    data = image.data[0] if image.multiscale else image.data
    path = file_of(image)
    name = image.name if path is None else path.name
    size = int(np.prod(data.shape)) * np.dtype(data.dtype).itemsize
    return ImageRef(shape, axes, name, image_key(np.asarray(data)) if size <= _LARGEST else None)
