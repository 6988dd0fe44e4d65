"""Removing objects that touch the border of the image, are too small or too large."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.inputs import as_labels
from napari_grd.errors import ConfigError
from napari_grd.measurements.geometry import Frame, Geometry, resolve_geometry

_PLANE = "yx"


@dataclass(frozen=True)
class ObjectFilter:
    """Criteria for objects to keep; created by :func:`object_filter`, which validates them.

    Attributes
    ----------
    border : str
        Axes whose first and last pixel an object must not touch; empty for none.
    min_size, max_size : int, int or None
        Minimum and maximum number of pixels (volumes: voxels) of an object to keep.
    """

    border: str = ""
    min_size: int = 0
    max_size: int | None = None

    def __bool__(self) -> bool:
        return bool(self.border) or self.min_size > 1 or self.max_size is not None


def object_filter(
    exclude_border: bool | str = False, min_size: int | None = 0, max_size: int | None = None
) -> ObjectFilter:
    """Validate the arguments of :func:`filter_objects`.

    Raises
    ------
    ConfigError
        If a size is negative, or the range is empty.

    Examples
    --------
    >>> object_filter(True, min_size=20)
    ObjectFilter(border='yx', min_size=20, max_size=None)
    """
    smallest = min_size or 0
    if smallest < 0:
        raise ConfigError(f"The smallest size of an object is {min_size} pixels.", "Give 0 or more.")
    if max_size is not None and max_size < max(smallest, 1):
        raise ConfigError(
            f"The largest size of an object is {max_size} pixels and the smallest {smallest}.",
            "Give a largest size above the smallest, or none.",
        )
    border = exclude_border if isinstance(exclude_border, str) else _PLANE * exclude_border
    return ObjectFilter(border, smallest, max_size)


@dataclass(frozen=True, eq=False)
class FilteredLabels:
    """A lazily filtered label image, read plane by plane or volume by volume when it is indexed.

    Attributes
    ----------
    labels : numpy, dask or zarr array of int
        The label image.
    objects : ObjectFilter
        Criteria for objects to keep.
    geometry : Geometry
        Axes over which an object extends. Along the others (time) each plane or volume is filtered separately: an
        object may be removed at one time point only.
    """

    labels: Any
    objects: ObjectFilter
    geometry: Geometry
    _left_out: dict[Frame, NDArray[np.int64]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if unknown := set(self.objects.border) - set(self.geometry.object_axes):
            raise ConfigError(
                f"The border of the axis {min(unknown)!r} cannot be excluded: objects extend over"
                f" {''.join(self.geometry.object_axes)!r}.",
                "Name only axes of the objects.",
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the label image."""
        return self.geometry.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the label image."""
        dtype: np.dtype[Any] = np.dtype(self.labels.dtype)
        return dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __getitem__(self, index: tuple[int, ...]) -> NDArray[Any]:
        """The labels at an index of the leading axes: a plane, a volume, or all."""
        count = len(self.geometry.frame_axes)
        values = np.array(self.labels[index])
        if len(index) >= count:
            values[np.isin(values, self.left_out(index[:count]))] = 0
        else:
            for rest in np.ndindex(self.shape[len(index) : count]):
                values[rest][np.isin(values[rest], self.left_out((*index, *rest)))] = 0
        return values

    def left_out(self, frame: Frame = ()) -> NDArray[np.int64]:
        """Labels of one plane or volume to remove, in ascending order."""
        if frame not in self._left_out:
            self._left_out[frame] = self._unwanted(frame)
        return self._left_out[frame]

    def _unwanted(self, frame: Frame) -> NDArray[np.int64]:
        ids, sizes = np.zeros(0, np.int64), np.zeros(0, np.int64)
        rim = [ids]
        for index, plane in self._planes(frame):
            here, counts = _sizes(plane)
            both = np.union1d(ids, here)
            total = np.zeros(len(both), np.int64)
            total[np.searchsorted(both, ids)] += sizes
            total[np.searchsorted(both, here)] += counts
            ids, sizes = both, total
            rim += self._on_rim(index, plane)
        wrong = sizes < self.objects.min_size
        if self.objects.max_size is not None:
            wrong |= sizes > self.objects.max_size
        touching = np.unique(np.concatenate(rim))
        return np.union1d(ids[wrong], touching[touching > 0])

    def _planes(self, frame: Frame) -> Iterator[tuple[Frame, NDArray[np.int64]]]:
        """Planes of a volume one by one: it may be larger than the memory."""
        inner = self.shape[len(frame) : -2]
        for index in np.ndindex(*inner):
            yield index, as_labels(self.labels[(*frame, *index)], self.shape[-2:])

    def _on_rim(self, index: Frame, plane: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Pixels of a plane at the border of the image."""
        border = self.objects.border
        inner = self.geometry.object_axes[:-2]
        lengths = self.shape[len(self.geometry.frame_axes) : -2]
        if any(
            axis in border and position in (0, length - 1)
            for axis, position, length in zip(inner, index, lengths, strict=True)
        ):
            return [plane.ravel()]
        faces = []
        if self.geometry.axes[-2] in border:
            faces += [plane[0], plane[-1]]
        if self.geometry.axes[-1] in border:
            faces += [plane[:, 0], plane[:, -1]]
        return faces


