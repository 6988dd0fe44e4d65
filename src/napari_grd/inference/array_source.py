"""An array, in memory or lazy, as a source of planes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.inputs import array_and_shape, check_axes, guess_axes, plane_axes, plane_index, wrong_channels
from napari_grd.errors import ImageError
from napari_grd.inference.boxes import Box


class ArraySource:
    """One array as a :class:`~napari_grd.inference.source.PlaneSource`; for a model of volumes, a plane is a volume.

    Parameters
    ----------
    array : numpy, dask or zarr array, or nested sequences
        The image. A lazy array is read part by part.
    axes : str or None
        See :func:`~napari_grd.data.inputs.as_image`; t, and z for a model of planes, may be among them.
    ndim : {2, 3}
        Spatial dimensions of the model.
    in_channels : int
        Channels of the model.

    Attributes
    ----------
    axes : str
        Those of the array.
    plane_shape : tuple of int
        Length of every axis that indexes planes, in the array's order.
    z_axis : int or None
        Which of them is z.

    Raises
    ------
    ImageError
        If it is not an array, has no pixel, or the axes do not match its dimensions.

    Examples
    --------
    >>> source = ArraySource(np.zeros((5, 3, 20, 30)), "tcyx", ndim=2, in_channels=3)
    >>> source.plane_shape, source.read(0, (4,), (slice(0, 10), slice(0, 30))).shape
    ((5,), (3, 10, 30))
    """

    levels = 1

    def __init__(self, array: Any, axes: str | None, *, ndim: int, in_channels: int) -> None:
        array, shape = array_and_shape(array)
        self.axes = guess_axes(shape, ndim, in_channels) if axes is None else check_axes(axes, shape)
        if 0 in shape:
            raise ImageError(
                f"The image of shape {shape}, axes {self.axes!r}, has no pixels.",
                "Pass an image with at least one pixel.",
            )
        self._spatial = "zyx"[-ndim:]
        missing = set(self._spatial) - set(self.axes)
        if missing:
            raise ImageError(
                f"The axes {self.axes!r} have no z, but the model works in 3D.", "Pass a z-stack, with 'z' in the axes."
            )
        channels = shape[self.axes.index("c")] if "c" in self.axes else 1
        if channels != in_channels:
            raise wrong_channels(shape, self.axes, channels, in_channels)
        self._array = array
        self._along = plane_axes(self.axes, ndim)
        sizes = dict(zip(self.axes, shape, strict=True))
        self._sizes = tuple(sizes[axis] for axis in self._spatial)
        self.plane_shape = tuple(sizes[axis] for axis in self._along)
        self.z_axis = self._along.index("z") if "z" in self._along else None
        self._last: tuple[tuple[int, ...], Any, NDArray[Any]] | None = None

    @property
    def key(self) -> int:
        """The array itself."""
        return id(self._array)

    def shape(self, level: int) -> Any:
        """Lengths of the model's spatial axes."""
        return self._sizes

    def downsample(self, level: int) -> float:
        """There is one level."""
        return 1.0

    def read(self, level: int, plane: tuple[int, ...], region: Box) -> NDArray[Any]:
        """The pixels of a region, ``(C, *S)``."""
        last = self._last  # another thread may replace it
        if last is not None and last[:2] == (plane, region):
            return last[2]
        index = {**dict(zip(self._along, plane, strict=True)), **dict(zip(self._spatial, region, strict=True))}
        part = self._array[plane_index(self.axes, index)]
        pixels = np.asarray(part)
        left = [axis for axis in self.axes if axis not in self._along]
        pixels = pixels.transpose([left.index(axis) for axis in (*(["c"] if "c" in left else []), *self._spatial)])
        pixels = pixels if "c" in left else pixels[None]
        if not isinstance(self._array, np.ndarray):  # the same pixels are read for statistics, then for segmentation
            self._last = plane, region, pixels
        return pixels

    def restored(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Labels ``(*plane_shape, *S)`` in the order of the array's own axes, without channels."""
        have = [*self._along, *self._spatial]
        return labels.transpose([have.index(axis) for axis in self.axes if axis != "c"])
