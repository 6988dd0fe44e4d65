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
    embedding : (C, H, W) float32
        Raw embedding.
    max_pixels : int
        Of a larger plane only every ``step``-th row and column is used.

    Attributes
    ----------
    step : int
        Pixels of the plane per pixel of the result, along both axes.
    shape : tuple of int
        Shape of the results, (h, w).

    Examples
    --------
    >>> embedding = np.array([[[1, 2, 0]], [[0, 0, 3]]], np.float32)
    >>> SimilarityMap(embedding).to((0, 0))
    array([[1., 1., 0.]], dtype=float32)
    """

    def __init__(self, embedding: NDArray[np.float32], max_pixels: int = 1024 * 1024) -> None:
        self._plane = embedding
        _, height, width = embedding.shape
        self.step = max(1, math.ceil(math.sqrt(height * width / max_pixels)))
        vectors = np.moveaxis(embedding[:, :: self.step, :: self.step], 0, -1).astype(np.float32)
        self.shape: tuple[int, int] = vectors.shape[:2]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _SMALLEST_NORM)
        self._units = np.ascontiguousarray(vectors.reshape(-1, len(embedding)))

    def to(self, pixel: tuple[int, int]) -> NDArray[np.float32]:
        """Cosine of every compared pixel with one of the plane.

        Parameters
        ----------
        pixel : (int, int)
            Row and column in the plane.

        Returns
        -------
        (h, w) float32
            In [-1, 1].
        """
        vector = self._plane[:, *pixel]
        unit = vector / max(float(np.linalg.norm(vector)), _SMALLEST_NORM)
        return (self._units @ unit.astype(np.float32)).reshape(self.shape)
