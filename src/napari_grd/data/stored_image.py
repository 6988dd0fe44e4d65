"""An image of any size that stays where it is stored; parts of it are read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.config import NormalizationConfig
from napari_grd.data.inputs import as_image, check_image, plane_index
from napari_grd.data.intensity import PlaneStatistics
from napari_grd.data.plane_range import PlaneRange


class StoredImage:
    """A dask or zarr array that is indexed as an array ``(C, *S)`` in memory.

    Parameters
    ----------
    array : dask or zarr array
        One image.
    axes : str or None
        As for :func:`~napari_grd.data.inputs.as_image`.
    ndim : {2, 3}
        Spatial dimensions.
    in_channels : int or None
        Expected number of channels.

    Attributes
    ----------
    shape : tuple of int
        Channels, then the spatial axes.
    ndim : int
        Number of these axes.
    dtype : numpy.dtype
        As stored.
    statistics : dict of NormalizationConfig to PlaneStatistics
        Of the whole image, as far as they were measured.

    Raises
    ------
    ImageError
        As :func:`~napari_grd.data.inputs.as_image`.

    Examples
    --------
    >>> import dask.array as da
    >>> image = StoredImage(da.zeros((5000, 6000, 3), dtype=np.uint8), "yxc")
    >>> image.shape, image[:, 10:20, 100:130].shape
    ((3, 5000, 6000), (3, 10, 30))
    """

    def __init__(self, array: Any, axes: str | None, *, ndim: int = 2, in_channels: int | None = None) -> None:
        self._array, self._axes = check_image(array, axes, ndim=ndim, in_channels=in_channels)
        sizes = dict(zip(self._axes, self._array.shape, strict=True))
        self._spatial = "zyx"[-ndim:]
        self.shape = (int(sizes.get("c", 1)), *(int(sizes[axis]) for axis in self._spatial))
        self.ndim = 1 + ndim
        self.dtype = np.dtype(self._array.dtype)
        self.statistics: dict[NormalizationConfig, PlaneStatistics] = {}

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        """All channels of a box: the last entries of the index are its slices."""
        box = index[-len(self._spatial) :]
        part = self._array[plane_index(self._axes, dict(zip(self._spatial, box, strict=True)))]
        return as_image(part, self._axes, ndim=len(self._spatial))

    def planes(self, start: int, stop: int) -> "StoredImage":
        """Some of the planes of a volume, as an image of its own."""
        part = PlaneRange(self._array, self._axes.index("z"), start, stop)
        return StoredImage(part, self._axes, ndim=len(self._spatial))
