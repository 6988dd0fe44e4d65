"""Seamless prediction of images of any size, tile by tile.

A tile writes its core and half a blending band beyond each inner edge; it
reads a halo more, so that all it writes has seen enough of its surroundings::

    read   |<-halo->|<------------- write ------------->|<-halo->|
    tile i            core i            | band |
    tile i+1                            | band |   core i+1

In a band the weight goes linearly from the one tile to the other. Edges of
reads are multiples of the network's stride in image coordinates: the network
then sees every pixel in the same phase, in a tile as in the whole image. What is written then equals the whole image's
to float precision, if the network sees no further than the halo; where it
does, the blending hides what is left of the seam.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from napari_grd.graph.parallel import for_slabs
from napari_grd.inference.background import in_background
from napari_grd.inference.runtime import Runtime
from napari_grd.jobs import Job, Stopwatch

_BAND = 16  # pixels on either side of an inner edge in which two tiles are blended
_RISING = ((np.arange(2 * _BAND) + 0.5) / (2 * _BAND)).astype(np.float32)


@dataclass(frozen=True)
class Span:
    """One axis of a tile, in image coordinates: the range to read, the range to write, the ends to blend."""

    read: slice
    write: slice
    blend_start: bool
    blend_stop: bool


Tile = tuple[Span, ...]


def plan_tiles(shape: tuple[int, ...], *, tile: int, halo: int, stride: int) -> list[Tile]:
    """Cut an image into tiles.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape of the image in pixels.
    tile : int
        About the largest side of a core in pixels. Volumes are cut into cubes of as many voxels as a plane's tile has
        pixels.
    halo : int
        Context in pixels, rounded up to the stride.
    stride : int
        The network's stride in pixels.

    Returns
    -------
    list of tuple of Span
        One span per axis. An axis not longer than a tile with its halos is not cut.

    Examples
    --------
    >>> len(plan_tiles((600, 3000), tile=1024, halo=64, stride=16))
    3
    """
    # Below this size the bands at the two ends of a core would overlap.
    side = max(4 * _BAND, round(tile ** (2 / len(shape))))
    halo = -(-halo // stride) * stride
    return list(product(*(_spans(size, side, halo, stride) for size in shape)))


def run_tiles(
    runtime: Runtime,
    image: NDArray[np.float32],
    tiles: list[Tile],
    channels: int,
    watch: Stopwatch,
    done: int = 0,
    *,
    inside: tuple[slice, ...] | None = None,
) -> Job[tuple[NDArray[np.float32], NDArray[np.float32] | None]]:
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

    Returns
    -------
    embedding : (*S, channels) float32, C-contiguous
    logit : (*S) float32 or None

    Notes
    -----
    Beside the result, one tile is in memory.
    """
    whole = len(tiles) == 1
    kept = inside or tuple(slice(0, size) for size in image.shape[1:])
    embedding = logit = np.empty(0, np.float32)
    for number, tile in enumerate(tiles):
        part = image[(slice(None), *(span.read for span in tile))]
        output = yield from in_background(lambda part=part: runtime(part), lambda n=number: watch.progress(done + n))  # type: ignore[misc]
        if number == 0:
            allocate = np.empty if whole else np.zeros
            shape = tuple(span.stop - span.start for span in kept)
            embedding = allocate((*shape, channels), np.float32)
            logit = allocate((*shape, output.shape[-1] - channels), np.float32)
        if whole:
            _copy_apart(output[kept], embedding, logit)
        else:
            output, target = _kept(_weighted(output, tile), tile, kept)
            embedding[target] += output[..., :channels]
            logit[target] += output[..., channels:]
        yield watch.progress(done + number + 1)
    return embedding, (logit[..., 0] if logit.shape[-1] else None)


def _copy_apart(output: NDArray[np.float32], embedding: NDArray[np.float32], logit: NDArray[np.float32]) -> None:
    """Copy the channels of an output into two arrays; in threads, because it is as slow as the partition."""
    channels = embedding.shape[-1]

    def rows(start: int, stop: int) -> None:
        embedding[start:stop] = output[start:stop, ..., :channels]
        logit[start:stop] = output[start:stop, ..., channels:]

    for_slabs(rows, len(output))


def _spans(size: int, tile: int, halo: int, stride: int) -> list[Span]:
    if size <= tile + 2 * halo:
        return [Span(slice(0, size), slice(0, size), False, False)]
    return list(_cut(size, -(-size // tile), halo, stride))


def _cut(size: int, count: int, halo: int, stride: int) -> Iterator[Span]:
    # Tiles of about equal size: a small remainder would be mostly halo.
    edges = [round(size * i / count / stride) * stride for i in range(count)] + [size]
    for start, stop in pairwise(edges):
        first, last = start == 0, stop == size
        write = slice(0 if first else start - _BAND, size if last else stop + _BAND)
        low = max(0, write.start - halo) // stride * stride
        high = min(size, -(-(write.stop + halo) // stride) * stride)
        yield Span(slice(low, high), write, not first, not last)


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


def _weighted(output: NDArray[np.float32], tile: Tile) -> NDArray[np.float32]:
    """The part of a tile's output to write, with (in place) linear weights in its bands."""
    output = output[tuple(slice(s.write.start - s.read.start, s.write.stop - s.read.start) for s in tile)]
    for axis, span in enumerate(tile):
        lines = np.moveaxis(output, axis, -1)
        if span.blend_start:
            lines[..., : 2 * _BAND] *= _RISING
        if span.blend_stop:
            lines[..., -2 * _BAND :] *= 1 - _RISING
    return output
