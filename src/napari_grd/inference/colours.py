"""Embeddings as colours that mean the same in every image."""

import numpy as np
from numpy.typing import NDArray

_GAIN = 0.6  # unit embeddings then fill most of the range of a colour


def embedding_colours(
    embedding: NDArray[np.float32], basis: NDArray[np.float32], foreground: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Embeddings as colours: the three main directions of a model become red, green and blue.

    Parameters
    ----------
    embedding : (C, H, W) float32
        Raw embedding.
    basis : (4, C) float32
        A model's ``pca``: mean and three directions.
    foreground : (H, W) float32, optional
        Probability; the background is darkened by it.

    Returns
    -------
    (H, W, 3) float32
        In [0, 1]; a model's colours mean the same in every image.

    Examples
    --------
    >>> basis = np.eye(4, dtype=np.float32)
    >>> embedding_colours(np.ones((4, 2, 3), np.float32), basis).shape
    (2, 3, 3)
    """
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=0, keepdims=True), 1e-12)
    directions = np.moveaxis(unit, 0, -1) @ basis[1:].T - basis[0] @ basis[1:].T
    colours: NDArray[np.float32] = np.clip(0.5 + _GAIN * directions, 0, 1).astype(np.float32)
    if foreground is not None:
        colours *= 0.15 + 0.85 * foreground[..., None]
    return colours
