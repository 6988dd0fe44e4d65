"""Segmentation of the viewed parts of one image by one model: the live engine without its thread.

The methods are generators that yield after every long piece of work, so that the caller can switch to a newer request.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.inference.boxes import Box, clipped, origin_of, pieces, size_of, within
from napari_grd.inference.canvas import Canvas
from napari_grd.inference.lattice import by_distance, lattice_for
from napari_grd.inference.prediction import Prediction, label_plane
from napari_grd.inference.rescale import depth_factor, grid_shape
from napari_grd.inference.runtime import runtime_for
from napari_grd.inference.source import PlaneSource, choose_level
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.inference.view import resolve_view
from napari_grd.live.cache import CellCache
from napari_grd.live.embedder import Embedder, Excerpt
from napari_grd.live.viewport import View, Viewport, central_part, visible_region
from napari_grd.models.model import Model

_VIEW_PIXELS = 2048**2  # maximum size of a view in grid pixels; a larger one is reduced to its middle
_VIEW_PIECE = 640**2  # grid pixels of a network call for the view; larger ones would delay newer views
_IDLE_PIECE = 256**2  # the same in idle time: the maximum delay of a new view
_BLOCK = 1024**2  # grid pixels partitioned together in idle time
_CONTEXT = 64  # grid pixels around such a block, so that it contains whole objects on its border


@dataclass(frozen=True)
class Painted:
    """Labels were written into the canvas.

    Attributes
    ----------
    view : View
        The written region, in pixels of the canvas.
    count : int
        Number of objects in it.
    idle : bool
        False for the view itself, True for the rest of the plane.
    cut : bool
        The view was too large, only its middle is segmented.
    """

    view: View
    count: int
    idle: bool
    cut: bool = False


class LiveSegmenter:
    """Segments views of one source with one model.

    Parameters
    ----------
    source : PlaneSource
        The image.
    model : Model
        A model for planes; for volumes see :class:`~napari_grd.live.slab.SlabSegmenter`.
    config : SegmentConfig
        Runtime, precision, halo and object diameter (in pixels of level 0).
    cache : CellCache
        Cache of network outputs.
    canvas : Canvas, optional
        A canvas with labels of this source; it is reused if it has the right shape.
    linked : bool, default True
        Whether objects keep their ids across planes.

    Attributes
    ----------
    key : hashable
        The source's key at creation.
    level : int
        The pyramid level that is segmented; ``canvas.labels`` has its shape.
    image_view : ImageView
        Scale and inversion of the image for the model, with reasons.

    Raises
    ------
    ConfigError
        If the device is not available, or the image cannot be rescaled as requested.
    ImageError
        If the labels of the image would not fit into memory.
    """

    def __init__(
        self,
        source: PlaneSource,
        model: Model,
        config: SegmentConfig,
        cache: CellCache,
        canvas: Canvas | None = None,
        *,
        linked: bool = True,
    ) -> None:
        self.source = source
        self.key = source.key  # the current key: it changes with the source's data
        self.image_view = resolve_view(source, model.config, config)
        scale = self.image_view.scale
        self.level = choose_level([source.downsample(level) for level in range(source.levels)], scale)
        self._downsample = source.downsample(self.level)
        shape = source.shape(self.level)
        factor = scale * self._downsample
        self._scale = 1.0 if abs(factor - 1) < 0.05 else factor
        depth = depth_factor(model.config, self.image_view.config)
        grid = cast(tuple[int, int], grid_shape(shape, self._scale, depth))
        self._lattice = lattice_for(shape, grid, model.strides)
        full = (*source.plane_shape, *shape)
        fits = canvas is not None and canvas.labels.shape == full and canvas.plane_shape == tuple(source.plane_shape)
        self.canvas = canvas if canvas is not None and fits else Canvas(source.plane_shape, shape, linked=linked)
        self._model = model
        self._cache = cache
        runtime = runtime_for(model, config)
        self._precision = runtime.precision
        self._statistics = SourceStatistics(source, self.level, model.config, self.image_view)
        self._embedder = Embedder(
            source, self.level, self._lattice, model, runtime, config.halo, cache, self._statistics
        )
        # The last viewport. With only another partition (a slider moved) no pixels are read.
        self._seen: tuple[Viewport, Excerpt] | None = None
        # Cells with labels from the partition of a large block, by their content keys.
        self._settled: dict[tuple[tuple[int, ...], int, int], tuple[bytes, PartitionConfig]] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns of a plane of the canvas; of a volume, its planes before them."""
        return self._lattice.shape

    @property
    def nothing_stands_out(self) -> bool:
        """Whether nothing exceeds the noise in any viewed plane."""
        return self._statistics.nothing_stands_out

    def view(self, look: Viewport, partition: PartitionConfig | None = None) -> Iterator[Painted | None]:
        """Segment the visible region.

        Parameters
        ----------
        look : Viewport
            The visible region.
        partition : PartitionConfig, optional
            Default: the model's.

        Yields
        ------
        Painted or None
            None where work may be abandoned. A large view is written piece by piece from its middle, and finally as a
            whole.
        """
        visible = self._cells(look)
        if visible is None:
            return
        cells, cut = visible
        settings = partition or self._model.config.partition
        if self._seen is None or self._seen[0] is not look:
            self._seen = look, self._embedder.excerpt(look.plane, cells)
        excerpt = self._seen[1]
        yield None
        if self._is_settled(look.plane, excerpt, settings):
            box = self._lattice.pixels_of(cells)
            ids = np.unique(self.canvas.labels[look.plane][box])
            yield Painted(View(self.level, look.plane, box), int(np.count_nonzero(ids)), idle=False, cut=cut)
            return
        several = self._area(cells) > _VIEW_PIECE
        for piece in self._embedder.complete(excerpt, self._in_cells(_VIEW_PIECE), draft=True):
            # A small view is not abandoned between network and labels: during a continuous pan every view would be
            # outdated by then.
            if several:
                yield self._paint(look.plane, excerpt.part(piece), settings, cut=cut)
        yield self._paint(look.plane, excerpt, settings, cut=cut)

    def fill(self, look: Viewport, partition: PartitionConfig | None = None) -> Iterator[Painted | None]:
        """Segment the rest of the plane, outwards from the visible region, as far as the cache suffices.

        Parameters
        ----------
        look, partition
            As for :meth:`view`.

        Yields
        ------
        Painted or None
            None after each network call; Painted after each large block, which is partitioned at once with its
            surroundings.
        """
        visible = self._cells(look)
        if visible is None:
            return
        # Half of the cache is reserved for other views.
        budget = self._cache.capacity // 2 // self._embedder.cell_bytes
        for block in by_distance(pieces(self._lattice.whole, self._in_cells(_BLOCK)), visible[0]):
            around = self._with_context(block)
            budget -= math.prod(size_of(around))
            if budget < 0:
                return
            yield from self._block(look.plane, block, partition, _IDLE_PIECE, near=visible[0])

    def prepare(self, look: Viewport) -> Iterator[None]:
        """Run the network on a view in advance, without writing labels; yields after each call."""
        exists = all(
            0 <= coordinate < size for coordinate, size in zip(look.plane, self.source.plane_shape, strict=True)
        )
        visible = self._cells(look) if exists else None
        if visible is not None:
            excerpt = self._embedder.excerpt(look.plane, visible[0])
            yield
            for _ in self._embedder.complete(excerpt, self._in_cells(_IDLE_PIECE), draft=True):
                yield

    def _block(
        self, plane: tuple[int, ...], block: Box, partition: PartitionConfig | None, piece: int, near: Box | None = None
    ) -> Iterator[Painted | None]:
        settings = partition or self._model.config.partition
        excerpt = self._embedder.excerpt(plane, self._with_context(block))
        yield None
        for _ in self._embedder.complete(excerpt, self._in_cells(piece), first=near):
            yield None
        core = excerpt.part(block)
        if not self._is_settled(plane, core, settings):
            yield from self._painting(plane, excerpt, settings, core=block, idle=True)
            self._settle(plane, core, settings)

    def _with_context(self, block: Box) -> Box:
        return clipped(block, self._lattice.cells, [-(-_CONTEXT // side) for side in self._lattice.cell])

    def _cells(self, look: Viewport) -> tuple[Box, bool] | None:
        """The cells that are visible, and whether they are only the middle of the view."""
        region = visible_region(look, self._downsample, self._lattice.shape)
        if region is None:
            return None
        cells = self._lattice.cells_of(region)
        capacity = self._cache.capacity // 2 // self._embedder.cell_bytes
        central = central_part(cells, max(1, min(self._in_cells(_VIEW_PIXELS), capacity)))
        return central, central != cells

    def _in_cells(self, grid_pixels: int) -> int:
        return max(1, grid_pixels // math.prod(self._lattice.cell))

    def _area(self, cells: Box) -> int:
        return math.prod(size_of(self._lattice.grid_of(cells)))

    def _paint(
        self, plane: tuple[int, ...], excerpt: Excerpt, settings: PartitionConfig, *, cut: bool = False
    ) -> Painted | None:
        """:meth:`_painting` without interruption."""
        [*_, painted] = [None, *self._painting(plane, excerpt, settings, cut=cut)]
        return painted

    def _painting(
        self,
        plane: tuple[int, ...],
        excerpt: Excerpt,
        settings: PartitionConfig,
        *,
        part: Box | None = None,
        core: Box | None = None,
        idle: bool = False,
        cut: bool = False,
    ) -> Iterator[Painted | None]:
        """Partition an excerpt whose cells are complete, and write the labels (of objects that extend into a core).

        With ``part``, only these of its pixels are partitioned.
        Of a large block each of the three steps takes a tenth of a second, so it yields None in between.
        """
        prediction = self._prediction(excerpt, part)
        if prediction is None:
            return
        yield None
        labels = label_plane(prediction, settings)
        yield None
        whole = self._lattice.pixels_of(excerpt.cells)
        box = part or whole
        kept = None if core is None else within(self._lattice.pixels_of(core), origin_of(box))
        count = self.canvas.paint(plane, box, labels, core=kept)
        yield Painted(View(self.level, plane, box), count, idle, cut)

    def _prediction(self, excerpt: Excerpt, part: Box | None) -> Prediction | None:
        """The outputs of cells that are complete, for a part of their pixels; None if the cache is too small."""
        assembled = self._embedder.assemble(excerpt)
        if assembled is None:
            return None
        embedding, foreground = assembled
        whole = self._lattice.pixels_of(excerpt.cells)
        box = part or whole
        inner: tuple[slice, ...] = within(box, origin_of(whole))
        places = None
        if self._lattice.rescaled:
            nearest = [indices[span] for indices, span in zip(self._lattice.nearest(excerpt.cells), inner, strict=True)]
            inner = tuple(slice(int(indices[0]), int(indices[-1]) + 1) for indices in nearest)
            places = tuple(indices - indices[0] for indices in nearest)
        return Prediction(
            np.moveaxis(embedding[inner], -1, 0),
            None if foreground is None else foreground[inner],
            self._scale,
            size_of(box),
            self._model.config,
            self._precision,
            excerpt.patch.pixels[:, *within(box, origin_of(excerpt.patch.box))],
            (excerpt.statistics,),
            places,
        )

    def _settle(self, plane: tuple[int, ...], excerpt: Excerpt, settings: PartitionConfig) -> None:
        for (row, column), key in np.ndenumerate(excerpt.keys):
            self._settled[plane, excerpt.cells[0].start + row, excerpt.cells[1].start + column] = key, settings

    def _is_settled(self, plane: tuple[int, ...], excerpt: Excerpt, settings: PartitionConfig) -> bool:
        return all(
            self._settled.get((plane, excerpt.cells[0].start + row, excerpt.cells[1].start + column)) == (key, settings)
            for (row, column), key in np.ndenumerate(excerpt.keys)
        )
