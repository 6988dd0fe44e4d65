"""One model on the planes of one image, with every setting resolved."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.graph.partition import EdgeWeights
from napari_grd.inference.background import in_background
from napari_grd.inference.blocks import Block, is_whole, plan_blocks
from napari_grd.inference.boxes import Box, origin_of, size_of, within
from napari_grd.inference.prediction import Prediction
from napari_grd.inference.rescale import depth_factor, grid_shape, rescale_image, rescale_region, scale_factor
from napari_grd.inference.runtime import Runtime, runtime_for
from napari_grd.inference.tiling import Take, Tile, plan_tiles, run_tiles
from napari_grd.jobs import Job, Notice, Progress, Stopwatch
from napari_grd.models.compact import compact
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
        prediction: Prediction = yield from self._on_plane(pixels, None, statistics, watch, done)
        return prediction

    def predict_block(
        self, pixels: NDArray[Any], block: Block, statistics: PlaneStatistics, watch: Stopwatch, done: int
    ) -> Job[Prediction]:
        """The same of a block, from the pixels ``(C, h, w)`` of its ``read``; the prediction is of its ``pixels``."""
        prediction: Prediction = yield from self._on_plane(pixels, block, statistics, watch, done)
        return prediction

    def weigh_block(
        self, pixels: NDArray[Any], block: Block, statistics: PlaneStatistics, config: PartitionConfig
    ) -> Job[tuple[Prediction, EdgeWeights]]:
        """The edge weights for a partition with these settings, and a prediction that is NaN, without its memory."""

        def weigh(prediction: Prediction) -> tuple[Prediction, EdgeWeights]:
            # Memory of one value.
            embedding = np.broadcast_to(np.float32(np.nan), prediction.embedding.shape)
            foreground = None if prediction.foreground is None else embedding[0]
            return replace(prediction, embedding=embedding, foreground=foreground), prediction.edge_weights(config)

        weighed: tuple[Prediction, EdgeWeights] = yield from self._on_plane(
            pixels, block, statistics, Stopwatch("", self.steps(block)), 0, weigh
        )
        return weighed

    def _on_plane(
        self,
        pixels: NDArray[Any],
        block: Block | None,
        statistics: PlaneStatistics,
        watch: Stopwatch,
        done: int,
        use: Callable[[Prediction], Any] | None = None,
    ) -> Job[Any]:
        """The prediction of a plane, or a block of it, or what ``use`` makes of it without a copy of the embedding."""
        if block is not None and is_whole(block, self.grid):
            block = None

        def on_grid() -> NDArray[np.float32]:
            image = statistics.normalize(pixels)
            if block is None:
                return rescale_image(image, self.grid)
            return rescale_region(image, block.read, self.shape, self.grid, block.seen)

        def prediction(embedding: NDArray[np.float32], logit: NDArray[np.float32] | None) -> Prediction:
            inside = None if block is None else within(block.pixels, origin_of(block.read))
            return Prediction(
                np.moveaxis(embedding, -1, 0),
                None if logit is None else expit(logit),
                self.scale,
                self.shape if block is None else size_of(block.pixels),
                self.model.config,
                self.runtime.precision,
                pixels if inside is None else pixels[:, *inside],
                (statistics,),
                None if block is None else block.places,
            )

        image = yield from in_background(on_grid, lambda: watch.progress(done))
        kept = None if block is None else within(block.grid, origin_of(block.seen))
        take: Take | None = None if use is None else lambda *output: use(prediction(*output))
        result = yield from run_tiles(
            self.runtime,
            image,
            self._tiles(image.shape[1:]),
            self.model.embedding_channels,
            watch,
            done,
            inside=kept,
            entry=self.model.entry,
            take=take,
        )
        return prediction(*result) if use is None else result

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


def prepare(
    model: Model,
    shape: tuple[int, ...],
    config: SegmentConfig,
    *,
    downsample: float = 1.0,
    one_size: bool = False,
    for_labels: bool = False,
) -> Job[Task]:
    """Check settings against a model, and prepare its runtime.

    Parameters
    ----------
    model : Model
    shape : tuple of int
        Spatial shape of a plane (or volume) in pixels of the level that is segmented.
    config : SegmentConfig
    downsample : float
        Pixels of the finest level, to which sizes in the settings refer, per pixel of that level.
    one_size : bool
        For many blocks of few sizes, see :func:`~napari_grd.inference.runtime.runtime_for`.
    for_labels : bool
        Predictions are partitioned, nothing else: see :func:`~napari_grd.models.compact.compact`.

    Yields
    ------
    Notice
        If an axis is shorter than what a network of valid convolutions removes at each side.

    Raises
    ------
    ConfigError
        If the device is not available, or the image cannot be rescaled as requested.
    """
    model = compact(model) if for_labels else model
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
    runtime = yield from in_background(
        lambda: runtime_for(model, config, one_size=one_size), lambda: Progress("Preparing", 0, 1)
    )
    return Task(model, runtime, config, shape, grid, scale)
