"""Reading label images and masks as integers."""

import math
import warnings
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.errors import DataError, GrdWarning, LabelError
from napari_grd.io.calibration import Calibration
from napari_grd.io.cellpose_seg import SUFFIX as SEG
from napari_grd.io.cellpose_seg import read_seg
from napari_grd.io.image_data import ImageData
from napari_grd.io.images import read_stored
from napari_grd.io.layout import AxesGuess, lay_out
from napari_grd.io.lazy import IN_MEMORY

_TRUE = (1, 255, 65535)  # foreground values of masks
_PART, _PARTS = 512, 4  # side of the parts of large labels that are looked at, and their number along each axis


@dataclass(frozen=True, eq=False)
class LabelImage:
    """A label image.

    Attributes
    ----------
    pixels : ndarray, or dask array
        Integers; 0 is background, and -1 an unlabeled (ignored) pixel.
    axes : str
        One letter of ``tzyx`` per dimension.
    calibration : Calibration
        Calibration of these axes.
    axes_known : bool
        Whether the file names them.
    notes : tuple of str
        Messages about the conversion of the file's values, in full sentences.
    """

    pixels: NDArray[Any] = field(repr=False)
    axes: str
    calibration: Calibration
    axes_known: bool = True
    notes: tuple[str, ...] = ()


def read_labels(path: str | Path, *, series: int | str | None = None, axes: str | None = None) -> LabelImage:
    """Read a label image, with notes on its conversion.

    Parameters
    ----------
    path : str or Path
        An image file, an OME-Zarr of labels or with one label image, or a ``_seg.npy`` of Cellpose.
    series : int or str, optional
        Which of several images in the file. Default: the first, and a note reports that there are more.
    axes : str, optional
        Its axes, as for :func:`napari_grd.io.images.read_image`.

    Returns
    -------
    LabelImage
        Integers stored as floating point are converted. The connected components of a mask (1, 255 or 65535 beside the
        background, in several pieces) are labeled, in each plane of a time series separately. A background of -1
        without any 0 becomes 0.

    Raises
    ------
    DataError, LabelError
        If the file cannot be read, is an RGB image, or contains fractions or other negative numbers.
    """
    path = Path(path)
    if path.name.lower().endswith(SEG):
        stored = read_seg(path)
        laid = lay_out(stored, "q" * (stored.ndim - 2) + "yx", axes, path.name)
        image = ImageData(
            laid.pixels, laid.axes, Calibration.of(laid.axes), (), path.name, path, axes_known=laid.axes_known
        )
    else:
        image = read_stored(path, series=series, axes=axes)
    return labels_of(image)


def labels_of(image: ImageData) -> LabelImage:
    """Convert an image to labels, or return its only label image.

    Raises
    ------
    DataError
        If it has several label images.
    LabelError
        If its values are not labels.
    """
    path = image.path
    notes = tuple(note for note in image.notes if not isinstance(note, AxesGuess))
    image = _label_part(image, path)
    if "c" in image.axes and not image.axes_known:  # an array whose last axis is short
        image = replace(image, axes=image.axes.replace("c", "t" if "z" in image.axes else "z"))
    if "c" in image.axes:
        raise LabelError(
            f"{str(path)!r} has {image.shape[image.axes.index('c')]} channels or colors, which are not labels.",
            "Save one number per object, without a channel axis.",
        )
    numbers, what = _whole_numbers(np.asarray(image.pixels), path)
    numbers, labeled = _numbered(numbers, image.axes, path)
    place = replace(image.calibration, axes=tuple(image.axes))
    notes = tuple(note for note in (*notes, *what, labeled) if note)
    return LabelImage(numbers, image.axes, place, image.axes_known, notes)


def with_ground_truth(image: ImageData) -> ImageData:
    """An image with those of its label images that count as ground truth; notes name the others.

    Labels that a model made and nobody corrected do not, unless they are named: a network would learn the mistakes of
    the model as the truth.
    """
    made = [labels for labels in image.labels if labels.made_by]
    notes = tuple(
        f"The labels {labels.name!r} in {image.path.name} were made by the model {labels.made_by!r} and are not used as"
        " ground truth: name them as labels to use them, or correct them."
        for labels in made
    )
    return replace(
        image, labels=tuple(labels for labels in image.labels if not labels.made_by), notes=(*image.notes, *notes)
    )


def open_large_labels(image: ImageData) -> LabelImage:
    """As :func:`labels_of`; labels that are too large to be read as a whole are a dask array.

    Raises
    ------
    DataError, LabelError
        As :func:`labels_of`. Large labels have to be integers, and no mask.
    """
    part = _label_part(image, image.path)
    if isinstance(part.pixels, np.ndarray) or math.prod(part.shape) <= IN_MEMORY:
        return labels_of(image)
    path = part.path
    if "c" in part.axes or part.pixels.dtype.kind not in "iu":
        raise LabelError(
            f"The large label image {part.name!r} of {str(path)!r} has axes {part.axes!r} and values of type"
            f" {part.pixels.dtype}.",
            "Save integers, one number per object, without a channel axis.",
        )
    _check_no_mask(part)
    place = replace(part.calibration, axes=tuple(part.axes))
    return LabelImage(part.pixels, part.axes, place, part.axes_known, part.notes)


