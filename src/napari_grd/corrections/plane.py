"""One plane of labels with its constraints and a bounding box per object, and what a click in it would pick."""

from collections.abc import Iterable

import numpy as np
from numba import types
from numba.typed import Dict
from numpy.typing import NDArray
from scipy import ndimage

from napari_grd.compiled import compiled
from napari_grd.corrections.constraint_history import ConstraintHistory
from napari_grd.corrections.correction import Plane
from napari_grd.corrections.predictions import PlanePrediction
from napari_grd.corrections.region import BBox, Region, around, window
from napari_grd.graph.region_growing import instance_at

Labels = NDArray[np.uint32]


class PlaneLabels:
    """Labels of a plane (H, W), changed in place through :meth:`write`, with a box around each object.

    Examples
    --------
    >>> PlaneLabels(np.array([[0, 7, 7]], np.uint32)).box(7)
    (0, 1, 1, 3)
    """

    def __init__(self, labels: Labels, index: Plane = ()) -> None:
        self.labels, self.index = labels, index
        self.history = ConstraintHistory()  # the constraints that hold in the labels
        self.accepted: dict[str, int] | None = None  # objects by their acceptance, once looked for; None after a change
        self._boxes = _boxes(labels)

    def box(self, label: int) -> BBox | None:
        """A box that holds the whole object; None if there is none."""
        return self._boxes.get(label)

    def box_around(self, labels: Iterable[int], *boxes: BBox) -> BBox:
        """The box around boxes and all of these objects that there are; an empty one if there is neither."""
        every = [*boxes, *(self._boxes[label] for label in labels if label in self._boxes)]
        return around(every) if every else (0, 0, 0, 0)

    def holds(self, label: int) -> bool:
        """Whether there is an object."""
        box = self.box(label)  # which may be left of one that is gone
        return box is not None and bool((self.cut_out(box) == label).any())

    def cut_out(self, box: BBox) -> Labels:
        """A copy of a part."""
        return self.labels[window(box)].copy()

    def write(self, box: BBox, labels: Labels) -> None:
        """Change a part."""
        y0, x0 = box[:2]
        self.accepted = None
        gone = np.setdiff1d(self.labels[window(box)], labels)
        self.labels[window(box)] = labels
        for label in gone.tolist():
            if around([self._boxes.get(label, box), box]) == box:
                self._boxes.pop(label, None)
        for label, (v0, u0, v1, u1) in _boxes(labels).items():
            here = (v0 + y0, u0 + x0, v1 + y0, u1 + x0)
            before = self._boxes.get(label, here)
            self._boxes[label] = here if around([before, box]) == box else around([before, here])

    def label_of(self, region: Region) -> int:
        """The object that has exactly these pixels, 0 if there is none."""
        box = self.box(int(self.labels[region.runs[0][:2]]))
        return 0 if box is None else region.label_in(self.labels[window(box)], box[:2])

    def region(self, label: int) -> Region | None:
        """The pixels of an object; None if there are none."""
        box = self.box(label)
        if box is None:
            return None
        mask = self.cut_out(box) == label
        return Region.from_mask(mask, box[:2]) if mask.any() else None


def _boxes(labels: Labels) -> dict[int, BBox]:
    numbers, boxes = _find(labels)
    return dict(zip(numbers.tolist(), map(tuple, boxes.tolist()), strict=True))


@compiled()
def _find(labels):  # type: ignore[no-untyped-def]
    """All labels but 0, and their boxes: as arrays, since reading a dict of numba is compiled in each process."""
    boxes = Dict.empty(types.int64, types.int64[::1])
    for y in range(labels.shape[0]):
        x = 0
        while x < labels.shape[1]:
            label = labels[y, x]
            end = x + 1
            while end < labels.shape[1] and labels[y, end] == label:
                end += 1
            if label:
                key = np.int64(label)
                if key not in boxes:
                    boxes[key] = np.array([y, x, y + 1, end])
                box = boxes[key]
                box[1], box[2], box[3] = min(box[1], x), y + 1, max(box[3], end)
            x = end
    numbers, arrays = np.empty(len(boxes), np.int64), np.empty((len(boxes), 4), np.int64)
    for row, label in enumerate(boxes):
        numbers[row], arrays[row] = label, boxes[label]
    return numbers, arrays


Mask = NDArray[np.bool_]

_LIMIT = 96
_THRESHOLD = 0.4
_STEP = 1.25
_EPS = 1e-12


def picked(
    plane: PlaneLabels, prediction: PlanePrediction | None, pixel: tuple[int, int], growth: float
) -> Region | None:
    """What the embedding gives at a pixel of the background, without other objects; None without prediction."""
    if prediction is None:
        return None
    start = tuple(max(0, middle - _LIMIT - 2) for middle in pixel)
    near = tuple(slice(first, middle + _LIMIT + 3) for first, middle in zip(start, pixel, strict=True))
    center = (pixel[0] - start[0], pixel[1] - start[1])
    foreground = None if prediction.foreground is None else prediction.foreground[near]
    mask = instance_at(prediction.embedding[near], foreground, center, _THRESHOLD, growth=growth, limit=_LIMIT)
    return _region(mask & (plane.labels[near] == 0), center, (start[0], start[1]))


def part_like(plane: PlaneLabels, prediction: PlanePrediction, pixel: tuple[int, int], growth: float) -> Region | None:
    """The part of the object at a pixel whose embedding is like that of the pixel."""
    mask = instance_at(prediction.embedding, prediction.foreground, pixel, growth=growth)
    mask &= plane.labels == plane.labels[pixel]
    return Region.from_mask(mask) if mask.any() else None


def grown(
    plane: PlaneLabels, prediction: PlanePrediction | None, pixel: tuple[int, int], growth: float
) -> Region | None:
    """The object at a pixel, wider or narrower by about a pixel a notch.

    It grows over background that the embedding finds like it, more tolerant with every notch, and
    never over another object; what is narrower than it shrinks leaves nothing.
    """
    label = int(plane.labels[pixel])
    box = plane.box(label)
    assert box is not None
    if growth == 0:
        return plane.region(label)
    rim = int(np.ceil(abs(growth))) + 1
    y0, x0 = max(box[0] - rim, 0), max(box[1] - rim, 0)
    wide = np.s_[y0 : box[2] + rim, x0 : box[3] + rim]
    here = plane.labels[wide]
    mask = here == label
    if growth < 0:
        # Beyond the image's edge the object goes on.
        depth = ndimage.distance_transform_edt(np.pad(mask, rim, mode="edge"))[rim:-rim, rim:-rim]
        changed: Mask = depth > -growth
    else:
        near = ndimage.distance_transform_edt(~mask) <= growth
        changed = mask | (near & (here == 0) & _like(prediction, wide, mask, growth))
    return _region(changed, (pixel[0] - y0, pixel[1] - x0), (y0, x0))


def _like(prediction: PlanePrediction | None, where: tuple[slice, slice], mask: Mask, growth: float) -> Mask:
    """Where the embedding is like that of the object."""
    if prediction is None:
        return np.ones(mask.shape, bool)
    vectors = prediction.embedding[where]
    direction = vectors[mask].mean(axis=0)
    lengths = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(direction)
    alike: Mask = vectors @ direction > (1 - (1 - _THRESHOLD) * _STEP**growth) * np.maximum(lengths, _EPS)
    return alike


def _region(mask: Mask, pixel: tuple[int, int], origin: tuple[int, int]) -> Region | None:
    """The part of a mask around a pixel."""
    parts, _ = ndimage.label(mask)
    return Region.from_mask(parts == parts[pixel], origin) if parts[pixel] else None
