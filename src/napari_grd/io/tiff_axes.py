"""The channel axis of a TIFF that another program has read, from the head of the file."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tifffile

from napari_grd.io.names import TIFF, suffix_of
from napari_grd.io.tiff_metadata import ome_root

_IMAGEJ = ("frames", "slices", "channels")
_PLANAR = 2  # samples of a pixel in separate planes


@dataclass(frozen=True)
class StoredChannels:
    """The channels of an image in a file.

    Attributes
    ----------
    axis : int
        Their position among the axes of the pixels, without axes of length 1.
    shape : tuple of int
        Length of these axes.
    names : tuple of str
        One for each channel; may be empty.
    """

    axis: int
    shape: tuple[int, ...]
    names: tuple[str, ...]


def stored_channels(path: str | Path) -> StoredChannels | None:
    """The channel axis that an OME-TIFF or ImageJ hyperstack declares for its first image; None if there is none.

    Only the head of the file is read, once while it does not change.
    """
    path = Path(path)
    if suffix_of(path) not in TIFF:
        return None
    try:
        status = path.stat()
        return _stored(path, status.st_mtime_ns, status.st_size)
    except Exception:  # tifffile raises many types; whoever reads the pixels reports what is wrong
        return None


@functools.lru_cache(maxsize=64)
def _stored(path: Path, _changed: int, _size: int) -> StoredChannels | None:
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        if file.is_ome and file.ome_metadata:
            sizes, names = _ome_sizes(file.ome_metadata)
        elif file.is_imagej and file.imagej_metadata:
            metadata = file.imagej_metadata
            sizes = {axis: int(metadata.get(key, 1)) for axis, key in zip("TZC", _IMAGEJ, strict=True)}
            labels = metadata.get("Labels") or []
            alone = sizes["T"] == sizes["Z"] == 1 and len(labels) == sizes["C"]
            names = tuple(str(label).splitlines()[0] if label else "" for label in labels) if alone else ()
        else:
            return None
        if page.samplesperpixel > 1:
            if int(page.planarconfig) != _PLANAR:  # colors: the last axis
                return None
            sizes = {axis: size for axis, size in sizes.items() if axis != "C"} | {"C": int(page.samplesperpixel)}
        sizes |= {"Y": int(page.imagelength), "X": int(page.imagewidth)}
    axes = [axis for axis, size in sizes.items() if size > 1]
    if "C" not in axes:
        return None
    count = sizes["C"]
    return StoredChannels(
        axes.index("C"), tuple(sizes[axis] for axis in axes), names if len(names) == count else ("",) * count
    )


def _ome_sizes(described: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Length of the leading axes in their order, and names of channels."""
    image = ome_root(described).find("Image")
    pixels = None if image is None else image.find("Pixels")
    if pixels is None:
        return {}, ()
    order = reversed(pixels.get("DimensionOrder", "XYZCT")[2:])
    sizes = {axis: int(pixels.get(f"Size{axis}", "1")) for axis in order}
    return sizes, tuple(channel.get("Name", "") for channel in pixels.findall("Channel"))
