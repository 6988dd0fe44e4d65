"""Mean embedding and certainty of given objects, from a prediction.

With ``m(p, q) = max(A(p, q), 0) f(p) f(q)``, where A is the affinity of a pair
of pixels (method.md, section 3) and f their foreground probability (1 without one), m measures the certainty that both
belong to one object. The certainty of an object R is

    certainty(R) = max(0, inside(R) - across(R))

    inside(R) = mean of m over all pairs with both ends in R
    across(R) = mean of m over all pairs with exactly one end in R

over the pairs of all offsets of the model. It is 1 if the prediction connects every pair inside and none across; 0 for
an object or a border that it does not predict. inside is the share of pairs connected correctly, 1 - across of those
separated correctly: their sum minus 1 is Youden's index.
"""

import numpy as np
from numpy.typing import NDArray

from napari_grd.graph.cosine import affinities_channels_last
from napari_grd.graph.offsets import pair_ends
from napari_grd.inference.prediction import Prediction
from napari_grd.inference.rescale import nearest


class RelationSums:
    """Sums over the pixels and pairs of objects, accumulated plane by plane.

    Parameters
    ----------
    count : int
        Objects are numbered from 1 to this.
    channels : int
        Length of a pixel's embedding.

    Examples
    --------
    >>> from napari_grd.models.model import ModelConfig
    >>> embedding = np.array([[[1, 1, 0, 0]], [[0, 0, 1, 1]]], np.float32)
    >>> config = ModelConfig(offsets=((0, -1),))
    >>> sums = RelationSums(2, 2)
    >>> sums.add(np.array([[1, 1, 2, 2]]), Prediction(embedding, None, 1.0, (1, 4), config, "f32"))
    >>> sums.embedding().tolist(), sums.certainty().tolist()
    ([[1.0, 0.0], [0.0, 1.0]], [1.0, 1.0])
    """

    def __init__(self, count: int, channels: int) -> None:
        self._length = count + 1  # 0 is background
        self._pixels = np.zeros(self._length)
        self._embedding = np.zeros((self._length, channels))
        self._inside = np.zeros((2, self._length))  # sum of m, number of pairs
        self._across = np.zeros((2, self._length))

    def add(self, labels: NDArray[np.integer], prediction: Prediction) -> None:
        """Add a plane or volume.

        Parameters
        ----------
        labels : (*S) int
            Objects by number, 0 is background.
        prediction : Prediction
            Of an image of the same shape; on a rescaled grid the labels are
            looked up at the grid's pixels.
        """
        embedding = prediction.embedding
        grid = nearest(labels, embedding.shape[1:])
        objects = grid.ravel()
        self._pixels += np.bincount(objects, minlength=self._length)
        for channel, values in enumerate(embedding):
            self._embedding[:, channel] += np.bincount(objects, weights=values.ravel(), minlength=self._length)
        channels_last = np.ascontiguousarray(np.moveaxis(embedding, 0, -1))
        for offset in prediction.config.offsets:  # one by one: all affinities of a large plane need too much memory
            joined = np.maximum(affinities_channels_last(channels_last, [offset])[0], 0)
            here, partner = pair_ends(offset, grid.shape)
            joined = joined[here]
            if prediction.foreground is not None:
                joined = joined * prediction.foreground[here] * prediction.foreground[partner]
            self._add_pairs(grid[here].ravel(), grid[partner].ravel(), joined.ravel())

    def _add_pairs(self, ends: NDArray[np.integer], partners: NDArray[np.integer], joined: NDArray[np.float32]) -> None:
        same = ends == partners
        self._inside += self._sums(ends[same], joined[same])
        for pixels in (ends, partners):
            self._across += self._sums(pixels[~same], joined[~same])

    def _sums(self, objects: NDArray[np.integer], joined: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.stack(
            [
                np.bincount(objects, weights=joined, minlength=self._length),
                np.bincount(objects, minlength=self._length),
            ]
        )

    def embedding(self) -> NDArray[np.float64]:
        """Mean raw embedding of each object, ``(N, C)``; NaN for an object without a pixel of the grid."""
        sums, pixels = self._embedding[1:], self._pixels[1:, None]
        return np.divide(sums, pixels, out=np.full_like(sums, np.nan), where=pixels > 0)

    def certainty(self) -> NDArray[np.float64]:
        """Certainty of each object, ``(N,)`` in [0, 1]; 0 for one without a pair inside."""
        inside, across = (
            np.divide(total, pairs, out=np.zeros(self._length), where=pairs > 0)
            for total, pairs in (self._inside, self._across)
        )
        certainty: NDArray[np.float64] = np.clip(inside - across, 0, 1)[1:]
        return certainty