def _check_no_mask(image: ImageData) -> None:
    """Look at a few parts of a large label image for objects with different numbers."""
    from skimage.measure import label

    starts = [np.linspace(0, max(0, size - _PART), min(_PARTS, -(-size // _PART))).astype(int) for size in image.shape]
    for corner in product(*starts):
        part = np.asarray(image.pixels[tuple(slice(start, start + _PART) for start in corner)])
        numbers = np.unique(part[part > 0])
        if len(numbers) > 1 or (len(numbers) == 1 and numbers[0] not in _TRUE):
            return
        if len(numbers) and label(part > 0, connectivity=1).max() > 1:  # type: ignore[no-untyped-call]
            raise LabelError(
                f"The label image {image.name!r} of {str(image.path)!r} looks like a mask: separate objects have the"
                f" number {numbers[0]}.",
                "Number the objects, e.g. with skimage.measure.label.",
            )


def read_label_image(path: str | Path, *, axes: str | None = None) -> NDArray[Any]:
    """Read a label image as an integer array.

    Parameters
    ----------
    path : str or Path
        As for :func:`napari_grd.read_image`.
    axes : str, optional
        One letter of ``tczyx`` per dimension, if the file does not name them or is wrong.

    Returns
    -------
    numpy.ndarray
        Integers, without axes of length 1; 0 is background.

    Raises
    ------
    DataError
        If the file cannot be read, or contains no label image.

    Warns
    -----
    GrdWarning
        If the file is a mask whose components were labeled, or its background was not 0.

    See Also
    --------
    read_image : Read an image.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     np.save(Path(folder) / "a.npy", np.eye(3) * 7)
    ...     read_label_image(Path(folder) / "a.npy")
    array([[7, 0, 0],
           [0, 7, 0],
           [0, 0, 7]])
    """
    image = read_labels(path, axes=axes)
    for note in image.notes:
        warnings.warn(note, GrdWarning, stacklevel=2)
    return image.pixels


def _label_part(image: ImageData, path: Path) -> ImageData:
    """The labels of an OME-Zarr image with labels."""
    if not image.labels:
        return image
    if len(image.labels) > 1:
        names = ", ".join(labels.name for labels in image.labels)
        raise DataError(
            f"{str(path)!r} has {len(image.labels)} label images ({names}).",
            f"Choose one: {str(path / 'labels' / image.labels[0].name)!r}.",
        )
    return image.labels[0]


def _whole_numbers(pixels: NDArray[Any], path: Path) -> tuple[NDArray[Any], tuple[str, ...]]:
    if pixels.dtype.kind == "f":
        nan = np.isnan(pixels)
        whole = np.where(nan, 0, pixels)
        if not (np.isfinite(whole).all() and (whole == np.round(whole)).all() and np.abs(whole).max(initial=0) < 2**53):
            bad = whole[~np.isfinite(whole) | (whole != np.round(whole)) | (np.abs(whole) >= 2**53)]
            raise LabelError(
                f"{str(path)!r} contains the value {bad.flat[0]:g}, which is not a label.",
                "Save labels as integers, one per object.",
            )
        pixels = whole.astype(np.int64)
        if nan.any():
            return pixels, (f"{path.name} has {int(nan.sum())} pixel(s) that are NaN: read as background.",)
    if pixels.dtype.kind not in "iu" or pixels.size == 0:
        return pixels, ()
    low = int(pixels.min())
    if low < -1:
        raise LabelError(
            f"{str(path)!r} contains the negative value {low}.",
            "Use 0 for background and count from 1; -1 is unlabeled.",
        )
    if low == -1 and not (pixels == 0).any():
        note = f"{path.name} has no 0: -1 was read as the background."
        return np.where(pixels == -1, 0, pixels), (note,)
    return pixels, ()


def _numbered(pixels: NDArray[Any], axes: str, path: Path) -> tuple[NDArray[Any], str]:
    """Label the connected components of a mask."""
    from skimage.measure import label

    objects = pixels[pixels > 0]
    if pixels.dtype != bool and (not objects.size or objects.min() != objects.max() or objects.flat[0] not in _TRUE):
        return pixels, ""
    time_axis = axes.find("t")
    planes = [pixels > 0] if time_axis < 0 else list(np.moveaxis(pixels > 0, time_axis, 0))
    components: list[NDArray[Any]] = [label(plane, connectivity=1) for plane in planes]  # type: ignore[no-untyped-call]
    count = max(int(part.max()) for part in components)
    if count < 2 and pixels.dtype != bool:
        return pixels, ""  # one object is one object
    numbers = np.asarray(components[0] if time_axis < 0 else np.moveaxis(np.stack(components), 0, time_axis))
    if pixels.dtype.kind == "i":  # unknown pixels stay
        numbers = np.where(pixels < 0, pixels, numbers)
    note = f"{path.name} is a mask: its {count} connected component(s) were labeled, so touching objects are one."
    return numbers.astype(np.int64), note if count else ""
