"""Seamless prediction of images of any size, tile by tile.

A tile writes its core and half a blending band beyond each inner edge; it
reads a halo more, so that all it writes has seen enough of its surroundings::

    read   |<-halo->|<------------- write ------------->|<-halo->|
    tile i            core i            | band |
    tile i+1                            | band |   core i+1

In a band the weight goes linearly from the one tile to the other. Edges of
reads are multiples of the network's strides in image coordinates: the network
then sees every pixel in the same phase, in a tile as in the whole image. What is written then equals the whole image's
to float precision, if the network sees no further than the halo; where it
does, the blending hides what is left of the seam. Where it is known not to, there are no bands.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.graph.parallel import for_slabs
from napari_grd.inference.background import in_background
from napari_grd.inference.runtime import Runtime
from napari_grd.jobs import Job, Stopwatch
from napari_grd.models.registry import NetworkEntry

_BAND = 16  # pixels on either side of an inner edge in which two tiles are blended
_SMALLEST = 8  # pixels of a core
_MOST = 48  # cores along an axis of a volume
_RISING = ((np.arange(2 * _BAND) + 0.5) / (2 * _BAND)).astype(np.float32)


@dataclass(frozen=True)
class Span:
    """One axis of a tile, in image coordinates: the range to read, the range to write, the ends to blend."""

    read: slice
    write: slice
    blend_start: bool
    blend_stop: bool


Tile = tuple[Span, ...]
Both = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Embedding, channels last, and foreground logit."""
Take = Callable[[NDArray[np.float32], NDArray[np.float32] | None], Any]


