"""One plane of labels that knows where its objects are, so that nothing has to look at all of it."""

import numpy as np
from numba import types
from numba.typed import Dict
from numpy.typing import NDArray

from napari_grd.compiled import compiled
from napari_grd.corrections.region import Region
from napari_grd.corrections.said import Box, around

Labels = NDArray[np.uint32]


class PlaneLabels:
    """Labels of a plane, changed in place, with a box around each object.

    Parameters
    ----------
    labels : uint32 array, shape (H, W)
        Change them through :meth:`write`.

    Examples
    --------
    >>> PlaneLabels(np.array([[0, 7, 7]], np.uint32)).box(7)
    (0, 1, 1, 3)
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        self._boxes = _boxes(labels)

    def box(self, label: int) -> Box | None:
        """A box that holds the whole object; None if there is none."""
        return self._boxes.get(label)

    def holds(self, label: int) -> bool:
        """Whether there is an object."""
        box = self.box(label)  # which may be left of one that is gone
        return box is not None and bool((self.cut_out(box) == label).any())

    def cut_out(self, box: Box) -> Labels:
        """A copy of a part."""
        y0, x0, y1, x1 = box
        return self.labels[y0:y1, x0:x1].copy()

    def write(self, box: Box, labels: Labels) -> None:
        """Change a part."""
        y0, x0, y1, x1 = box
        gone = np.setdiff1d(self.labels[y0:y1, x0:x1], labels)
        self.labels[y0:y1, x0:x1] = labels
        for label in gone.tolist():
            found = self._boxes.get(label)
            if found is not None and around([found, box]) == box:
                del self._boxes[label]
        for label, (v0, u0, v1, u1) in _boxes(labels).items():
            here = (v0 + y0, u0 + x0, v1 + y0, u1 + x0)
            known = self._boxes.get(label)
            inside = known is None or around([known, box]) == box
            self._boxes[label] = here if known is None or inside else around([known, here])

    def region(self, label: int) -> Region | None:
        """The pixels of an object; None if there are none."""
        box = self.box(label)
        if box is None:
            return None
        mask = self.cut_out(box) == label
        return Region.from_mask(mask, box[:2]) if mask.any() else None


def _boxes(labels: Labels) -> dict[int, Box]:
    return {int(label): (int(b[0]), int(b[1]), int(b[2]), int(b[3])) for label, b in _find(labels).items()}


@compiled()
def _find(labels):  # type: ignore[no-untyped-def]
    """The box of each label but 0."""
    found = Dict.empty(types.int64, types.int64[::1])
    for y in range(labels.shape[0]):
        x = 0
        while x < labels.shape[1]:
            label = labels[y, x]
            end = x + 1
            while end < labels.shape[1] and labels[y, end] == label:
                end += 1
            if label:
                key = np.int64(label)
                if key not in found:
                    found[key] = np.array([y, x, y + 1, end])
                box = found[key]
                box[1], box[2], box[3] = min(box[1], x), y + 1, max(box[3], end)
            x = end
    return found
