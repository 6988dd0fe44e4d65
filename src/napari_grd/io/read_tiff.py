"""Images in TIFF files: OME-TIFF, ImageJ hyperstacks, and all others."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import DataError
from napari_grd.io.colors import from_cmyk, shown_palette, without_alpha, without_equal_colors
from napari_grd.io.image_data import Channel, ImageData, Pick
from napari_grd.io.layout import AxesGuess, lay_out
from napari_grd.io.lazy import lazy_array
from napari_grd.io.names import image_name, named, series_names
from napari_grd.io.read_photo import read_photo, turn
from napari_grd.io.tiff_file import OpenTiff, TiffImage, open_tiff
from napari_grd.io.tiff_metadata import channels_of, steps_of

_ALPHA = (1, 2)  # values of the tag ExtraSamples


@dataclass(frozen=True)
class _Shown:
    pixels: Any
    letters: str
    is_rgb: bool = False
    color: str | None = None
    notes: tuple[str, ...] = ()
    sure: bool = True


def list_tiff(path: Path) -> tuple[str, ...]:
    """Names of the images in a TIFF."""
    with open_tiff(path) as opened:
        return series_names([image.name for image in opened.images])


def read_tiff(path: Path, pick: Pick, *, axes: str | None, lazy_bytes: int, shown: bool = True) -> ImageData:
    """Read one image of a TIFF.

    Parameters
    ----------
    path : Path
        The file.
    pick : callable
        Maps the names of :func:`list_tiff` to the index of the image.
    axes : str or None
        Its axes, if not those of the file.
    lazy_bytes : int
        Above this size the pixels are a lazy dask array.
    shown : bool, default True
        Whether palettes are converted to colors, and white-is-zero is inverted; not for label images.

    Raises
    ------
    DataError
        If planes are missing, or the axes do not fit.
    """
    with open_tiff(path) as opened:
        series = pick(series_names([image.name for image in opened.images]))
        lazy = opened.images[series].series.nbytes > lazy_bytes
        return _read(path, series, opened, axes, lazy=lazy, shown=shown)


def _read(path: Path, series: int, opened: OpenTiff, axes: str | None, *, lazy: bool, shown: bool) -> ImageData:
    image = opened.images[series]
    _check_whole(opened, image, path)
    # Given axes determine whether samples are colors: three planes of a stack may be declared as RGB.
    raw = axes is not None and "c" not in axes.lower() and image.series.keyframe.planarconfig == 2
    content = _Shown(*_stored(path, image.series, lazy)) if raw else _pixels(path, image, lazy, shown)
    content, notes = _without_missing(content, image.series, opened, path)
    if opened.missing and not notes:
        notes = (f"{len(opened.missing)} of the files that {path.name} belongs to are missing, none of this image.",)
    orientation = int(image.series.keyframe.tags.valueof("Orientation", 1) or 1)
    y, x = content.letters.index("y"), content.letters.index("x")
    laid = lay_out(turn(content.pixels, orientation, y, x), content.letters, axes, path.name)
    steps = steps_of(opened.file, image.series, image.number)
    count = laid.pixels.shape[laid.axes.index("c")] if "c" in laid.axes else 1
    channels = channels_of(opened.file, image.series, image.number, count)
    if content.is_rgb:
        channels = (Channel(),) * count
    elif content.color is not None and count == 1:
        channels = (Channel(channels[0].name, content.color),)
    names = series_names([series_image.name for series_image in opened.images])
    return ImageData(
        pixels=laid.pixels,
        axes=laid.axes,
        calibration=steps.calibration(laid.axes),
        channels=channels,
        name=image_name(path, series, names),
        path=path,
        series=series,
        series_names=names,
        is_rgb=content.is_rgb and count == 3,
        axes_known=laid.axes_known and (content.sure or axes is not None),
        notes=tuple(note for note in (*opened.notes, *content.notes, *notes, *_log(opened, path), laid.note) if note),
    )


def _check_whole(opened: OpenTiff, image: TiffImage, path: Path) -> None:
    """Reject a truncated ImageJ hyperstack with one page for all planes: only one plane would be read."""
    description = (opened.file.imagej_metadata or {}) if opened.file.is_imagej else {}
    if description.get("images", 1) == 1 or image.series.kind == "imagej" or len(opened.file.pages) > 1:
        return
    page = image.series.keyframe
    if opened.file.filehandle.size - page.dataoffsets[0] >= 2 * page.nbytes:
        raise DataError(
            f"{str(path)!r} is cut off: it declares {description['images']} planes.", "Copy it again, or exclude it."
        )


def _check_segments(path: Path, series: Any) -> None:
    """Reject pages with missing data: the rest would be black."""
    page = series.keyframe
    needed = page.size * page.bitspersample // 8
    cut = page.is_contiguous and needed > page.parent.filehandle.size
    if cut or (not page.is_contiguous and len(page.dataoffsets) < int(np.prod(page.chunked))):
        size = f"{page.imagewidth} x {page.imagelength} pixels"
        raise DataError(
            f"{str(path)!r} is cut off or damaged: a page of {size} is incomplete.", "Copy it again, or exclude it."
        )


def _log(opened: OpenTiff, path: Path) -> list[str]:
    """Problems logged by tifffile that were not reported otherwise."""
    problems = [text for text in opened.log if not (opened.missing and "failed to read" in text)]
    return [f"{path.name} has problems: {named(problems, 2)}."] if problems else []


def _stored(path: Path, series: Any, lazy: bool) -> tuple[Any, str]:
    """Pixels as stored, with the letters of their axes."""
    _check_segments(path, series)
    letters = str(series.axes).lower()
    if not lazy:
        pixels = series.asarray()
        return np.asarray(pixels, pixels.dtype.newbyteorder("=")), letters
    import zarr

    # Files are not kept open: each chunk opens its file.
    stored = zarr.open_array(series.aszarr(level=0, _openfiles=0), mode="r")
    return lazy_array(stored, path, (letters.index("y"), letters.index("x"))), letters


def _pixels(path: Path, image: TiffImage, lazy: bool, shown: bool) -> _Shown:
    """Pixels as displayed, or as stored for label images."""
    page = image.series.keyframe
    kind = page.photometric.name if hasattr(page.photometric, "name") else "MINISBLACK"
    if kind in ("CIELAB", "ICCLAB", "ITULAB", "LOGL", "LOGLUV") or (kind == "YCBCR" and not _decodes_to_rgb(page)):
        photo = read_photo(path)
        return _Shown(photo.pixels, photo.letters, photo.is_rgb, notes=photo.notes)
    pixels, letters = _stored(path, image.series, lazy)
    if shown and kind == "PALETTE" and page.colormap is not None and pixels.dtype.kind == "u":
        pixels, is_rgb, color = shown_palette(pixels, page.colormap, ramp=True)
        return _Shown(pixels, letters + "s" if is_rgb else letters, is_rgb, color)
    if shown and kind == "MINISWHITE" and not (image.series.kind == "shaped" and pixels.dtype == bool):
        # tifffile writes masks so, with True as foreground.
        pixels = ~pixels if pixels.dtype.kind in "bu" else pixels
    if "s" not in letters:
        return _Shown(pixels, letters)
    content = _shown_samples(pixels, letters, page, kind)
    if not (content.is_rgb and page.planarconfig == 2 and image.series.kind == "shaped"):
        return content
    if not shown:  # labels have no colors
        return _Shown(pixels, letters.replace("s", "q"))
    note = AxesGuess(
        f"{path.name} declares its {pixels.shape[letters.index('s')]} planes as red, green and blue. tifffile"
        " writes that into stacks of 3 or 4 planes by default: if this is a stack, name its axes,"
        " 'zyx' for example."
    )
    return replace(content, notes=(*content.notes, note), sure=False)


def _decodes_to_rgb(page: Any) -> bool:
    return bool(page.compression in (6, 7, 33003, 33004, 33005, 34712))  # JPEG and JPEG 2000 decode to red, green, blue


def _shown_samples(pixels: Any, letters: str, page: Any, kind: str) -> _Shown:
    samples = letters.index("s")
    order = [axis for axis in range(pixels.ndim) if axis != samples] + [samples]
    last = pixels.transpose(order)
    count = last.shape[-1]
    alpha = [count - len(page.extrasamples) + n for n, extra in enumerate(page.extrasamples) if int(extra) in _ALPHA]
    colors = {"RGB": 3, "YCBCR": 3, "SEPARATED": 4}.get(kind, 0)
    note = ""
    if page.planarconfig == 2 and count == 4 and alpha and not _is_mask(last[..., 3]):
        return _Shown(pixels, letters.replace("s", "q"))  # a stack of four planes that tifffile declared as colors
    if len(alpha) == 1 and alpha[0] == count - 1 and count > 1:
        last, note = without_alpha(last[..., :-1], last[..., -1])
        count -= 1
    elif kind == "RGB" and count == 4 and isinstance(last, np.ndarray) and _is_opaque(last[..., 3]):
        last, count = last[..., :3], 3
    notes = (note,) if note else ()
    others = letters.replace("s", "")
    if count == 1:
        return _Shown(last[..., 0], others, notes=notes)
    if kind == "SEPARATED" and count == 4 and last.dtype.kind == "u":
        last, count, colors = from_cmyk(last), 3, 3
    # Planar samples stay planar.
    back = [*range(samples), last.ndim - 1, *range(samples, last.ndim - 1)]
    if count != 3 or colors != 3:  # more channels than colors: separate channels
        return _Shown(last.transpose(back), letters, notes=notes)
    last, is_rgb = without_equal_colors(last)
    if not is_rgb:
        return _Shown(last, others, notes=notes)
    return _Shown(last.transpose(back), letters, True, notes=notes)


def _is_mask(alpha: Any) -> bool:
    """Whether these can be opacities; unknown for a lazy array."""
    return not isinstance(alpha, np.ndarray) or len(np.unique(alpha)) <= 2


def _is_opaque(alpha: NDArray[Any]) -> bool:
    return alpha.dtype.kind == "u" and bool((alpha == np.iinfo(alpha.dtype).max).all())


def _without_missing(content: _Shown, series: Any, opened: OpenTiff, path: Path) -> tuple[_Shown, tuple[str, ...]]:
    """The existing part of a data set with missing files: tifffile returns zeros for the rest."""
    if series.kind not in ("ome", "mmstack", "ndtiff"):
        return content, ()
    pages = list(series.pages)
    absent = np.array([page is None for page in pages])
    if not absent.any():
        return content, ()
    leading = [leading_axis for leading_axis, letter in enumerate(content.letters) if letter not in "yxs"]
    shape = [content.pixels.shape[leading_axis] for leading_axis in leading]
    reason = f"{path.name} names {len(opened.missing)} file(s) that are missing ({named(opened.missing)})"
    if not opened.missing:
        reason = f"{path.name} has {int((~absent).sum())} of the {len(pages)} planes that it declares"
    there = (
        ~absent[: int(np.prod(shape))].reshape(shape) if len(pages) == int(np.prod(shape)) else np.zeros(shape, bool)
    )
    kept = [
        np.flatnonzero(there.any(axis=tuple(k for k in range(there.ndim) if k != axis))) for axis in range(there.ndim)
    ]
    if not there.any() or not there[np.ix_(*kept)].all():
        raise DataError(f"{reason}, so some planes of the image are missing.", "Put the missing files beside it.")
    pixels = content.pixels
    parts = []
    for axis, indices in zip(leading, kept, strict=True):
        if len(indices) < pixels.shape[axis]:
            parts.append(f"{len(indices)} of {pixels.shape[axis]} along {content.letters[axis]!r}")
            pixels = (
                pixels.take(indices, axis=axis) if isinstance(pixels, np.ndarray) else _taken(pixels, indices, axis)
            )
    note = f"{reason}: only the existing part was read, {' and '.join(parts)}."
    return _Shown(pixels, content.letters, content.is_rgb, content.color, content.notes), (note,)


def _taken(pixels: Any, indices: NDArray[Any], axis: int) -> Any:
    if isinstance(pixels, np.ndarray):
        return pixels.take(indices, axis=axis)
    import dask.array as da

    return da.take(pixels, indices, axis=axis)