def plan_tiles(
    shape: tuple[int, ...],
    *,
    tile: int,
    halo: int | tuple[int, ...],
    stride: int | tuple[int, ...],
    margin: tuple[int, ...] | None = None,
    blend: Sequence[bool] | None = None,
) -> list[Tile]:
    """Cut an image into tiles.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape of the image in pixels.
    tile : int
        About the largest side of a core in pixels. Volumes are cut such that no tile reads more than ``5 * tile**2``
        voxels, if its halo leaves room for a core, and all tiles together read as little as possible.
    halo : int or tuple of int
        Context in pixels, rounded up to the stride; for all axes, or for each.
    stride : int or tuple of int
        The network's stride in pixels.
    margin : tuple of int, optional
        Pixels that the network removes at each side, which are in memory, too.
    blend : sequence of bool, optional
        Whether adjacent tiles are blended in bands, for each axis; not needed where the network sees no further than
        the halo. Default: they are.

    Returns
    -------
    list of tuple of Span
        One span per axis. Of a plane, an axis not longer than a tile with its halos is not cut.

    Examples
    --------
    >>> len(plan_tiles((600, 3000), tile=1024, halo=64, stride=16))
    3
    >>> len(plan_tiles((64, 512, 512), tile=1024, halo=(10, 45, 45), stride=(2, 8, 8), blend=[False] * 3))
    8
    """
    ndim = len(shape)
    strides = (stride,) * ndim if isinstance(stride, int) else stride
    halos = (halo,) * ndim if isinstance(halo, int) else halo
    axes = [
        _Axis(size, -(-reach // step) * step, step, lost, _BAND * blended)
        for size, reach, step, lost, blended in zip(
            shape, halos, strides, margin or (0,) * ndim, blend or (True,) * ndim, strict=True
        )
    ]
    # Below this size the bands at the two ends of a core would overlap.
    counts = [axis.count(max(4 * _BAND, tile)) for axis in axes] if ndim < 3 else _cheapest(axes, 5 * tile**2)
    return list(product(*(axis.spans(count) for axis, count in zip(axes, counts, strict=True))))


def run_tiles(
    runtime: Runtime,
    image: NDArray[np.float32],
    tiles: list[Tile],
    channels: int,
    watch: Stopwatch,
    done: int = 0,
    *,
    inside: tuple[slice, ...] | None = None,
    entry: NetworkEntry | None = None,
    take: Take | None = None,
) -> Job[Any]:
    """Run a network over an image.

    Parameters
    ----------
    runtime : Runtime
        The network.
    image : (C, *S) float32
        Normalized.
    tiles : list of Tile
        From :func:`plan_tiles`.
    channels : int
        Length of the embedding; a further output channel is the foreground logit.
    watch : Stopwatch
        Creates the progress events, one or more per tile.
    done : int, default 0
        Number of finished units.
    inside : tuple of slice, optional
        The part of the image for which the output is kept; the rest is context. Default: all.
    entry : NetworkEntry, optional
        Entry of the network. If it has a margin, the halos of tiles take the place of what would be reflected.
    take : callable, optional
        Called with the two results; they may be overwritten after it has returned. If there is one tile, they are not
        copied for it.

    Returns
    -------
    embedding : (*S, channels) float32, C-contiguous
    logit : (*S) float32 or None
        With ``take``, what it returns takes the place of the two.

    Notes
    -----
    Beside the result, one tile is in memory.
    """
    kept = inside or tuple(slice(0, size) for size in image.shape[1:])
    if len(tiles) == 1:
        result = take or _copied
        part = image[(slice(None), *(span.read for span in tiles[0]))]
        run = _running(runtime, part, _context(tiles[0], entry), lambda output: result(*_split(output[kept], channels)))
        whole = yield from in_background(run, partial(watch.progress, done))
        yield watch.progress(done + 1)
        return whole
    embedding = logit = np.empty(0, np.float32)
    for number, tile in enumerate(tiles):
        part = image[(slice(None), *(span.read for span in tile))]
        context = _context(tile, entry)
        run = _running(runtime, part, context)
        output = yield from in_background(run, partial(watch.progress, done + number))
        if number == 0:
            shape = tuple(span.stop - span.start for span in kept)
            embedding = np.zeros((*shape, channels), np.float32)
            logit = np.zeros((*shape, output.shape[-1] - channels), np.float32)
        output, target = _kept(_weighted(output, tile, context), tile, kept)
        embedding[target] += output[..., :channels]
        logit[target] += output[..., channels:]
        yield watch.progress(done + number + 1)
    both = embedding, (logit[..., 0] if logit.shape[-1] else None)
    if take is None:
        return both
    return (yield from in_background(partial(take, *both), partial(watch.progress, done + len(tiles))))


def _running(
    runtime: Runtime,
    image: NDArray[np.float32],
    context: list[tuple[int, int]] | None,
    take: Callable[[NDArray[np.float32]], Any] | None = None,
) -> Callable[[], Any]:
    options: dict[str, Any] = {} if context is None else {"context": context}
    return partial(runtime, image, take, **options) if take else partial(runtime, image, **options)


def _split(output: NDArray[np.float32], channels: int) -> Both:
    """Embedding and logit in an output."""
    return output[..., :channels], (output[..., channels] if output.shape[-1] > channels else None)


def _copied(embedding: NDArray[np.float32], logit: NDArray[np.float32] | None) -> Both:
    """A copy of the two; in threads, because it is as slow as the partition."""
    copies = np.empty(embedding.shape, np.float32), (None if logit is None else np.empty(logit.shape, np.float32))

    def rows(start: int, stop: int) -> None:
        copies[0][start:stop] = embedding[start:stop]
        if copies[1] is not None and logit is not None:
            copies[1][start:stop] = logit[start:stop]

    for_slabs(rows, len(embedding))
    return copies


@dataclass(frozen=True)
class _Axis:
    """An axis to be cut: its size, the halo (a multiple of the stride), the margin, and half the width of a band."""

    size: int
    halo: int
    stride: int
    margin: int
    band: int

    def count(self, side: int) -> int:
        """Number of cores of at most about ``side`` pixels."""
        return 1 if self.size <= side + 2 * self.halo else -(-self.size // side)

    def counts(self) -> NDArray[np.int64]:
        """All numbers of cores to choose from."""
        smallest = max(4 * self.band, 2 * self.stride, _SMALLEST)
        return np.arange(1, max(1, min(self.size // smallest, _MOST)) + 1)

    def reads(self, count: int) -> list[int]:
        """What is read of the axis, by each tile."""
        return [span.read.stop - span.read.start + 2 * self.margin * (count == 1) for span in self.spans(count)]

    def spans(self, count: int) -> list[Span]:
        if count == 1:
            return [Span(slice(0, self.size), slice(0, self.size), False, False)]
        return list(self._cut(count))

    def _cut(self, count: int) -> Iterator[Span]:
        size, stride, band = self.size, self.stride, self.band
        # Tiles of about equal size: a small remainder would be mostly halo.
        edges = [round(size * i / count / stride) * stride for i in range(count)] + [size]
        for start, stop in pairwise(edges):
            first, last = start == 0, stop == size
            write = slice(0 if first else start - band, size if last else stop + band)
            low = max(0, write.start - self.halo) // stride * stride
            high = min(size, -(-(write.stop + self.halo) // stride) * stride)
            yield Span(slice(low, high), write, bool(band) and not first, bool(band) and not last)


def _cheapest(axes: list[_Axis], budget: int) -> list[int]:
    """Numbers of cores along each axis with which tiles read the least, none more than the budget."""
    counts = [axis.counts() for axis in axes]
    reads = [[axis.reads(int(count)) for count in each] for axis, each in zip(axes, counts, strict=True)]
    largest = reduce(np.multiply.outer, [np.array([max(tiles) for tiles in each], float) for each in reads])
    total = reduce(np.multiply.outer, [np.array([sum(tiles) for tiles in each], float) for each in reads])
    allowed = largest <= max(budget, largest.min())
    best = np.unravel_index(np.argmin(np.where(allowed, total, np.inf)), total.shape)
    return [int(each[index]) for each, index in zip(counts, best, strict=True)]


def _context(tile: Tile, entry: NetworkEntry | None) -> list[tuple[int, int]] | None:
    """What the network need not return of what a tile reads, for one with a margin."""
    if entry is None or not any(entry.margin):
        return None
    return [
        ((span.write.start - span.read.start) // stride * stride, span.read.stop - span.write.stop)
        for span, stride in zip(tile, entry.strides, strict=True)
    ]


def _kept(
    output: NDArray[np.float32], tile: Tile, kept: tuple[slice, ...]
) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """The part of the written output of a tile that is kept, and its place."""
    source, target = [], []
    for span, inside in zip(tile, kept, strict=True):
        start, stop = max(span.write.start, inside.start), min(span.write.stop, inside.stop)
        stop = max(start, stop)
        source.append(slice(start - span.write.start, stop - span.write.start))
        target.append(slice(start - inside.start, stop - inside.start))
    return output[tuple(source)], tuple(target)


def _weighted(output: NDArray[np.float32], tile: Tile, context: list[tuple[int, int]] | None) -> NDArray[np.float32]:
    """The part of a tile's output to write, with (in place) linear weights in its bands."""
    starts = [span.read.start + before for span, (before, _) in zip(tile, context or [(0, 0)] * len(tile), strict=True)]
    places = zip(tile, starts, strict=True)
    output = output[tuple(slice(s.write.start - start, s.write.stop - start) for s, start in places)]
    for axis, span in enumerate(tile):
        lines = np.moveaxis(output, axis, -1)
        if span.blend_start:
            lines[..., : 2 * _BAND] *= _RISING
        if span.blend_stop:
            lines[..., -2 * _BAND :] *= 1 - _RISING
    return output