def _sizes(plane: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels of a plane in ascending order, and the number of pixels of each."""
    if int(plane.max()) > plane.size:  # no lookup table: a label may be 2**60
        return np.unique_counts(plane[plane > 0])
    counts = np.bincount(plane.ravel())
    ids = np.flatnonzero(counts[1:]) + 1
    return ids, counts[ids]


def filter_objects(
    labels: Any,
    *,
    exclude_border: bool | str = False,
    min_size: int = 0,
    max_size: int | None = None,
    axes: Sequence[str] | None = None,
    ndim: int | None = None,
) -> NDArray[Any]:
    """Remove objects that touch the border of the image, are too small or too large.

    Parameters
    ----------
    labels : numpy, dask or zarr array of int
        2D, 3D, or a series of these along leading axes; 0 is background.
    exclude_border : bool or str, default False
        Whether to remove objects that touch the border, which are only partly visible. True means the border in y and
        x, without the first and last planes of a stack, because few stacks extend far beyond the specimen. "zyx"
        includes these; any axes of an object may be named.
    min_size, max_size : int, optional
        Minimum and maximum number of pixels (volumes: voxels) of an object to keep.
    axes : sequence of str, optional
        A name for each axis of the labels, e.g. "tyx". Default: the end of "tzyx".
    ndim : {2, 3}, optional
        An object extends over this many axes, the last ones. Along the others it is filtered plane by plane (or volume
        by volume): it may be removed at one time point and kept at the next. Default: all but "t", at most 3.

    Returns
    -------
    array
        A copy of the labels in their own type; other objects keep their labels.

    Raises
    ------
    LabelError
        If the labels are not a label image.
    ConfigError
        If another argument does not fit them.

    See Also
    --------
    skimage.segmentation.clear_border, skimage.morphology.remove_small_objects

    Examples
    --------
    >>> labels = np.array([[1, 0, 0, 0, 0], [1, 0, 2, 2, 0], [0, 0, 0, 0, 0], [0, 3, 0, 0, 0], [0, 0, 0, 0, 0]])
    >>> np.unique(filter_objects(labels, exclude_border=True)).tolist()
    [0, 2, 3]
    >>> np.unique(filter_objects(labels, min_size=2)).tolist()
    [0, 1, 2]
    """
    objects = object_filter(exclude_border, min_size, max_size)
    labels = labels if hasattr(labels, "shape") and hasattr(labels, "dtype") else np.asarray(labels)
    return FilteredLabels(labels, objects, resolve_geometry(tuple(labels.shape), axes=axes, ndim=ndim))[()]
