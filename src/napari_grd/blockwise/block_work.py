"""What is done with one block, in this process or in a worker of a cluster."""

import sys
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.blockwise.grid import BlockGrid
from napari_grd.blockwise.store import Faces, LabelStore
from napari_grd.blockwise.turns import Turns
from napari_grd.config import SegmentConfig
from napari_grd.errors import GrdError
from napari_grd.inference.boxes import Box, origin_of, within
from napari_grd.inference.memory import freed_memory_returned
from napari_grd.inference.prediction import label_plane
from napari_grd.inference.runtime import runtime_name
from napari_grd.inference.source import PlaneSource, read_patch
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.task import Task, prepare
from napari_grd.inference.view import ImageView
from napari_grd.jobs import drain
from napari_grd.models.model import Model

_turns = Turns()  # of the threads of this process; two networks at a time would also take twice the memory
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

    def __getstate__(self) -> dict[str, Any]:
        # Workers fetch it from one that has begun, too: what is cached there holds locks, and a block would be lost.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def statistics(self) -> SourceStatistics:
        """Intensities of the whole image; every process measures the same."""
        return SourceStatistics(self.source, 0, self.model.config, self.view)

    @cached_property
    def _task(self) -> Task:
        config, at_once = self.view.config, predicts_at_once(self.model, self.grid, self.view.config)
        config = config.replace(threads=config.threads or _threads_of_worker())
        task = drain(prepare(self.model, self.grid.shape, config, one_size=at_once, for_labels=True))
        return replace(task, config=config.replace(tile=max(config.tile, *self.grid.grid))) if at_once else task

    def __call__(self, number: int) -> Outcome:
        """Segment a block and store it; an error is returned in words, so that the other blocks are done."""
        import dask

        try:
            # torch allocates memory for each layer: returning all of it would take longer than the network.
            returned = freed_memory_returned() if self._task.runtime.name == "openvino" else nullcontext()
            # Within a worker, reading a dask array would otherwise wait for the scheduler that runs this task.
            with returned, dask.config.set(scheduler="synchronous"):
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
        with _turns.alone():
            statistics = self.statistics.of(plane)
            prediction, weights = drain(self._task.weigh_block(patch.pixels, block, statistics, settings))
        with _turns.beside():
            labels = label_plane(prediction, settings, weights)
            faces = self._faces(number, block.pixels, labels)
            self.store.write_block(number, plane, block.core, labels[block.inner], faces)

    def _faces(self, number: int, pixels: Box, labels: NDArray[np.uint32]) -> Faces:
        """The bands that this block shares with its neighbors."""
        faces: Faces = {}
        for side, neighbor in self.grid.neighbors(number).items():
            band = shared(pixels, self.grid.block(neighbor).pixels)
            faces[side] = labels[within(band, origin_of(pixels))]
        return faces


def _threads_of_worker() -> int:
    """The threads of the dask worker in which this runs, which may have neighbors on the same computer; else 0, all."""
    distributed: Any = sys.modules.get("distributed")
    try:
        return int(distributed.get_worker().state.nthreads) if distributed else 0
    except ValueError:  # in no worker
        return 0


def predicts_at_once(model: Model, grid: BlockGrid, config: SegmentConfig) -> bool:
    """Whether the network sees a block as a whole: without tiles there is a quarter less context to compute.

    Only OpenVINO does, of a small network, because others take too much memory.
    """
    light = sum(each.numel() for each in model.network.parameters()) <= _LIGHT and len(grid.shape) == 2
    return light and config.tile >= _AT_ONCE and runtime_name(model, config) == "openvino"


def shared(first: Box, second: Box) -> Box:
    """The pixels that two overlapping boxes have in common."""
    both = (slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return cast(Box, tuple(both))
