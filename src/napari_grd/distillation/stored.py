"""What a training has to know of a whole image, from parts of one that is not read as a whole."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import NormalizationConfig
from napari_grd.data.fingerprint import image_key
from napari_grd.data.intensity import PlaneStatistics, measure_intensity
from napari_grd.data.stored_image import StoredImage
from napari_grd.data.stored_labels import LabelParts, StoredLabels
from napari_grd.errors import ImageError
from napari_grd.inference.statistics import sample_boxes

SAMPLES = 4
"""Windows with objects, for their size and contrast."""

_READ = 64  # of so many, unless there is none in these
_PARTS, _CORNER = 5, 128  # corners of parts that identify an image, and their side in pixels
_VALIDATED = {2: (2048, 2048), 3: (64, 512, 512)}  # sides of the part of an image that is validated on

Pair = tuple[Any, Any]
"""An image ``(C, *S)``, and its labels ``(*S)`` or None."""


def whole_statistics(image: Any, config: NormalizationConfig) -> PlaneStatistics:
    """Intensities of a whole image ``(C, *S)``; of a huge one, as when it is segmented, from evenly spaced parts.

    Those of a stored image are measured once.

    Raises
    ------
    ImageError
        If a stored image is constant, or NaN.
    """
    known = getattr(image, "statistics", {})
    if config not in known:
        parts = [np.asarray(image[(slice(None), *box)]) for box in sample_boxes(image.shape[1:])]
        if isinstance(image, StoredImage):
            check_values(parts)
        known[config] = measure_intensity(parts, config)
    found: PlaneStatistics = known[config]
    return found


def check_values(parts: Sequence[NDArray[Any]]) -> None:
    """Raise an `ImageError` if an image, of which these are all or evenly spaced parts, is constant or NaN."""
    if not any(np.isfinite(part).any() for part in parts):
        raise ImageError("No pixel has a number: all are NaN or infinite.", "Exclude the image, or write it again.")
    first = parts[0].flat[0]
    if all((part == first).all() for part in parts):
        raise ImageError(f"it is constant (every pixel is {first}).", "Exclude it.")


def has_instance(labels: Any) -> bool:
    """Whether an object is labeled in ``(*S)``; stored labels are read until there is one."""
    if isinstance(labels, LabelParts):
        return any((labels.read(box) > 0).any() for box in islice(labels.windows(), labels.limit))
    return bool((labels > 0).any())


def iter_samples(image: Any, labels: Any, wanted: int = SAMPLES) -> Iterator[Pair | None]:
    """The image with its labels, or if either is stored, a few windows with whole objects of it.

    Yields
    ------
    (image, labels) or None
        None for a window without an object.
    """
    if not isinstance(image, StoredImage) and not isinstance(labels, LabelParts):
        yield image, labels
        return
    if labels is None:
        return
    if not isinstance(labels, LabelParts):
        labels = StoredLabels(labels, labels.shape)
    found = 0
    for number, box in enumerate(islice(labels.windows(), labels.limit)):
        if found == wanted or (found and number >= _READ):
            return
        part = labels.read(box)
        if (part > 0).any():
            found += 1
            yield np.asarray(image[(slice(None), *box)]), _whole_objects(part, box, labels.shape)
        else:
            yield None


def validation_part(image: Any, labels: Any) -> Pair:
    """An image to validate on, in memory: of a stored one its center, or a labeled window if there is no object."""
    if not isinstance(image, StoredImage):
        return image, labels
    box = validation_box(image.shape[1:], labels)
    return image[(slice(None), *box)], None if labels is None else labels[box]


def validation_box(shape: Sequence[int], labels: Any) -> tuple[slice, ...]:
    """The part of a stored image that is validated on; see :func:`validation_part`."""
    sides = _VALIDATED[len(shape)]
    starts = [max(0, (size - side) // 2) for size, side in zip(shape, sides, strict=True)]
    box = tuple(slice(a, min(a + side, n)) for a, side, n in zip(starts, sides, shape, strict=True))
    if isinstance(labels, LabelParts) and not (labels.read(box) > 0).any():
        box = next((window for window in labels.windows() if (labels.read(window) > 0).any()), box)
    return box


def stored_key(array: Any) -> str:
    """Identity of an image or its labels: of all values, or of corners of evenly spaced parts of a stored one."""
    if getattr(array, "computes", False):
        return ""  # the teacher's, which are identified by the image and the teacher
    if isinstance(array, StoredImage):
        corners = (array[(slice(None), *_corner(box))] for box in _spaced(sample_boxes(array.shape[1:])))
    elif isinstance(array, LabelParts):
        corners = (array.read(_corner(box)) for box in islice(array.windows(), _PARTS))
    else:
        return image_key(array)
    digest = hashlib.blake2b(repr(array.shape).encode(), digest_size=16)
    for corner in corners:
        digest.update(image_key(corner).encode())
    return digest.hexdigest()


def _corner(box: Iterable[slice]) -> tuple[slice, ...]:
    return tuple(slice(span.start, min(span.stop, span.start + _CORNER)) for span in box)


def _spaced(boxes: Sequence[Any]) -> list[Any]:
    return [boxes[i] for i in sorted({round(place) for place in np.linspace(0, len(boxes) - 1, _PARTS)})]


def _whole_objects(labels: NDArray[np.int64], box: tuple[slice, ...], shape: Sequence[int]) -> NDArray[np.int64]:
    """Labels of a window without objects that its border cuts, unless there are no others."""
    cut = set()
    for axis, (span, size) in enumerate(zip(box, shape, strict=True)):
        ends = [0] * (span.start > 0) + [-1] * (span.stop < size)
        for end in ends:
            cut |= set(np.unique(labels.take(end, axis=axis)).tolist())
    kept = np.where(np.isin(labels, [label for label in cut if label > 0]), 0, labels)
    return kept if (kept > 0).any() else labels
