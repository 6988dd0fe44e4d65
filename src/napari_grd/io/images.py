"""Reading images of all formats."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import DataError
from napari_grd.io.calibration import Calibration
from napari_grd.io.cellpose_seg import SUFFIX as SEG
from napari_grd.io.image_data import Channel, ImageData
from napari_grd.io.layout import lay_out
from napari_grd.io.lazy import explained
from napari_grd.io.names import ARRAY, COMPANION, PHOTO, SUFFIXES, TIFF, VENDOR, image_stem, named, suffix_of
from napari_grd.io.ome_zarr_metadata import is_array, is_ome_zarr
from napari_grd.io.remote import address_of

LAZY_BYTES = 256 * 2**20
"""Images larger than this are lazy arrays, read piece by piece."""

_ONE: tuple[str, ...] = ("0",)  # names in a file with a single image
_MAGIC = {
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
    b"II+\0": "tiff",
    b"MM\0+": "tiff",
    b"\x89PNG": "photo",
    b"\xff\xd8\xff": "photo",
    b"GIF8": "photo",
    b"BM": "photo",
    b"RIFF": "photo",
    b"\x93NUM": "array",
}


def read_image(
    path: str | Path, *, series: int | str | None = None, axes: str | None = None, level: int = 0
) -> ImageData:
    """Read an image with its metadata.

    Parameters
    ----------
    path : str or Path
        A TIFF (OME-TIFF of one or several files, ImageJ, LSM, ...), PNG, JPEG, BMP,
        GIF, WebP or npy file, an OME-Zarr (an image, a collection, a plate, a well), or a proprietary microscope format
        if bioio is installed. An OME-Zarr may be an address, as ``https://...`` or ``s3://...``.
    series : int or str, optional
        Which of several images in it (positions, fields of a plate), by index or by a name of :func:`list_series`.
        Default: the first; the notes report that there are more.
    axes : str, optional
        One letter of ``tczyx`` per dimension, if the file does not name them or is wrong; dimensions of length 1 may be
        omitted.
    level : int, default 0
        Level of the pyramid of an OME-Zarr; 0 is the finest.

    Returns
    -------
    ImageData
        Pixels in their stored type, as displayed: palettes are converted to colors, photos rotated to their
        orientation, transparency is dropped, and gray stored as RGB is one channel. ``notes`` reports what was guessed
        or is missing.

    Raises
    ------
    DataError
        If there is no such file or series, it is of another format, damaged or cut off,
        files with some of its planes are missing, or the axes do not fit.

    See Also
    --------
    list_series : The images in a file.
    read_label_image : Read label images.
    find_images : The image files in a folder.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> import tifffile
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.ome.tif"
    ...     tifffile.imwrite(path, np.zeros((4, 64, 80), np.uint16), metadata={"axes": "TYX", "TimeIncrement": 30})
    ...     image = read_image(path)
    >>> image.name, image.axes, image.shape, image.calibration.scale, image.calibration.units[0]
    ('a', 'tyx', (4, 64, 80), (30.0, 1.0, 1.0), 'second')
    """
    return _read(Path(path), series, axes, level, shown=True)


def read_stored(path: str | Path, *, series: int | str | None = None, axes: str | None = None) -> ImageData:
    """As :func:`read_image`, but with the stored values of palettes and white-is-zero images, as in label images."""
    return _read(Path(path), series, axes, shown=False)


def _read(path: Path, series: int | str | None, axes: str | None, level: int = 0, *, shown: bool) -> ImageData:
    image = _read_one(path, series, axes, level, shown=shown)
    if series is None and len(image.series_names) > 1:
        names = image.series_names
        more = f"{image.path.name} contains {len(names)} images ({named(names)}); this is the first, {names[0]!r}."
        image = replace(image, notes=(more, *image.notes))
    return image


def _read_one(path: Path, series: int | str | None, axes: str | None, level: int, *, shown: bool) -> ImageData:
    pick = partial(_number, path, series)
    with explained(path):
        kind = _kind(path)
        if level and kind != "zarr":
            raise DataError(f"level is {level}, but {path.name} is no OME-Zarr.", "Leave the level out.")
        if kind == "tiff":
            from napari_grd.io.read_tiff import read_tiff

            return read_tiff(path, pick, axes=axes, lazy_bytes=LAZY_BYTES, shown=shown)
        if kind == "zarr":
            from napari_grd.io.read_zarr import read_zarr

            return read_zarr(path, pick, axes=axes, level=level)
        if kind == "vendor":
            from napari_grd.io.vendor import read_vendor

            return read_vendor(path, pick, axes=axes, lazy_bytes=LAZY_BYTES)
        pick(_ONE)
        if kind == "zarr array":
            from napari_grd.io.read_zarr import read_array

            return read_array(path, axes=axes)
        return _photo(path, axes, shown) if kind == "photo" else _array(path, axes)


def list_series(path: str | Path) -> tuple[str, ...]:
    """List the names of the images in a file: positions, scenes, fields of a plate.

    Thumbnails and the levels of a pyramid are not images of their own.

    Parameters
    ----------
    path : str or Path
        As for :func:`read_image`.

    Returns
    -------
    tuple of str
        One name if there is one image.

    Raises
    ------
    DataError
        If the file cannot be read.

    See Also
    --------
    read_image : Read one of them, with ``series``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "a.npy", np.zeros((8, 8)))
    ...     list_series(Path(folder) / "a.npy")
    ('0',)
    """
    path = Path(path)
    with explained(path):
        return _names(path, _kind(path))


def _kind(path: Path) -> str:
    """Choose the reader of a file, by its content and then by its name."""
    if address_of(path):
        return "zarr"
    if path.is_dir() and is_array(path):
        return "zarr array"
    if is_ome_zarr(path) or (path.is_dir() and suffix_of(path) == ".zarr"):
        return "zarr"
    if not path.is_file():
        what = "is a folder, not an image" if path.is_dir() else "does not exist"
        raise DataError(f"There is no image file {str(path)!r}: it {what}.", "Check the path.")
    suffix = suffix_of(path)
    if path.name.lower().endswith(COMPANION):
        return "tiff"
    if suffix not in SUFFIXES:
        raise DataError(
            f"{str(path)!r} has an unsupported format.",
            f"Use one of: {', '.join(SUFFIXES[:3])}, ..., see Files and formats.",
        )
    if path.name.lower().endswith(SEG):
        raise DataError(f"{str(path)!r} is a results file of Cellpose, not an image.", "Use it as labels.")
    if path.stat().st_size == 0:
        raise DataError(f"The image file {str(path)!r} is empty (0 bytes).", "Copy it again, or exclude it.")
    if suffix in VENDOR:
        return "vendor"
    with path.open("rb") as file:
        head = file.read(4)
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return "tiff" if suffix in TIFF else "photo" if suffix in PHOTO else "array" if suffix in ARRAY else "zarr"


def _names(path: Path, kind: str) -> tuple[str, ...]:
    if kind == "tiff":
        from napari_grd.io.read_tiff import list_tiff

        return list_tiff(path)
    if kind == "zarr":
        from napari_grd.io.read_zarr import list_zarr

        return list_zarr(path)
    if kind == "vendor":
        from napari_grd.io.vendor import list_vendor

        return list_vendor(path)
    return _ONE


def _number(path: Path, series: int | str | None, names: tuple[str, ...]) -> int:
    if series is None:
        return 0
    if isinstance(series, str) and series in names:
        return names.index(series)
    number = int(series) if isinstance(series, int) or series.isdecimal() else -1
    if not 0 <= number < len(names):
        raise DataError(
            f"{str(path)!r} has no series {series!r}.",
            f"Give a number from 0 to {len(names) - 1}, or a name: {named(names)}.",
        )
    return number


def _photo(path: Path, axes: str | None, shown: bool) -> ImageData:
    from napari_grd.io.read_photo import read_photo

    photo = read_photo(path, shown=shown)
    return _plain(path, photo.pixels, photo.letters, axes, photo.notes, is_rgb=photo.is_rgb)


def _array(path: Path, axes: str | None) -> ImageData:
    # Memory-mapped first: this compares the declared size with the file's before memory is allocated.
    pixels = np.array(np.load(path, allow_pickle=False, mmap_mode="r"))
    if pixels.dtype.kind not in "buif":
        raise DataError(f"{str(path)!r} contains values of type {pixels.dtype}.", "Save real numbers.")
    if pixels.ndim < 2:
        raise DataError(
            f"{str(path)!r} contains an array of shape {pixels.shape}.", "Save arrays with two axes or more."
        )
    letters = "q" * (pixels.ndim - 2) + "yx"
    colored = pixels.ndim > 2 and pixels.shape[-1] in (3, 4) and min(pixels.shape[-3:-1]) > 4
    if colored:
        letters = "q" * (pixels.ndim - 3) + "yxs"
    note = ""
    if colored and axes is None:
        note = f"The last axis of {path.name}, of length {pixels.shape[-1]}, is read as channels."
    image = _plain(path, pixels, letters, axes, (note,), is_rgb=colored and pixels.shape[-1] == 3)
    return replace(image, axes_known=axes is not None or pixels.ndim == 2)


def _plain(
    path: Path, pixels: NDArray[Any], letters: str, axes: str | None, notes: tuple[str, ...], *, is_rgb: bool
) -> ImageData:
    native = np.asarray(pixels, pixels.dtype.newbyteorder("="))
    laid = lay_out(native, letters, axes, path.name)
    count = laid.pixels.shape[laid.axes.index("c")] if "c" in laid.axes else 1
    return ImageData(
        pixels=laid.pixels,
        axes=laid.axes,
        calibration=Calibration.of(laid.axes),
        channels=(Channel(),) * count,
        name=image_stem(path),
        path=path,
        is_rgb=is_rgb and count == 3,
        axes_known=laid.axes_known,
        notes=tuple(note for note in (*notes, laid.note) if note),
    )
