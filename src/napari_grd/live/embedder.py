"""Network outputs of a plane (or volume) by cell, from the cache or a minimal number of network calls."""

import math
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from napari_grd.data.fingerprint import model_fingerprint
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.inference.boxes import Box, clipped, common, origin_of, pieces, size_of, within
from napari_grd.inference.lattice import Lattice, by_distance, cover
from napari_grd.inference.rescale import rescale_region
from napari_grd.inference.runtime import Runtime
from napari_grd.inference.source import Patch, PlaneSource, read_patch
from napari_grd.inference.statistics import SourceStatistics
from napari_grd.live.cache import CellCache
from napari_grd.live.contents import DIGEST, Digests, block_digests, cell_keys
from napari_grd.live.half import from_half, to_half
from napari_grd.models.model import Model
from napari_grd.models.registry import NetworkEntry

_DRAFT_HALO = 32  # grid pixels
_DRAFT_HALO_Z = 8  # the same along z: with 4, neurites are split that are whole with all context
_REMEMBERED = 64  # number of planes whose digests are stored, and of parts with all of their context


@dataclass(eq=False)
class _Plane:
    statistics: PlaneStatistics
    digests: Digests  # of all its blocks of pixels, empty if not read yet


@dataclass(frozen=True, eq=False)
class _Read:
    plane: tuple[int, ...]
    blocks: Box
    pixels: NDArray[Any]
    digests: Digests


@dataclass(frozen=True, eq=False)
class Excerpt:
    """Pixels of a part of a plane, and the keys of its network outputs.

    Attributes
    ----------
    plane : tuple of int
        Which plane.
    patch : Patch
        The cells' pixels with their context.
    cells : (slice, slice)
        The cells of the plane.
    keys : (rows, columns) array of bytes
        Key of each cell's output; empty if less context was read.
    drafts : (rows, columns) array of bytes
        Key of its output with less context.
    """

    plane: tuple[int, ...]
    patch: Patch
    statistics: PlaneStatistics = field(repr=False)
    cells: Box
    keys: NDArray[Any] = field(repr=False)
    drafts: NDArray[Any] = field(repr=False)

    def part(self, cells: Box) -> "Excerpt":
        """The excerpt of some of the cells."""
        inside = within(cells, origin_of(self.cells))
        return replace(self, cells=cells, keys=self.keys[inside], drafts=self.drafts[inside])


