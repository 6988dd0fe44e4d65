"""PNG, JPEG and similar formats, as displayed by viewers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from napari_grd.errors import DataError
from napari_grd.io.colors import shown_palette, without_alpha, without_equal_colors

_GRAY = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_LARGE, _RATIO = 1 << 28, 1100  # samples, and samples per byte: deflate, the densest lossless code, reaches 1032
_COLORED = {"RGB": 3, "RGBA": 4, "LA": 2, "La": 2, "RGBa": 4}


@dataclass(frozen=True)
class Photo:
    """The image in a file.

    Attributes
    ----------
    pixels : ndarray (h, w), (h, w, 3) or (frames, h, w[, 3])
        Gray, or red, green and blue.
    letters : str
        Its axes: ``s`` for colors, ``t`` for frames.
    is_rgb : bool
        Whether there are colors.
    notes : tuple of str
        Messages for the user.
    """

    pixels: NDArray[Any]
    letters: str
    is_rgb: bool
    notes: tuple[str, ...] = ()


def read_photo(path: Path, *, shown: bool = True) -> Photo:
    """Read an image.

    Parameters
    ----------
    path : Path
        A file of a format that Pillow supports.
    shown : bool, default True
        Whether an indexed image is converted to its colors; else its indices are returned, as for label images.
    """
    with _of_any_size(), Image.open(path) as file:
        frames = getattr(file, "n_frames", 1) if file.format in ("GIF", "WEBP", "PNG", "TIFF") else 1
        _check_size(path, file, frames)
        deep = _sixteen_bit_png(path)
        if deep is not None:
            parts = [_finished(turn(deep, file.getexif().get(0x0112, 1)), deep.shape[2] if deep.ndim == 3 else 1)]
        else:
            parts = []
            for frame in range(frames):
                file.seek(frame)
                parts.append(_frame(file, shown))
    if len(parts) == 1:
        pixels, is_rgb, note = parts[0]
        return Photo(pixels, "yxs" if is_rgb else "yx", is_rgb, (note,) if note else ())
    is_rgb = any(part[1] for part in parts)
    pixels = np.stack([_as_rgb(part[0]) if is_rgb and not part[1] else part[0] for part in parts])
    return Photo(
        pixels, "tyxs" if is_rgb else "tyx", is_rgb, tuple(dict.fromkeys(part[2] for part in parts if part[2]))
    )


def _check_size(path: Path, file: Any, frames: int) -> None:
    """Reject an image whose declared size is far larger than its data allow."""
    samples = len(file.getbands()) * file.width * file.height * frames
    size = path.stat().st_size
    if samples > _LARGE and samples > _RATIO * size:
        raise DataError(
            f"{str(path)!r} has {size} bytes, but declares {frames} x {file.width} x {file.height} pixels.",
            "It is damaged, or malicious: do not use it, or store it again as a TIFF.",
        )


@contextmanager
def _of_any_size() -> Iterator[None]:
    """Pillow treats images above 90 megapixels as attacks, but slides are that large."""
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = most


def _frame(file: Any, shown: bool) -> tuple[NDArray[Any], bool, str]:
    image: Any = ImageOps.exif_transpose(file)
    if image.mode in ("P", "PA"):
        indices = np.asarray(image.getchannel(0) if image.mode == "PA" else image)
        if not shown:
            return indices, False, ""
        palette = np.asarray(image.getpalette("RGB"), np.uint8).reshape(-1, 3).T
        pixels, is_rgb, _ = shown_palette(indices, palette, ramp=False)
        note = ""
        if image.mode == "PA" or "transparency" in image.info:
            pixels, note = without_alpha(pixels, np.asarray(image.convert("RGBA"))[..., 3])
        return pixels, is_rgb, note
    if image.mode in _GRAY:
        return np.asarray(image), False, ""
    if image.mode not in _COLORED:  # CMYK, YCbCr, LAB, HSV
        image = image.convert("RGB")
    return _finished(np.asarray(image), _COLORED[image.mode])


def _finished(pixels: NDArray[Any], samples: int) -> tuple[NDArray[Any], bool, str]:
    """Drop alpha; reduce to one channel if gray."""
    note = ""
    if samples in (2, 4):
        pixels, note = without_alpha(pixels[..., :-1], pixels[..., -1])
    if samples == 2:
        pixels = pixels[..., 0]
    if samples < 3:
        return np.ascontiguousarray(pixels.reshape(pixels.shape[:2])), False, note
    pixels, is_rgb = without_equal_colors(pixels)
    return pixels, is_rgb, note


def _as_rgb(pixels: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(pixels[..., None], 3, axis=-1)


def _sixteen_bit_png(path: Path) -> NDArray[Any] | None:
    """Pixels of a PNG with 16 bits and several samples, which Pillow would reduce to 8 bits."""
    with path.open("rb") as file:
        head = file.read(26)
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 26 or head[24] != 16 or head[25] == 0:
        return None
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def turn(pixels: Any, orientation: int, y: int = 0, x: int = 1) -> Any:
    """Rotate and flip by the orientation of EXIF and TIFF (1 to 8); ``y`` and ``x`` are the axes of the plane."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(y, x)
    flipped = {2: (x,), 3: (y, x), 4: (y,), 6: (x,), 7: (y, x), 8: (y,)}.get(orientation, ())
    index = tuple(slice(None, None, -1) if axis in flipped else slice(None) for axis in range(pixels.ndim))
    return pixels[index] if flipped else pixels
