"""What is done with one block, in this process or in a worker of a cluster."""

import threading
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.blockwise.grid import BlockGrid
from napari_grd.blockwise.store import Faces, LabelStore
from napari_grd.errors import GrdError
from napari_grd.inference.boxes import Box, origin_of, within
from napari_grd.inference.memory import return_freed_memory
from napari_grd.inference.prediction import label_plane
from napari_grd.inference.source import PlaneSource, read_patch
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.task import Task, prepare
from napari_grd.inference.view import ImageView
from napari_grd.jobs import drain
from napari_grd.models.model import Model

_NETWORK = threading.Lock()  # it runs on one block at a time: two would compete for the cores, and for memory
_LIGHT = 3_000_000  # parameters of a network that predicts a block at once; others take too much memory
_AT_ONCE = 1024  # the same for the size of tiles in the settings

Outcome = tuple[int, str]
"""Number of a block, and the error; empty if there was none."""


@dataclass(frozen=True, eq=False)
class BlockWork:
    """Everything that a process needs to segment blocks; sent to each worker once.

    Attributes
    ----------
    model : Model
    source : PlaneSource
        The image; read block by block.
    view : ImageView
        Scale and inversion, resolved once for the image.
    grid : BlockGrid
    store : LabelStore
        Where the labels are written.
    """

    model: Model
    source: PlaneSource
    view: ImageView
    grid: BlockGrid
    store: LabelStore

    @cached_property
    def statistics(self) -> SourceStatistics:
        """Intensities of the whole image; every process measures the same."""
        return SourceStatistics(self.source, 0, self.model.config, self.view)

    @cached_property
    def _task(self) -> Task:
        return_freed_memory()
        config = self.view.config
        light = sum(each.numel() for each in self.model.network.parameters()) <= _LIGHT and len(self.grid.shape) == 2
        at_once = light and config.tile >= _AT_ONCE
        task = drain(prepare(self.model, self.grid.shape, config, one_size=at_once))
        # Without tiles a block has a quarter less context to compute, but other runtimes need more memory for it.
        if at_once and task.runtime.name == "openvino":
            return replace(task, config=config.replace(tile=max(config.tile, *self.grid.grid)))
        return task

    def __call__(self, number: int) -> Outcome:
        """Segment a block and store it; an error is returned in words, so that the other blocks are done."""
        import dask

        try:
            # Within a worker, reading a dask array would otherwise wait for the scheduler that runs this task.
            with dask.config.set(scheduler="synchronous"):
                self._segment(number)
        except (GrdError, OSError, ValueError, RuntimeError, MemoryError) as error:
            problem = error.problem if isinstance(error, GrdError) else f"{type(error).__name__}: {error}"
            return number, problem or type(error).__name__
        return number, ""

    def _segment(self, number: int) -> None:
        block = self.grid.block(number)
        plane, _ = self.grid.place(number)
        patch = read_patch(self.source, 0, plane, block.read, self.model.config.in_channels)
        settings = self.view.config.partition or self.model.config.partition
        # The network uses all processors and most of the memory; meanwhile another thread reads, divides and writes.
        with _NETWORK:
            statistics = self.statistics.of(plane)
            prediction, weights = drain(self._task.weigh_block(patch.pixels, block, statistics, settings))
        labels = label_plane(prediction, settings, weights)
        self.store.write_block(
            number, plane, block.core, labels[block.inner], self._faces(number, block.pixels, labels)
        )

    def _faces(self, number: int, pixels: Box, labels: NDArray[np.uint32]) -> Faces:
        """The bands that this block shares with its neighbors."""
        faces: Faces = {}
        for side, neighbor in self.grid.neighbors(number).items():
            band = shared(pixels, self.grid.block(neighbor).pixels)
            faces[side] = labels[within(band, origin_of(pixels))]
        return faces


def shared(first: Box, second: Box) -> Box:
    """The pixels that two overlapping boxes have in common."""
    both = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return cast(Box, tuple(both))