class Embedder:
    """Runs a model on cells of the planes of one source, with a cache.

    Parameters
    ----------
    source : PlaneSource
        The image.
    level : int
        Pyramid level that is read.
    lattice : Lattice
        Cells of a plane at that level.
    model : Model
        The model.
    runtime : Runtime
        Its network.
    halo : int
        Context of the network around a cell in grid pixels, at most what a network for volumes sees; for a draft at
        most ``_DRAFT_HALO``, along z ``_DRAFT_HALO_Z``.
    cache : CellCache
        Shared with other embedders: keys are unique.
    statistics : SourceStatistics
        Range and noise of the planes.
    """

    def __init__(
        self,
        source: PlaneSource,
        level: int,
        lattice: Lattice,
        model: Model,
        runtime: Runtime,
        halo: int,
        cache: CellCache,
        statistics: SourceStatistics,
    ) -> None:
        self._source = source
        self._level = level
        self._lattice = lattice
        self._model = model
        self._runtime = runtime
        self._halo, self._draft_halo = _halos(model.entry, halo)
        self._cache = cache
        self._planes: dict[tuple[int, ...], _Plane] = {}
        self._statistics = statistics
        places = (lattice.shape, lattice.grid) if lattice.rescaled else ()
        self._base = repr((model_fingerprint(model), runtime.precision, lattice.cell, *places)).encode()
        self._last: _Read | None = None
        self._exact: deque[tuple[tuple[int, ...], Box]] = deque(maxlen=_REMEMBERED)
        self._room = np.empty(0, np.float32)
        self._assembled: tuple[Hashable, tuple[NDArray[np.float32], NDArray[np.float32] | None]] | None = None

    @property
    def cell_bytes(self) -> int:
        """Size of a cell in the cache."""
        channels = self._model.embedding_channels + int(self._model.config.foreground)
        return math.prod(self._lattice.cell) * channels * np.dtype(np.float16).itemsize

    def excerpt(self, plane: tuple[int, ...], cells: Box, *, draft: bool = False) -> Excerpt:
        """Read cells with their context.

        The intensity range is measured when a plane is first read, and again after pixels have changed.

        Parameters
        ----------
        plane : tuple of int
        cells : (slice, slice)
        draft : bool
            Only the context of drafts, unless more was used for one of the cells already.
        """
        lattice, config = self._lattice, self._model.config
        draft = draft and not any(other == plane and common(box, cells) for other, box in self._exact)
        blocks = lattice.blocks_seen(cells, self._draft_halo if draft else self._halo)
        patch = read_patch(
            self._source, self._level, plane, clipped(blocks, lattice.shape, unit=lattice.cell), config.in_channels
        )
        digests = self._digests(plane, blocks, patch.pixels)
        remembered = self._planes.get(plane)
        if remembered is None or _changed(remembered.digests[blocks], digests):
            remembered = self._remember(plane)
        remembered.digests[blocks] = digests
        base = self._base + repr(patch.pixels.dtype.str).encode() + remembered.statistics.key
        drafts = cell_keys(digests, blocks, lattice, cells, self._draft_halo, base + b"\1")
        keys = np.full(drafts.shape, b"", object)
        if not draft:
            keys = cell_keys(digests, blocks, lattice, cells, self._halo, base + b"\0")
        return Excerpt(plane, patch, remembered.statistics, cells, keys, drafts)

    def _digests(self, plane: tuple[int, ...], blocks: Box, pixels: NDArray[Any]) -> Digests:
        """Those of blocks of pixels. Voxels read last time that have not changed are compared, not hashed."""
        if len(blocks) < 3:  # pixels of a plane may be those of the image itself, and would change with them
            return block_digests(pixels, self._lattice.cell)
        digests = np.zeros(size_of(blocks), DIGEST)
        missing = np.ones(digests.shape, bool)
        if self._last is not None and self._last.plane == plane:
            both = common(blocks, self._last.blocks)
            if both is not None:
                new, old = within(both, origin_of(blocks)), within(both, origin_of(self._last.blocks))
                if np.array_equal(self._voxels(pixels, new), self._voxels(self._last.pixels, old)):
                    digests[new] = self._last.digests[old]
                    missing[new] = False
        for part in cover(missing, 0):
            digests[part] = block_digests(self._voxels(pixels, part), self._lattice.cell)
        self._last = _Read(plane, blocks, pixels, digests)
        return digests

    def _voxels(self, pixels: NDArray[Any], blocks: Box) -> NDArray[Any]:
        """Those of some blocks of pixels that begin at the corner of a block."""
        voxels: NDArray[Any] = pixels[(slice(None), *clipped(blocks, pixels.shape[1:], unit=self._lattice.cell))]
        return voxels

    def complete(self, excerpt: Excerpt, limit: int, *, draft: bool = False, first: Box | None = None) -> Iterator[Box]:
        """Run the network for missing outputs; yields each piece of cells when it is complete.

        Parameters
        ----------
        excerpt : Excerpt
            Which cells.
        limit : int
            Maximum number of cells per network call.
        draft : bool
            With a reduced halo, and only where there is no draft yet: faster, and for networks with a small receptive
            field with an error below that of bf16.
        first : (slice, slice), optional
            Cells to begin with; default: the center.
        """
        missing = np.vectorize(lambda key: key not in self._cache, otypes=[bool])(excerpt.keys)
        if draft:
            missing &= np.vectorize(lambda key: key not in self._cache, otypes=[bool])(excerpt.drafts)
        if not draft:
            self._exact.append((excerpt.plane, excerpt.cells))
        origin = origin_of(excerpt.cells)
        halo = self._draft_halo if draft else self._halo
        boxes = cover(missing, [-(-2 * more // side) for more, side in zip(halo, self._lattice.cell, strict=True)])
        parts = [within(part, [-start for start in origin]) for box in boxes for part in pieces(box, limit)]
        for cells in by_distance(parts, first or excerpt.cells):
            part = excerpt.part(cells)
            self._run(part, part.drafts if draft else part.keys, halo)
            yield cells

    def clear(self) -> None:
        """Forget all outputs."""
        self._cache.clear()
        self._assembled = self._last = None

    def is_exact(self, excerpt: Excerpt) -> bool:
        """Whether the outputs of cells with all of their context are known, not only drafts."""
        return all(key in self._cache for key in excerpt.keys.flat)

    def assemble(self, excerpt: Excerpt) -> tuple[NDArray[np.float32], NDArray[np.float32] | None] | None:
        """Embedding ``(h, w, C)`` and foreground probability ``(h, w)`` of cells that are complete.

        Returns None if one is missing, because the cache is too small for all.
        The last result is stored, because it is needed again whenever a slider moves.
        """
        best = np.where([key in self._cache for key in excerpt.keys.flat], excerpt.keys.flat, excerpt.drafts.flat)
        token = (excerpt.cells, tuple(best))
        if self._assembled is not None and self._assembled[0] == token:
            return self._assembled[1]
        inside = self._lattice.grid_of(excerpt.cells)
        channels = self._model.embedding_channels
        shape = size_of(inside)
        size = math.prod(shape) * channels
        # Reused memory: allocating it costs more than writing to it.
        self._assembled = None
        if self._room.size < size:
            self._room = np.empty(size, np.float32)
        embedding = self._room[:size].reshape(*shape, channels)
        logit = np.empty(shape, np.float32) if self._model.config.foreground else None
        for key, target in zip(best, product(*self._lattice.cells_in(excerpt.cells)), strict=True):
            output = self._cache.get(key)
            if output is None:
                return None
            values = from_half(cast(NDArray[np.float16], output))
            embedding[target] = values[..., :channels]
            if logit is not None:
                logit[target] = values[..., channels]
        result = embedding, (None if logit is None else expit(logit))
        self._assembled = token, result
        return result

    def _run(self, excerpt: Excerpt, keys: NDArray[Any], halo: tuple[int, ...]) -> None:
        lattice = self._lattice
        inside = lattice.grid_of(excerpt.cells)
        seen = lattice.seen(excerpt.cells, halo)
        box = lattice.pixels_seen(excerpt.cells, halo)
        part = within(box, origin_of(excerpt.patch.box))
        image = excerpt.statistics.normalize(excerpt.patch.pixels[:, *part])
        shown = rescale_region(image, box, lattice.shape, lattice.grid, seen)
        cut: tuple[slice, ...] = within(inside, origin_of(seen))
        valid = any(self._model.margin)  # the network removes its margin, and returns what is inside
        context = {}
        if valid:
            ends = zip(inside, seen, strict=True)
            context = {"context": [(span.start - all_.start, all_.stop - span.stop) for span, all_ in ends]}
            cut = ()

        def keep(output: NDArray[np.float32]) -> None:
            for key, cell in zip(keys.flat, product(*lattice.cells_in(excerpt.cells)), strict=True):
                self._cache.put(key, to_half(output[cut][cell]))

        self._runtime(shown, keep, **context)

    def _remember(self, plane: tuple[int, ...]) -> _Plane:
        statistics = self._statistics.again(plane)
        self._planes.pop(plane, None)
        if len(self._planes) >= _REMEMBERED:
            self._planes.pop(next(iter(self._planes)))
        blocks = [-(-size // side) for size, side in zip(self._lattice.shape, self._lattice.cell, strict=True)]
        self._planes[plane] = _Plane(statistics, np.zeros(blocks, DIGEST))
        return self._planes[plane]


def _halos(entry: NetworkEntry, halo: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Context along each axis: all that a network needs, and that of a draft."""
    needed, drafts = [], []
    reach = entry.halo or (halo,) * entry.ndim
    drafts_z = (_DRAFT_HALO_Z, _DRAFT_HALO, _DRAFT_HALO)[-entry.ndim :]
    for margin, most, little in zip(entry.margin, reach, drafts_z, strict=True):
        # Valid convolutions read their margin in any case.
        exact, draft = (most, most) if margin else (min(most, halo), min(most, halo, little))
        needed.append(exact)
        drafts.append(draft)
    return tuple(needed), tuple(drafts)


def _changed(before: Digests, digests: Digests) -> bool:
    return bool(((before != b"") & (before != digests)).any())
