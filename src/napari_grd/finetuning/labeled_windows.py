"""Windows around the labeled pixels of a sparsely labeled image, so that no patch is unlabeled."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.data.dataset import Example

_TOUCHING = np.ones((3, 3), bool)


def labeled_windows(name: str, image: NDArray[np.float32], labels: NDArray[np.int64], patch: int) -> list[Example]:
    """Cut a window around each object, and around each piece of labeled background without one.

    Twenty objects are a small part of an image: random patches would mostly miss them, and patches around random
    labeled pixels would mostly show the largest. Patches of side ``patch``, which will be drawn from the windows, vary
    in position, but do not miss the object.

    Examples
    --------
    >>> labels = np.full((200, 300), -1)
    >>> labels[90:110, 90:110] = 1
    >>> [window.labels.shape for window in labeled_windows("", np.zeros((1, 200, 300), np.float32), labels, 64)]
    [(96, 96)]
    """
    examples = []
    for box in _boxes(labels):
        window = tuple(_widened(side, size, patch) for side, size in zip(box, labels.shape, strict=True))
        examples.append(Example(name, image[:, *window], labels[window]))
    return examples


def _boxes(labels: NDArray[np.int64]) -> Iterator[tuple[slice, ...]]:
    _, consecutive = np.unique(np.maximum(labels, 0), return_inverse=True)
    yield from (box for box in ndimage.find_objects(consecutive.reshape(labels.shape)) if box is not None)
    pieces, _ = ndimage.label(labels >= 0, _TOUCHING)
    with_objects = np.unique(pieces[labels > 0])
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        if number not in with_objects:
            yield box


def _widened(side: slice, size: int, patch: int) -> slice:
    """Region of patches whose center is on the object, or within a quarter of a patch of its center."""
    middle = (side.start + side.stop) // 2
    ends = min(side.start, middle - patch // 4), max(side.stop, middle + patch // 4)
    first, last = (min(max(0, end - patch // 2), max(0, size - patch)) for end in ends)
    return slice(first, min(size, last + patch))
