"""An image that is normalized part by part, with the statistics of the whole."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_grd.data.intensity import PlaneStatistics


class NormalizedImage:
    """An image whose parts are normalized when they are read.

    Parameters
    ----------
    pixels : array-like (C, *S)
        Intensities as given: numpy, or a :class:`~napari_grd.data.stored_image.StoredImage`.
    statistics : PlaneStatistics
        Of the whole image.

    Examples
    --------
    >>> image = NormalizedImage(np.array([[[10, 15]]]), PlaneStatistics(np.array([[10.0, 20.0]])))
    >>> image[:, 0:1, 0:2]
    array([[[0. , 0.5]]], dtype=float32)
    """

    def __init__(self, pixels: Any, statistics: PlaneStatistics) -> None:
        self._pixels, self._statistics = pixels, statistics
        self.shape: tuple[int, ...] = tuple(pixels.shape)
        self.ndim = len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        return self._statistics.normalize(np.asarray(self._pixels[index]))
