"""One image through one model, with every setting resolved."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from napari_grd.config import SegmentConfig
from napari_grd.data.inputs import as_image, split_planes
from napari_grd.data.normalize import intensity_range as measure_range
from napari_grd.data.normalize import normalize
from napari_grd.errors import ImageError
from napari_grd.inference.background import in_background
from napari_grd.inference.prediction import Prediction
from napari_grd.inference.rescale import grid_shape, rescale_image, scale_factor
from napari_grd.inference.runtime import Runtime, runtime_for
from napari_grd.inference.tiling import Tile, plan_tiles, run_tiles
from napari_grd.jobs import Job, Progress, Stopwatch
from napari_grd.models import Model

Range = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """What is left to do: planes to predict, and how.

    Attributes
    ----------
    planes : iterator of (C, *S) array
        Read and checked as they are asked for. A volume for a 3D model is one.
    count : int
        Number of planes.
    is_stack : bool
        Whether they are planes of one stack, even if there is only one.
    shape, grid : tuple of int
        Spatial shape of a plane, and of the network's grid for it.
    """

    model: Model
    runtime: Runtime
    planes: Iterator[NDArray[Any]]
    count: int
    is_stack: bool
    shape: tuple[int, ...]
    grid: tuple[int, ...]
    scale: float
    tiles: list[Tile]
    intensity_range: Range | None

    def predict_plane(self, plane: NDArray[Any], watch: Stopwatch, done: int) -> Job[Prediction]:
        """Normalise, rescale and run one plane; ``done`` units of the watch are finished already."""
        config = self.model.config

        def on_grid() -> NDArray[np.float32]:
            found = self.intensity_range
            if found is None:
                found = measure_range(plane, config.normalization)
            return rescale_image(normalize(plane, found), self.grid)

        image = yield from in_background(on_grid, lambda: watch.progress(done))
        channels = self.model.embedding_channels
        embedding, logit = yield from run_tiles(self.runtime, image, self.tiles, channels, watch, done)
        return Prediction(
            np.moveaxis(embedding, -1, 0),
            None if logit is None else expit(logit),
            self.scale,
            self.shape,
            config,
            self.runtime.precision,
        )


def prepare(
    model: Model, image: Any, config: SegmentConfig, axes: str | None, intensity_range: Range | None
) -> Job[Task]:
    """Check an image and settings against a model, and get its runtime ready.

    Parameters and errors are those of :func:`napari_grd.inference.segment.predict`.
    """
    known = model.config
    parts = split_planes(image, axes, ndim=known.ndim)
    if not parts:
        raise ImageError(f"The stack of shape {image.shape} has no planes.", "Pass an image with at least one pixel.")
    images = (as_image(part, rest, ndim=known.ndim, in_channels=known.in_channels) for part, rest in parts)
    first = next(images)
    shape = first.shape[1:]
    if intensity_range is not None:
        intensity_range = _checked_range(intensity_range, known.in_channels)
    scale = scale_factor(known, config)
    grid = grid_shape(shape, scale)
    runtime = yield from in_background(lambda: runtime_for(model, config), lambda: Progress("Preparing", 0, 1))
    return Task(
        model,
        runtime,
        chain([first], images),
        len(parts),
        known.ndim == 2 and axes is not None and "z" in axes,
        shape,
        grid,
        scale,
        plan_tiles(grid, tile=config.tile, halo=config.halo, stride=model.stride),
        intensity_range,
    )


def _checked_range(values: Range, channels: int) -> Range:
    result = np.asarray(values, np.float32)
    if result.shape != (channels, 2):
        raise ImageError(
            f"intensity_range has shape {result.shape}.", f"Pass low and high for each channel: ({channels}, 2)."
        )
    return result
