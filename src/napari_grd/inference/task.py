"""One model on the planes of one image, with every setting resolved."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from napari_grd.config import SegmentConfig
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.inference.background import in_background
from napari_grd.inference.blocks import Block, is_whole, plan_blocks
from napari_grd.inference.boxes import Box, origin_of, size_of, within
from napari_grd.inference.prediction import Prediction
from napari_grd.inference.rescale import depth_factor, grid_shape, rescale_image, rescale_region, scale_factor
from napari_grd.inference.runtime import Runtime, runtime_for
from napari_grd.inference.tiling import Tile, plan_tiles, run_tiles
from napari_grd.jobs import Job, Notice, Progress, Stopwatch
from napari_grd.models.model import Model


@dataclass(frozen=True, eq=False)
class Task:
    """A model prepared for planes (or volumes) of one shape.

    Attributes
    ----------
    shape, grid : tuple of int
        Spatial shape of a plane, and of the network's grid for it.
    scale : float
        Pixels of the grid per pixel of the plane.
    """

    model: Model
    runtime: Runtime
    config: SegmentConfig
    shape: tuple[int, ...]
    grid: tuple[int, ...]
    scale: float

    @property
    def tiles(self) -> list[Tile]:
        """Of a whole plane."""
        return self._tiles(self.grid)

    def blocks(self, region: Box | None = None) -> list[Block]:
        """The blocks in which a plane, or a region of it in pixels, is segmented."""
        (height, width), (rows, columns) = self.shape, self.grid
        settings = self.config.partition or self.model.config.partition
        return plan_blocks(
            (height, width),
            (rows, columns),
            halo=self.config.halo,
            stride=self.model.stride,
            spacing=settings.stride,
            region=region,
        )

    def steps(self, block: Block) -> int:
        """Tiles of a block."""
        return len(self._tiles(size_of(block.seen)))

    def predict(
        self, pixels: NDArray[Any], statistics: PlaneStatistics, watch: Stopwatch, done: int
    ) -> Job[Prediction]:
        """Normalize, rescale and predict a whole plane ``(C, *S)``; ``done`` units of the watch are finished."""

        def on_grid() -> NDArray[np.float32]:
            return rescale_image(statistics.normalize(pixels), self.grid)

        image = yield from in_background(on_grid, lambda: watch.progress(done))
        embedding, logit = yield from self._run(image, watch, done)
        return self._prediction(embedding, logit, self.shape, pixels, statistics)

    def predict_block(
        self, pixels: NDArray[Any], block: Block, statistics: PlaneStatistics, watch: Stopwatch, done: int
    ) -> Job[Prediction]:
        """The same of a block, from the pixels ``(C, h, w)`` of its ``read``; the prediction is of its ``pixels``."""
        if is_whole(block, self.grid):
            return (yield from self.predict(pixels, statistics, watch, done))

        def on_grid() -> NDArray[np.float32]:
            image = statistics.normalize(pixels)
            return rescale_region(image, block.read, self.shape, self.grid, block.seen)

        image = yield from in_background(on_grid, lambda: watch.progress(done))
        embedding, logit = yield from self._run(image, watch, done, within(block.grid, origin_of(block.seen)))
        inside = within(block.pixels, origin_of(block.read))
        return self._prediction(
            embedding, logit, size_of(block.pixels), pixels[:, *inside], statistics, places=block.places
        )

    def _run(
        self, image: NDArray[np.float32], watch: Stopwatch, done: int, inside: Box | None = None
    ) -> Job[tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
        channels = self.model.embedding_channels
        tiles = self._tiles(image.shape[1:])
        entry = self.model.entry
        return (yield from run_tiles(self.runtime, image, tiles, channels, watch, done, inside=inside, entry=entry))

    def _tiles(self, grid: tuple[int, ...]) -> list[Tile]:
        entry, halo = self.model.entry, (self.config.halo,) * len(grid)
        reach = entry.halo or (math.inf,) * len(grid)
        if entry.halo is not None:
            # Valid convolutions read their margin in any case.
            pairs = zip(entry.halo, halo, entry.margin, strict=True)
            halo = tuple(most if margin else min(most, given) for most, given, margin in pairs)
        return plan_tiles(
            grid,
            tile=self.config.tile,
            halo=halo,
            stride=entry.strides,
            margin=entry.margin,
            blend=[most > given for most, given in zip(reach, halo, strict=True)],
        )

    def _prediction(
        self,
        embedding: NDArray[np.float32],
        logit: NDArray[np.float32] | None,
        shape: tuple[int, ...],
        pixels: NDArray[Any],
        statistics: PlaneStatistics,
        *,
        places: tuple[NDArray[np.intp], ...] | None = None,
    ) -> Prediction:
        return Prediction(
            np.moveaxis(embedding, -1, 0),
            None if logit is None else expit(logit),
            self.scale,
            shape,
            self.model.config,
            self.runtime.precision,
            pixels,
            (statistics,),
            places,
        )


def prepare(model: Model, shape: tuple[int, ...], config: SegmentConfig, *, downsample: float = 1.0) -> Job[Task]:
    """Check settings against a model, and prepare its runtime.

    Parameters
    ----------
    model : Model
    shape : tuple of int
        Spatial shape of a plane (or volume) in pixels of the level that is segmented.
    config : SegmentConfig
    downsample : float
        Pixels of the finest level, to which sizes in the settings refer, per pixel of that level.

    Yields
    ------
    Notice
        If an axis is shorter than what a network of valid convolutions removes at each side.

    Raises
    ------
    ConfigError
        If the device is not available, or the image cannot be rescaled as requested.
    """
    scale = scale_factor(model.config, config, downsample)
    grid = grid_shape(shape, scale, depth_factor(model.config, config))
    axes = zip("zyx"[-len(grid) :], grid, model.margin, strict=True)
    short = [f"{size} along {axis} (and {margin} are removed)" for axis, size, margin in axes if size <= margin]
    if short:
        yield Notice(
            f"The image is smaller than the field of view of the network {model.entry.name!r}, which removes pixels at"
            f" each side: it has {', '.join(short)}. It is extended by repeated reflection, so objects may be wrong."
            " Use a larger image, or a model of a network with padding."
        )
    runtime = yield from in_background(lambda: runtime_for(model, config), lambda: Progress("Preparing", 0, 1))
    return Task(model, runtime, config, shape, grid, scale)
