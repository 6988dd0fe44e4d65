"""Similarity of all pixels to one, fast enough to follow a pointer."""

import math

import numpy as np
from numpy.typing import NDArray

_SMALLEST_NORM = 1e-12


class SimilarityMap:
    """Computes the similarity of every pixel to a given one.

    The vectors are normalized and stored contiguously once, so a query is a single matrix product.

    Parameters
    ----------
    embedding : (C, H, W) or (C, D, H, W) float32
        Raw embedding of a plane or volume.
    max_pixels : int
        If there are more, only every ``step``-th row and column is used.

    Attributes
    ----------
    step : int
        Pixels of the plane per pixel of the result, along rows and columns.
    shape : tuple of int
        Shape of the results, (h, w) or (D, h, w).

    Examples
    --------
    >>> embedding = np.array([[[1, 2, 0]], [[0, 0, 3]]], np.float32)
    >>> SimilarityMap(embedding).to((0, 0))
    array([[1., 1., 0.]], dtype=float32)
    """

    def __init__(self, embedding: NDArray[np.float32], max_pixels: int = 1024 * 1024) -> None:
        self._plane = embedding
        self.step = max(1, math.ceil(math.sqrt(math.prod(embedding.shape[1:]) / max_pixels)))
        vectors = np.moveaxis(embedding[..., :: self.step, :: self.step], 0, -1).astype(np.float32)
        self.shape: tuple[int, ...] = vectors.shape[:-1]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _SMALLEST_NORM)
        self._units = np.ascontiguousarray(vectors.reshape(-1, len(embedding)))

    def to(self, pixel: tuple[int, ...]) -> NDArray[np.float32]:
        """Cosine of every compared pixel with one of the plane.

        Parameters
        ----------
        pixel : tuple of int
            Row and column in the plane; of a volume, its plane before them.

        Returns
        -------
        float32 array of :attr:`shape`
            In [-1, 1].
        """
        vector = np.moveaxis(self._plane, 0, -1)[pixel].astype(np.float32)
        cosines: NDArray[np.float32] = self._units @ (vector / max(float(np.linalg.norm(vector)), _SMALLEST_NORM))
        return cosines.reshape(self.shape)
