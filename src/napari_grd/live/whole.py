"""The same segmentation as live, of everything there is: a whole image, stack or series, or a region of it."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import SegmentConfig
from napari_grd.errors import ImageError
from napari_grd.inference.boxes import Box
from napari_grd.inference.source import PlaneSource
from napari_grd.jobs import Job, Stopwatch
from napari_grd.live.cache import CellCache
from napari_grd.live.segmenter import LiveSegmenter
from napari_grd.models import Model

_CACHE = 256 * 2**20  # bytes; one block has to fit


def iter_segment_whole(
    source: PlaneSource,
    model: Model,
    config: SegmentConfig | None = None,
    *,
    region: NDArray[np.bool_] | None = None,
    linked: bool = True,
) -> Job[tuple[NDArray[np.uint32], int]]:
    """Segment every plane of a source.

    Parameters
    ----------
    source : PlaneSource
        The image.
    model : Model
        A model for planes.
    config : SegmentConfig, optional
        As in the live view; ``partition`` included.
    region : (H, W) bool, optional
        At the finest level: only objects that lie in it with at least half of
        their pixels are kept, in every plane.
    linked : bool, default True
        Whether objects keep their ids from plane to plane by overlap.

    Yields
    ------
    Progress

    Returns
    -------
    labels : (*planes, H, W) uint32
        At the level that was segmented; 0 is background.
    level : int
        Which level of the pyramid that is.

    Raises
    ------
    GrdError
        If image, model and settings do not go together.

    Notes
    -----
    Memory holds the labels and the network outputs of one block of a plane.
    """
    segmenter = LiveSegmenter(source, model, config or SegmentConfig(), CellCache(_CACHE), linked=linked)
    shape = source.shape(segmenter.level)
    inside = None if region is None else _at(region, shape)
    blocks = segmenter.blocks(None if inside is None else _bounds(inside))
    planes = list(product(*(range(size) for size in source.plane_shape)))
    watch = Stopwatch("Segmenting", len(planes) * len(blocks))
    done = 0
    for plane in planes:
        for block in blocks:
            for _ in segmenter.whole_block(plane, block, (config or SegmentConfig()).partition):
                yield watch.progress(done)
            done += 1
            yield watch.progress(done)
        if inside is not None:
            keep_inside(segmenter.canvas.labels[plane], inside)
    return segmenter.canvas.labels, segmenter.level


def keep_inside(labels: NDArray[np.uint32], inside: NDArray[np.bool_]) -> None:
    """Remove, in place, objects that lie outside a region with more than half of their pixels.

    Examples
    --------
    >>> labels = np.array([[1, 1, 2, 2, 2]], np.uint32)
    >>> keep_inside(labels, np.array([[True, True, True, False, False]]))
    >>> labels
    array([[1, 1, 0, 0, 0]], dtype=uint32)
    """
    ids, index, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    shared = np.bincount(index.ravel(), inside.ravel(), len(ids))
    kept = np.where(2 * shared >= sizes, ids, 0)
    labels[...] = kept[index].reshape(labels.shape)


def _at(region: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A region of the finest level, at the shape of another one."""
    indices: Iterator[NDArray[np.intp]] = (
        ((np.arange(new) + 0.5) * old / new).astype(np.intp) for new, old in zip(shape, region.shape, strict=True)
    )
    return region[np.ix_(*indices)]


def _bounds(inside: NDArray[np.bool_]) -> Box:
    if not inside.any():
        raise ImageError("The region holds no pixel of the image.", "Draw a shape over the image.")
    rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
