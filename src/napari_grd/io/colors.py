"""Conversion to displayed pixels: palettes, transparency, and gray stored as RGB."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

TRANSPARENT = "Parts of the image are fully transparent: they are read as black."


def shown_palette(indices: Any, palette: NDArray[Any], *, ramp: bool) -> tuple[Any, bool, str | None]:
    """Convert an indexed image to its colors.

    Parameters
    ----------
    indices : array (*S) of unsigned integers
        numpy or dask.
    palette : (3, N) array
        Red, green and blue of each index; 16 bit as in TIFF, or 8 bit.
    ramp : bool
        Whether to keep the indices if the palette is a color ramp: ImageJ saves intensities with their look-up table.

    Returns
    -------
    pixels : array (*S) or (*S, 3)
        Gray values if all colors are gray.
    is_rgb : bool
        Whether the result is RGB.
    color : str or None
        The brightest color of a look-up table, as six hexadecimal digits.
    """
    colors = np.asarray(palette)
    if colors.dtype.itemsize > 1:
        colors = colors >> 8  # some write 256 times the byte, others 257 times
    colors = colors.astype(np.uint8)
    if ramp and _is_ramp(colors):
        return indices, False, None if _is_gray(colors) else "".join(f"{value:02X}" for value in colors[:, -1])
    used = np.unique(indices) if isinstance(indices, np.ndarray) else np.arange(colors.shape[1])
    used = used[used < colors.shape[1]]
    if _is_gray(colors[:, used]):
        return _looked_up(indices, colors[0]), False, None
    return _stacked([_looked_up(indices, color) for color in colors]), True, None


def without_alpha(pixels: Any, alpha: Any) -> tuple[Any, str]:
    """Colors ``(*S, n)`` or gray ``(*S)`` without their transparency ``(*S)``; fully transparent pixels become 0.

    Lazy arrays keep the colors under it. An image that is transparent everywhere is read as opaque: programs without
    support for transparency write that. The text is a note for the user, or empty.
    """
    if not isinstance(alpha, np.ndarray):
        return pixels, ""
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return pixels, ""
    pixels = pixels.copy()
    changed = bool(pixels[hidden].any())
    pixels[hidden] = 0
    return pixels, TRANSPARENT if changed else ""


def without_equal_colors(pixels: Any) -> tuple[Any, bool]:
    """One channel ``(*S)`` if the colors ``(*S, 3)`` are gray everywhere, and whether there still are three."""
    if isinstance(pixels, np.ndarray) and all(np.array_equal(pixels[..., 0], pixels[..., n]) for n in (1, 2)):
        return np.ascontiguousarray(pixels[..., 0]), False
    return pixels, True


def from_cmyk(pixels: Any) -> Any:
    """Red, green and blue of ``(*S, 4)`` printing inks, in the same type, unsigned."""
    most = float(np.iinfo(pixels.dtype).max)
    ink = pixels.astype(np.float32)
    light = (most - ink[..., :3]) * (most - ink[..., 3:]) / most
    return (light + 0.5).astype(pixels.dtype)


def _is_gray(colors: NDArray[np.uint8]) -> bool:
    return bool((colors == colors[:1]).all())


def _is_ramp(colors: NDArray[np.uint8]) -> bool:
    """Whether a higher index is never darker."""
    light = np.array([299, 587, 114]) @ colors.astype(np.int64)
    steps = np.diff(light)
    return bool((steps >= -2000).all() and light[-1] > light[0])  # tolerance for rounding


def _looked_up(indices: Any, values: NDArray[np.uint8]) -> Any:
    if isinstance(indices, np.ndarray):
        return np.take(values, indices, mode="clip")
    return indices.map_blocks(lambda block: np.take(values, block, mode="clip"), dtype=values.dtype)


def _stacked(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.stack(parts, axis=-1)
    import dask.array as da

    return da.stack(parts, axis=-1)
