"""Training regions of image layers, chosen before a pixel is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.layers import Labels, Shapes
from numpy.typing import NDArray

from napari_grd._napari.regions import outlines
from napari_grd._napari.source import ImageSource, PlaneIndex, Region
from napari_grd._napari.windows import windows_of
from napari_grd.errors import ImageError, LabelError

MOST = 24
"""Maximum number of pieces per layer; of more planes, an evenly spaced subset is used."""

_LEAST_HELD = 64  # side of the smallest region worth validating on


@dataclass(frozen=True, eq=False)
class Piece:
    """A region of one plane.

    Attributes
    ----------
    source : ImageSource
        Layer and channels.
    plane : tuple of int
        Index of the plane.
    region : (slice, slice)
        Rows and columns, with start and stop.
    labels : Labels or None
        Ground truth of the layer.
    """

    source: ImageSource
    plane: PlaneIndex
    region: Region
    labels: Labels | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.region
        return rows.stop - rows.start, columns.stop - columns.start

    def read(self) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Image ``(C, h, w)`` and, where there is ground truth, labels ``(h, w)``."""
        image = self.source.read(0, self.plane, self.region)
        if self.labels is None:
            return image, None
        return image, np.asarray(_finest(self.labels)[self.source.index(self.plane, self.region)])


def pieces_of(
    source: ImageSource, labels: Labels | None = None, regions: Sequence[Region] = (), *, patch: int
) -> list[Piece]:
    """Choose the training regions of a layer.

    Parameters
    ----------
    source : ImageSource
        Layer and channels.
    labels : Labels, optional
        Ground truth.
    regions : sequence of (slice, slice)
        Regions to use on every plane. Default: whole planes, or windows of large ones.
    patch : int
        Side of the smallest usable region.

    Returns
    -------
    list of Piece
        At most :data:`MOST`, evenly spread over planes and regions.

    Raises
    ------
    ImageError
        If a region is smaller than a patch.
    LabelError
        If the labels do not fit the layer.
    """
    if labels is not None and not labels_fit(source, labels):
        raise LabelError(
            f"The labels {labels.name!r} have shape {_finest(labels).shape}, which does not fit {source.layer.name!r}.",
            "Choose labels of this image.",
        )
    windows = list(regions) or windows_of(source.shape())
    for region in windows:
        piece = Piece(source, (), region)
        if min(piece.shape) < patch:
            what = "A region of" if regions else "A plane of"
            height, width = piece.shape
            raise ImageError(
                f"{what} {source.layer.name!r} is {height} x {width} pixels, but a patch has {patch}.",
                "Draw a larger region, or set a smaller patch in the advanced settings (32 at least)."
                if regions
                else "Leave this image out, or set a smaller patch in the advanced settings (32 at least).",
            )
    sizes = plane_sizes(source)
    count = int(np.prod(sizes, dtype=int)) * len(windows)
    chosen = []
    for i in _spread(count):
        position, which = divmod(i, len(windows))
        plane = tuple(int(index) for index in np.unravel_index(position, sizes)) if sizes else ()
        chosen.append(Piece(source, plane, windows[which], labels))
    return chosen


def hold_out(pieces: Sequence[Piece], *, patch: int) -> tuple[list[Piece], list[Piece]]:
    """Set validation data aside: every fifth piece, or a quarter of a single one.

    Returns
    -------
    (list, list)
        Training and validation pieces. The second is empty if there is only one small piece.
    """
    if len(pieces) > 1:
        # From the middle of each five: the first plane of a stack is rarely typical.
        held = set(range(min(2, len(pieces) - 1), len(pieces), 5))
        return [p for i, p in enumerate(pieces) if i not in held], [p for i, p in enumerate(pieces) if i in held]
    if not pieces:
        return [], []
    only = pieces[0]
    axis = int(np.argmax(only.shape))
    along = only.region[axis]
    cut = along.stop - only.shape[axis] // 4
    if cut - along.start < patch or min(along.stop - cut, min(only.shape)) < _LEAST_HELD:
        return [only], []
    return [_with_span(only, axis, slice(along.start, cut))], [_with_span(only, axis, slice(cut, along.stop))]


def boxes(shapes: Shapes, source: ImageSource) -> list[Region]:
    """The bounding boxes of drawn areas, in pixels of an image layer.

    Raises
    ------
    ImageError
        If no area is drawn, or one is outside the image.
    """
    regions: list[Region] = []
    for number, area in enumerate(outlines(shapes, source)):
        low, high = (np.floor(corner + 0.5).astype(int) for corner in (area.min(0), area.max(0)))
        rows, columns = (
            slice(max(0, int(a)), min(size, int(b))) for a, b, size in zip(low, high, source.shape(), strict=True)
        )
        if rows.stop <= rows.start or columns.stop <= columns.start:
            raise ImageError(
                f"Shape {number + 1} of {shapes.name!r} is outside {source.layer.name!r}.",
                "Move it onto the image, or delete it.",
            )
        regions.append((rows, columns))
    return regions


def labels_fit(source: ImageSource, labels: Labels) -> bool:
    """Whether labels have the shape of an image layer, channels excluded."""
    shape = _finest(source.layer).shape[: source.layer.ndim]
    expected = tuple(size for axis, size in enumerate(shape) if axis != source.channel_axis)
    return tuple(_finest(labels).shape) == expected


def plane_sizes(source: ImageSource) -> tuple[int, ...]:
    """Lengths of the axes that index a layer's planes."""
    shape = _finest(source.layer).shape
    return tuple(int(shape[axis]) for axis in source.plane_axes)


def _spread(count: int) -> list[int]:
    if count <= MOST:
        return list(range(count))
    return [int(i) for i in (np.arange(MOST) + 0.5) * count / MOST]


def _with_span(piece: Piece, axis: int, span: slice) -> Piece:
    rows, columns = piece.region
    return replace(piece, region=(span, columns) if axis == 0 else (rows, span))


def _finest(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data
