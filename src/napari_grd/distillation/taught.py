"""A teacher's prediction of a stored image, block by block, each when a patch first needs it.

A block is predicted with its surroundings, at the scale and with the intensities of the whole image, and cached like an
image of its own.
Objects that continue in the next block are joined as when the image is segmented block by block.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.blockwise.block_work import shared
from napari_grd.blockwise.grid import BlockGrid
from napari_grd.blockwise.seams import Ids, Joined, same_objects
from napari_grd.blockwise.segment_source import network_halo
from napari_grd.data.dataset import TeacherLayout
from napari_grd.data.fingerprint import image_key
from napari_grd.data.missing import Missing
from napari_grd.data.stored_image import StoredImage
from napari_grd.data.stored_labels import LabelParts, Labels
from napari_grd.distillation.cache_entry import sides_on_disk
from napari_grd.distillation.stored import iter_samples
from napari_grd.distillation.teacher_cache import CachedPrediction, TeacherCache
from napari_grd.inference.boxes import Box, common, origin_of, size_of, within
from napari_grd.io.disk import check_disk
from napari_grd.jobs import Job, Stopwatch
from napari_grd.teaching.confidence import without_uncertain
from napari_grd.teaching.part_teacher import PartTeacher

_SIDES = {2: (1024, 1024), 3: (64, 256, 256)}  # of a block, without its surroundings
_LEAST = 16  # pixels: of images that are enlarged, sides are smaller multiples of it
_KEPT = 256  # blocks that are open, and as many pairs of neighbors; their pixels stay on disk
_BLOCKS = 2  # that a patch extends into, on average, or looks for an instance in
_BLOCK = 32  # bits of an object's number within its block

Value = TypeVar("Value")


class TaughtImage:
    """The prediction of one stored image.

    Parameters
    ----------
    image : StoredImage
    teacher : PartTeacher
    cache : TeacherCache
        Of the same teacher; an entry is a block, keyed by the pixels that its prediction depends on.
    confidence : float
        Instances with a lower confidence are ignored.

    Attributes
    ----------
    grid : BlockGrid
    layout : TeacherLayout or None
        Of a block's output; known after the first.
    """

    def __init__(
        self, image: StoredImage, teacher: PartTeacher, cache: TeacherCache, *, confidence: float = 0.0
    ) -> None:
        self._image, self._teacher, self._cache, self._confidence = image, teacher, cache, confidence
        self._whole = whole = teacher.measure(image)
        model, config = teacher.model, teacher.config
        partition = config.partition or model.config.partition
        sides = tuple(
            side if grid <= size else max(_LEAST, round(side * size / grid / _LEAST) * _LEAST)  # memory of the network
            for side, size, grid in zip(_SIDES[len(whole.shape)], whole.shape, whole.grid, strict=True)
        )
        self.grid = BlockGrid(
            (), whole.shape, whole.grid, sides, network_halo(model, config), model.strides, partition.stride
        )
        self.layout: TeacherLayout | None = None
        self._open: dict[int, CachedPrediction] = {}
        self._joints: dict[tuple[int, int], Ids] = {}

    def iter_begin(self, wanted: int, patches: int, stage: str) -> Job[list[Labels]]:
        """Predict a few blocks, as a job.

        Parameters
        ----------
        wanted : int
            How many of them shall have instances, if there are; 0: any block will do.
        patches : int
            How many will be drawn: their blocks have to fit on the disk.
        stage : str
            Name of the stage in progress events.

        Returns
        -------
        list of ndarray
            Their instances, a single 0 for none; empty if none were wanted.

        Raises
        ------
        OutputError
            If they do not fit on the disk.
        """
        labels, found = TaughtLabels(self), []
        watch = Stopwatch(stage, min(labels.limit or 1, len(self.grid)) if wanted else 1)
        yield watch.progress(0)
        if wanted:
            for sample in iter_samples(self._image, labels, wanted):
                found.append(np.zeros(1, np.int64) if sample is None else sample[1])
                yield watch.progress(len(found))
        else:
            labels.read(next(labels.windows()))
        yield watch.progress(watch.total)
        assert self.layout is not None
        expected = -math.expm1(-_BLOCKS * patches / len(self.grid))  # share of the blocks: patches at random places
        yield from check_disk(self._cache.folder, round(expected * self._bytes()), "The teacher's predictions")
        return found

    def _bytes(self) -> int:
        """Size of all blocks on disk, with their surroundings, in which neighbors overlap."""
        assert self.layout is not None
        sides = [
            sum(sides_on_disk(size_of(block.pixels))[axis] for block in self.grid.along(axis))
            for axis in range(len(self.grid.shape))
        ]
        confidence = next(iter(self._open.values())).confidence
        return math.prod(sides) * (4 + 2 * self.layout.channels + (0 if confidence is None else 2))

    @property
    def prediction(self) -> CachedPrediction:
        """All of it, to be read part by part; a block has to be predicted before."""
        output = None if self.layout is None else TaughtOutput(self, self.layout)
        return CachedPrediction(TaughtLabels(self), output, self.layout)

    def touched(self, box: tuple[slice, ...]) -> list[int]:
        """Numbers of the blocks that a box extends into."""
        spans = zip(box, self.grid.sides, strict=True)
        places = product(*(range(span.start // side, -(-span.stop // side)) for span, side in spans))
        return [int(np.ravel_multi_index(place, self.grid.counts)) for place in places]

    def within(self, number: int, box: tuple[slice, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """The part of a box in the core of a block: its place in the box, and in the block's arrays."""
        part = common(self.grid.core(number), cast(Box, box))
        assert part is not None
        return within(part, origin_of(cast(Box, box))), within(part, origin_of(self.grid.block(number).pixels))

    def block(self, number: int) -> CachedPrediction:
        """The prediction of a block.

        Raises
        ------
        Missing
            If it is not at hand.
        """
        if number not in self._open:
            raise Missing(partial(self._load, number))
        return self._open[number]

    def joint(self, first: int, second: int) -> Ids:
        """Numbers of objects in one block and in the next one that are the same, ``(K, 2)``."""
        if (first, second) not in self._joints:
            boxes = [self.grid.block(number).pixels for number in (first, second)]
            band = shared(*boxes)
            parts = [
                np.asarray(self.block(number).labels[within(band, origin_of(box))])
                for number, box in zip((first, second), boxes, strict=True)
            ]
            _keep(self._joints, (first, second), same_objects(*parts))
        return self._joints[first, second]

    def _load(self, number: int) -> None:
        block = self.grid.block(number)
        pixels = self._image[(slice(None), *block.read)]
        inside = within(block.pixels, origin_of(block.read))
        identity: tuple[Any, ...] = (image_key(pixels), self._whole.statistics.key, inside, self.grid.halo)
        if self._whole.grid != self._whole.shape:  # its pixels may lie anywhere between those of the grid
            identity += (self._whole.shape, self._whole.grid, block.read)
        key = hashlib.blake2b(repr(identity).encode(), digest_size=16).hexdigest()
        found = self._cache.ask(
            key,
            size_of(block.pixels),
            partial(self._teacher.predict_part, pixels, self._whole, block),
            is_whole=False,
        )
        self.layout = self.layout or found.layout
        _keep(self._open, number, found)

    def labeled(self, box: tuple[slice, ...]) -> Labels:
        """The instances in a box; each has one number there."""
        touched = self.touched(box)
        result = np.zeros(size_of(cast(Box, box)), np.int64)
        for place, number in enumerate(touched):
            here, there = self.within(number, box)
            prediction = self.block(number)
            labels = np.asarray(prediction.labels[there]).astype(np.int64)
            labels[labels > 0] += place << _BLOCK
            if prediction.confidence is not None:
                labels = without_uncertain(labels, np.asarray(prediction.confidence[there]), self._confidence)
            result[here] = labels
        pairs = []
        places = {number: place << _BLOCK for place, number in enumerate(touched)}
        for number, place in places.items():
            for face in ("back", "below", "right"):
                neighbor = self.grid.neighbors(number).get(face)
                if neighbor in places:
                    pairs.append(self.joint(number, neighbor) + np.array([place, places[neighbor]]))
        ids, inverse = np.unique(result, return_inverse=True)
        roots = Joined(pairs).roots(ids)
        _, numbers = np.unique(roots[ids > 0], return_inverse=True)
        final = ids.copy()
        final[ids > 0] = numbers + 1
        labeled: Labels = final[inverse].reshape(result.shape)
        return labeled


