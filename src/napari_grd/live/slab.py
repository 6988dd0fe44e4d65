"""Segmentation of a slab of a volume: the planes around the one that is looked at, where they are visible.

The slab follows the view in steps: it stays while the viewed plane is well inside it, so that scrolling a little
changes nothing, and moves to the viewed plane otherwise. Network outputs are cached in cells of several planes, so that
most of a moved slab is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import PartitionConfig, SegmentConfig
from napari_grd.inference.boxes import Box, size_of
from napari_grd.inference.canvas import Canvas
from napari_grd.inference.source import PlaneSource
from napari_grd.inference.volume_source import VolumeSource
from napari_grd.jobs import Job, Progress, Stopwatch
from napari_grd.live.cache import CellCache
from napari_grd.live.embedder import Excerpt
from napari_grd.live.segmenter import LiveSegmenter, Painted
from napari_grd.live.viewport import View, Viewport, central_part, visible_region
from napari_grd.models.model import Model

PLANES = 9
"""Planes of a slab, unless another number is asked for."""

_VIEW_VOXELS = 2**23  # maximum number of voxels of the cells of a view; of a larger one the middle is segmented
_VIEW_PIECE = 5 * 2**19  # voxels of a network call for the view: bounds its memory
_AHEAD_PIECE = 2**19  # the same in idle time: the maximum delay of a new view
_IDLE_PIECE = 2**17  # the same with all of the context
_ROWS = 256  # of a plane that is predicted at once
_UNLIMITED = 2**62
_STAYS = 4  # a slab stays while the plane is not among the outermost ``planes / _STAYS`` on either side


@dataclass(frozen=True, eq=False)
class _Slab:
    """A part of a volume that was segmented, and from what."""

    excerpt: Excerpt
    box: Box
    settings: PartitionConfig
    exact: bool

    def shows(self, excerpt: Excerpt, box: Box, settings: PartitionConfig) -> bool:
        """Whether these voxels, of these contents, have labels by these settings."""
        spans = zip((*excerpt.cells, *box), (*self.excerpt.cells, *self.box), strict=True)
        inside = all(new.start >= old.start and new.stop <= old.stop for new, old in spans)
        if not inside or self.excerpt.plane != excerpt.plane or self.settings != settings:
            return False
        here = self.excerpt.part(excerpt.cells)
        return bool((here.keys == excerpt.keys).all() and (here.drafts == excerpt.drafts).all())


class SlabSegmenter(LiveSegmenter):
    """Segments slabs of the volumes of one source with one model.

    Parameters
    ----------
    source : PlaneSource
        The image, as planes of y and x; the last of its axes of planes is z.
    model : Model
        A model for volumes.
    config, cache, canvas
        As for :class:`~napari_grd.live.segmenter.LiveSegmenter`.
    planes : int
        Planes of a slab, along the axis at which one looks.

    Notes
    -----
    The network sees what is beyond the slab; the partition does not. So objects are as in the whole volume where the
    slab shows enough of them, and an object that joins others beyond it may have several numbers in it.
    """

    def __init__(
        self,
        source: PlaneSource,
        model: Model,
        config: SegmentConfig,
        cache: CellCache,
        canvas: Canvas | None = None,
        *,
        planes: int = PLANES,
    ) -> None:
        super().__init__(cast(PlaneSource, VolumeSource(source)), model, config, cache, canvas)
        self._count = planes
        self._span: tuple[int, slice] | None = None
        self._slab: _Slab | None = None

    def view(self, look: Viewport, partition: PartitionConfig | None = None) -> Iterator[Painted | None]:
        """Segment the visible part of the slab around the viewed plane.

        Parameters
        ----------
        look : Viewport
            Of three axes.
        partition : PartitionConfig, optional
            Default: the model's.

        Yields
        ------
        Painted or None
            None where work may be abandoned.
        """
        visible = self._part(look, self._settled_span(look))
        if visible is None:
            return
        cells, box, cut = visible
        settings = partition or self._model.config.partition
        if self._seen is None or self._seen[0] is not look:
            self._seen = look, self._embedder.excerpt(look.plane, cells, draft=True)
        excerpt = self._seen[1]
        yield None
        if self._slab is not None and self._slab.shows(excerpt, box, settings):
            count = int(np.count_nonzero(np.unique(self.canvas.labels[look.plane][box])))
            yield Painted(View(self.level, look.plane, box, look.across), count, idle=False, cut=cut)
            return
        if _is_constant(excerpt):
            self.canvas.labels[look.plane][box] = 0
            yield Painted(View(self.level, look.plane, box, look.across), 0, idle=False, cut=cut)
            return
        for _ in self._embedder.complete(excerpt, self._in_cells(_VIEW_PIECE), draft=True):
            yield None
        exact = self._embedder.is_exact(excerpt)
        for painted in self._painting(look.plane, excerpt, settings, part=box, cut=cut):
            if painted is not None:
                painted = replace(painted, view=replace(painted.view, across=look.across))
                self._slab = _Slab(excerpt, box, settings, exact)
            yield painted

    def fill(self, look: Viewport, partition: PartitionConfig | None = None) -> Iterator[Painted | None]:
        """Segment the visible part of the slab again, with all context that the network sees.

        Parameters
        ----------
        look, partition
            As for :meth:`view`.

        Yields
        ------
        Painted or None
            None after each network call; Painted once, if anything was missing.
        """
        visible = self._part(look, self._settled_span(look))
        if visible is None or (self._slab is not None and self._slab.exact):
            return
        cells, box, cut = visible
        settings = partition or self._model.config.partition
        excerpt = self._embedder.excerpt(look.plane, cells)
        yield None
        if _is_constant(excerpt):
            return
        for _ in self._embedder.complete(excerpt, self._in_cells(_IDLE_PIECE)):
            yield None
        for painted in self._painting(look.plane, excerpt, settings, part=box, idle=True, cut=cut):
            if painted is not None:
                painted = replace(painted, view=replace(painted.view, across=look.across))
                self._slab = _Slab(excerpt, box, settings, exact=True)
            yield painted

    def prepare(self, look: Viewport) -> Iterator[None]:
        """Run the network on the slab around a plane in advance; yields after each call."""
        span = self._span_around(look)
        visible = None if span is None else self._part(look, span)
        if visible is not None:
            excerpt = self._embedder.excerpt(look.plane, visible[0], draft=True)
            yield
            for _ in self._embedder.complete(excerpt, self._in_cells(_AHEAD_PIECE), draft=True):
                yield

    def predict_rows(
        self, plane: tuple[int, ...], z: int, rows: slice
    ) -> Job[tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
        """Embedding ``(h, W, C)`` and foreground of some rows of one plane of y and x, on the image's pixels."""
        box = cast(Box, (slice(z, z + 1), rows, slice(0, self.shape[2])))
        excerpt = self._embedder.excerpt(plane, self._lattice.cells_of(box))
        for _ in self._embedder.complete(excerpt, self._in_cells(_VIEW_PIECE), draft=True):
            yield Progress("Predicting", 0, 1)
        prediction = self._prediction(excerpt, box)
        assert prediction is not None, "the cache is unlimited"
        self._embedder.clear()
        depth, *here = prediction.places or tuple(np.arange(size) for size in prediction.shape)
        at_pixels = (depth[0], *np.ix_(*here))
        foreground = None if prediction.foreground is None else prediction.foreground[at_pixels]
        return np.moveaxis(prediction.embedding, 0, -1)[at_pixels], foreground

    def _settled_span(self, look: Viewport) -> slice | None:
        """The planes of the slab: the current ones, if the viewed one is well inside them."""
        axis, z = look.across, round(look.low[look.across])
        size = self._lattice.shape[axis]
        if self._span is not None and self._span[0] == axis:
            span = self._span[1]
            outer = (span.stop - span.start) // _STAYS
            first = span.start + outer if span.start else 0
            last = span.stop - outer if span.stop < size else size
            if first <= z < last:
                return span
        planes = self._span_around(look)
        if planes is not None:
            self._span = axis, planes
        return planes

    def _span_around(self, look: Viewport) -> slice | None:
        z, size = round(look.low[look.across]), self._lattice.shape[look.across]
        if not 0 <= z < size:
            return None
        start = min(max(0, z - self._count // 2), max(0, size - self._count))
        return slice(start, min(start + self._count, size))

    def _part(self, look: Viewport, span: slice | None) -> tuple[Box, Box, bool] | None:
        """The cells of a slab that are visible, its voxels in them, and whether these are only the middle of it."""
        if span is None:
            return None
        axis = look.across
        low, high = list(look.low), list(look.high)
        low[axis], high[axis] = span.start, span.stop - 1
        region = visible_region(replace(look, low=tuple(low), high=tuple(high)), 1, self._lattice.shape)
        if region is None:
            return None
        cells = self._lattice.cells_of(region)
        limit = min(self._in_cells(_VIEW_VOXELS), self._cache.capacity // 2 // self._embedder.cell_bytes)
        depth = size_of(cells)[axis]
        plane = cast(Box, cells[:axis] + cells[axis + 1 :])
        rows, columns = central_part(plane, max(1, limit // depth))
        central = [rows, columns]
        central.insert(axis, cells[axis])
        kept = cast(Box, tuple(central))
        box = list(self._lattice.pixels_of(kept))
        box[axis] = slice(max(box[axis].start, span.start), min(box[axis].stop, span.stop))
        return kept, cast(Box, tuple(box)), kept != cells


def _is_constant(excerpt: Excerpt) -> bool:
    """Whether there is nothing here, and nothing in the whole volume stands out."""
    statistics, pixels = excerpt.statistics, excerpt.patch.pixels
    return not statistics.scanned or (not statistics.stands_out and bool((pixels == pixels.flat[0]).all()))


def iter_predict_volume_plane(
    source: PlaneSource, model: Model, config: SegmentConfig, plane: tuple[int, ...]
) -> Job[tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
    """Predict a plane of y and x of a volume, with the context of a slab's first labels.

    Parameters
    ----------
    source : PlaneSource
        As for :class:`SlabSegmenter`.
    model : Model
        A model for volumes.
    config : SegmentConfig
    plane : tuple of int
        Index along all axes of planes; the last is z.

    Returns
    -------
    embedding : (H, W, C) float32
        On the image's pixels.
    foreground : (H, W) float32 or None
    """
    *rest, z = plane
    yield Progress("Analyzing the image", 0, 1)
    live = SlabSegmenter(source, model, config, CellCache(_UNLIMITED), planes=1)
    starts = range(0, live.shape[1], _ROWS)
    watch = Stopwatch("Predicting", len(starts))
    parts = []
    for number, start in enumerate(starts):
        yield watch.progress(number)
        rows = slice(start, min(start + _ROWS, live.shape[1]))
        parts.append((yield from live.predict_rows(tuple(rest), z, rows)))
    probabilities = [foreground for _, foreground in parts if foreground is not None]
    embedding = np.concatenate([embedding for embedding, _ in parts])
    return embedding, np.concatenate(probabilities) if probabilities else None