class TaughtLabels(LabelParts):
    """The instances of a teacher in a stored image ``(*S)``."""

    computes = True
    limit = 16  # each may be a block that has to be predicted

    def __init__(self, taught: TaughtImage) -> None:
        super().__init__(taught.grid.shape)
        self._taught = taught

    @property
    def window_sides(self) -> tuple[int, ...]:
        """Those of the blocks."""
        return self._taught.grid.sides

    def tries(self, tried: Sequence[NDArray[np.int64]]) -> Sequence[NDArray[np.int64]]:
        """Pixels in the block of the first one: other blocks would have to be predicted only for this."""
        moved = []
        for along, side, size in zip(tried, self.window_sides, self.shape, strict=True):
            first = int(along[0]) // side * side
            moved.append(first + (along - first) % min(side, size - first))
        return moved

    def _read(self, box: tuple[slice, ...]) -> Labels:
        return self._taught.labeled(box)


class TaughtOutput:
    """The other outputs of a teacher for a stored image, ``(E, *S)``."""

    computes = True

    def __init__(self, taught: TaughtImage, layout: TeacherLayout) -> None:
        self._taught = taught
        self.shape = (layout.channels, *taught.grid.shape)
        self.ndim = len(self.shape)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.float16]:
        spans = index[1 - self.ndim :]
        box = tuple(slice(*span.indices(size)) for span, size in zip(spans, self.shape[1:], strict=True))
        result = np.empty((self.shape[0], *size_of(cast(Box, box))), np.float16)
        for number in self._taught.touched(box):
            here, there = self._taught.within(number, box)
            result[(slice(None), *here)] = self._taught.block(number).output[(slice(None), *there)]
        return result


def _keep(known: dict[Any, Value], key: Any, value: Value) -> None:
    """Add a value; the oldest is dropped."""
    if len(known) >= _KEPT:
        known.pop(next(iter(known)))
    known[key] = value
